"""Monomials ``x^beta`` by multi-index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.estimators.features.appell import AppellProducts, checked_index


@final
@dataclass(frozen=True, eq=False)
class Monomials(AppellProducts):
    """``phi_beta(x) = prod_l x_l^beta_l``; badly conditioned from degree 8 on, where ``Hermite`` serves.

    >>> Monomials([[1, 0], [1, 2]]).value([[3.0, 2.0]])
    array([[ 3., 12.]])
    >>> Monomials.of_degree(dim=2, degree=2).n_features
    5
    """

    index: np.ndarray
    name: ClassVar[str] = "monomials"
    reference: ClassVar[str] = "score estimation [S20], [S21]"

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", checked_index(self.index))

    @property
    def _spread(self) -> float:
        return 0.0
