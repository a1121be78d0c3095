"""The model ``G`` of the data covariance that a preconditioner is built from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from scorelens.core import checks
from scorelens.core.spectrum import Spectrum
from scorelens.networks import shrinkage as shrinkages


@final
@dataclass(frozen=True, eq=False)
class AssumedCovariance:
    """``G = U diag(variances) U^T + rest (I - U U^T)``, positive definite, about ``mean``.

    ``mean``: ``(d,)``; ``eigenvectors`` ``U``: ``(d, k)``, orthonormal columns; ``variances``: ``(k,)``, not
    necessarily descending; ``rest``: variance of each of the ``d - k`` other directions (unused if k = d).
    All in squared data units, float64.
    """

    mean: np.ndarray = field(repr=False)
    eigenvectors: np.ndarray = field(repr=False)
    variances: np.ndarray = field(repr=False)
    rest: float

    def __post_init__(self) -> None:
        checks.positive("variances", self.variances, "use a floor")
        checks.positive("rest", self.rest, "use a floor")

    @property
    def dim(self) -> int:
        """Dimension ``d`` of an event."""
        return self.eigenvectors.shape[0]

    @property
    def mean_variance(self) -> float:
        """``trace(G) / d``."""
        n_rest = self.dim - len(self.variances)
        return float(self.variances.sum() + n_rest * self.rest) / self.dim

    @classmethod
    def from_spectrum(
        cls,
        spectrum: Spectrum,
        *,
        floor: float,
        shrinkage: str = "none",
        samples: shrinkages.Blocks | None = None,
        rank: int | None = None,
    ) -> AssumedCovariance:
        """Model the covariance that ``spectrum`` describes ([E26], [E27]).

        ``floor``: smallest assumed variance, at least the square of the sampler's last sigma: a direction
        assumed to have no variance could never be learned. ``shrinkage``: ``none``, ``ledoit-wolf``
        (``samples``: blocks of the training data) or ``held-out`` (``samples``: blocks of held-out data).
        ``rank``: number of modes kept; the others get their mean variance.

        >>> spectrum = Spectrum(np.zeros(3), np.array([4.0, 1.0, 0.0]), np.eye(3), 10, 5.0, (3,))
        >>> AssumedCovariance.from_spectrum(spectrum, floor=1e-3).variances.tolist()
        [4.0, 1.0, 0.001]
        >>> AssumedCovariance.from_spectrum(spectrum, floor=1e-3, rank=1).rest
        0.5

        Raises ``ValueError`` for a floor that is not positive, a rank outside 1..k, an unknown shrinkage or
        one that lacks its samples.
        """
        checks.positive("floor", floor, "at least sigma_min ** 2")
        checks.choice("shrinkage", shrinkage, shrinkages.ALL)
        modes, rest = shrinkages.ALL[shrinkage](spectrum, samples)
        kept = len(modes) if rank is None else rank
        if not 1 <= kept <= len(modes):
            raise ValueError(
                f"rank must be between 1 and {len(modes)} (the modes of the spectrum), got {kept}"
            )
        n_rest = spectrum.dim - kept
        dropped = float(modes[kept:].sum()) + (spectrum.dim - len(modes)) * rest
        return cls(
            spectrum.mean,
            spectrum.eigenvectors[:, :kept],
            np.maximum(modes[:kept], floor),  # [E26]
            max(dropped / n_rest, floor) if n_rest else floor,  # [E27]
        )
