"""The family: every estimator, in the order in which it is listed to people."""

from __future__ import annotations

from scorelens.estimators.base import Estimator

ALL: tuple[type[Estimator], ...] = ()
