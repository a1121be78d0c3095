"""Whether the noise of a fitted score is what its leading order says."""

from __future__ import annotations

import math
import warnings
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from scorelens.core import checks

TOLERATED = 0.1
"""Relative error of the leading order beyond which a number is given with a warning."""


class Status(StrEnum):
    """How far a number may be trusted."""

    REACHED = "reached"
    FEW_SAMPLES = "few-samples"
    NOISE_NOT_DOMINANT = "noise-not-dominant"
    FEW_SAMPLES_AND_NOISE_NOT_DOMINANT = "few-samples-and-noise-not-dominant"


class OutsideLeadingOrder(UserWarning):
    """A number was asked for where its leading order is off; the message says by how much."""


class Validity(NamedTuple):
    """What the leading order of a fit to few samples neglects ([G21]).

    ``n_samples`` are those of the fit, ``n_features`` includes a constant. ``correction`` is the relative
    amount by which an affine fit of Gaussian data exceeds the leading order, averaged over the data ([G12]);
    other fits exceed it by about as much. ``smear_share`` is the variance that the step adds over that of the
    noise at its level, ``n_features / (4 n_samples)`` if ``g^2 dt = sigma^2``. ``noise_share`` is
    ``sigma^2 E tr C / d``, the part of the target's variance that is left once ``x`` is given: 1 where the
    noise is far below the scale of smooth data, 0 for separate points ([G4]); NaN where it is not neglected.
    """

    status: Status
    n_samples: float
    n_features: int
    correction: float
    smear_share: float
    noise_share: float

    @property
    def neglected(self) -> float:
        """The largest relative error that the status judges: of few samples, or of the noise."""
        return max(self.correction, self.noise_error)

    @property
    def noise_error(self) -> float:
        """``|noise_share - 1|``; 0 where the share is not neglected."""
        return 0.0 if math.isnan(self.noise_share) else abs(self.noise_share - 1)


class Kernel(NamedTuple):
    """A covariance, and whether its derivation holds."""

    covariance: np.ndarray
    validity: Validity


def finite_sample_correction(n_samples: float, n_features: int) -> float:
    """How far the mean variance of an affine fit exceeds its leading order ``F / n``, relative ([G12]).

    ``n_features`` counts the constant. Infinite for one sample more than features, where the fit exists but
    has no variance.

    >>> round(finite_sample_correction(100, 2), 4)
    0.0206
    """
    if n_samples <= n_features + 1:
        return math.inf
    slopes = n_features - 1
    mean = 1 / n_samples + slopes * (1 + 1 / n_samples) / (n_samples - slopes - 2)
    return mean * n_samples / n_features - 1


def validity(
    n_samples: float, n_features: int, smear_share: float = math.nan, noise_share: float = math.nan
) -> Validity:
    """The status and its numbers; ``ValueError`` for no more samples than features, where no fit exists.

    A fit that is no step has no ``smear_share``.

    >>> validity(1000.0, 2, smear_share=5e-4).status
    <Status.REACHED: 'reached'>
    """
    checks.positive("n_samples", n_samples)
    if n_samples <= n_features:
        raise ValueError(
            f"a fit of {n_features} features needs more than {n_features} samples, got {n_samples:.4g}: it "
            "is not unique, and the leading order has no meaning; take more samples, longer bins of time or "
            "fewer features"
        )
    correction = finite_sample_correction(n_samples, n_features)
    few, other = correction > TOLERATED, abs(noise_share - 1) > TOLERATED
    status = (
        Status.FEW_SAMPLES_AND_NOISE_NOT_DOMINANT
        if few and other
        else Status.FEW_SAMPLES
        if few
        else Status.NOISE_NOT_DOMINANT
        if other
        else Status.REACHED
    )
    return Validity(status, float(n_samples), n_features, correction, smear_share, noise_share)


def warn_outside(found: Validity) -> None:
    """`OutsideLeadingOrder` with what is neglected, unless the leading order is reached."""
    said = []
    if found.correction > TOLERATED:
        more = "without bound" if math.isinf(found.correction) else f"by {100 * found.correction:.0f} %"
        said.append(
            f"{found.n_samples:.4g} samples for {found.n_features} features: the variance exceeds the "
            f"leading order by about F/n, for affine features {more}"
        )
    if found.noise_error > TOLERATED:
        said.append(
            f"given x, {100 * found.noise_share:.0f} % of the target's variance are left where the leading "
            "order takes all of it; order='sandwich' does not"
        )
    if said:
        warnings.warn("; ".join(said), OutsideLeadingOrder, stacklevel=3)
