"""Probabilists' Hermite polynomials by multi-index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.estimators.features.appell import AppellProducts, checked_index


@final
@dataclass(frozen=True, eq=False)
class Hermite(AppellProducts):
    """``phi_alpha(x) = prod_l He_{alpha_l}(x_l)``, orthogonal under ``N(0, I)`` with square norm ``alpha!``.

    Under variance-preserving noise, ``alpha^2 + std^2 = 1``, their averages over the noise shrink by
    ``alpha^degree``, without a division ([S22]).

    >>> Hermite([[2]]).mean_laplacian([[0.3]], alpha=0.6, std=0.8)
    array([2.])
    """

    index: np.ndarray
    name: ClassVar[str] = "hermite"
    reference: ClassVar[str] = "score estimation [S22], [S24]"

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", checked_index(self.index))

    @property
    def _spread(self) -> float:
        return 1.0
