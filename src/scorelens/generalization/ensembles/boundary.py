"""Where between training points the variance of the score lives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class BoundaryPicture(NamedTuple):
    """Variances ``(m, p)`` over ``t (m,)`` and ``x (p,)``, unit ``x^-2``.

    ``target_variance`` is ``C(x, t)`` of [G4], what regression has to average away; ``model_variance`` that
    between fitted scores, and ``predicted_variance`` its leading order, off where ``leverage``, the share of
    a fit that one sample at this place has, is not far below 1. ``centers (m, k)`` are the noised training
    points ``alpha mu_k``, rising.
    """

    x: np.ndarray
    t: np.ndarray
    target_variance: np.ndarray
    model_variance: np.ndarray
    predicted_variance: np.ndarray
    leverage: np.ndarray
    centers: np.ndarray

    @property
    def boundary_over_point(self) -> tuple[np.ndarray, np.ndarray]:
        """Target and model variance half-way between neighbouring points over those at points, ``(m,)`` each.

        Mean over the boundaries over the mean over the points; far above 1 where noise is small.
        """
        middle = (self.centers[:, 1:] + self.centers[:, :-1]) / 2
        return self._ratio(self.target_variance, middle), self._ratio(self.model_variance, middle)

    @property
    def correlation(self) -> np.ndarray:
        """Of the logarithms of model and predicted variance over ``x``, for each time ``(m,)``."""
        pairs = zip(np.log(self.model_variance), np.log(self.predicted_variance), strict=True)
        return np.array([np.corrcoef(*pair)[0, 1] for pair in pairs])

    def _ratio(self, values: np.ndarray, middle: np.ndarray) -> np.ndarray:
        rows = zip(values, middle, self.centers, strict=True)
        found = [(np.interp(m, self.x, v).mean(), np.interp(c, self.x, v).mean()) for v, m, c in rows]
        return np.array([at_middle / max(at_point, 1e-300) for at_middle, at_point in found])
