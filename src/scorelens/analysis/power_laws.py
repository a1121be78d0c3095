"""How emergence depends on variance: power laws of a measurement and of the law, rising and falling apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from scorelens.dynamics import PowerLaw, fit_power_law
from scorelens.dynamics.emergence.power_law import LEAST_MODES
from scorelens.instruments.labels import PURE, VARIANCE, variable

BRANCHES = ("rising", "falling")
#: Share of the resampled exponents that an interval holds.
LEVEL = 0.9
DIMS = ("criterion", "source", "branch")

Fits = Mapping[tuple[str, str, str], PowerLaw | None]
"""A fit, or None where there were too few modes, by criterion, source and branch."""


def fit_branches(
    variance: np.ndarray, emergence: np.ndarray, chosen: np.ndarray, rising: np.ndarray
) -> dict[str, PowerLaw | None]:
    """Fit ``emergence ~ variance ** exponent`` to the ``chosen`` modes of each branch; arrays ``(mode,)``.

    Modes without variance have no place in a power law. None where a branch has fewer than three modes or no
    range.

    >>> variance, rising = np.array([1.0, 2.0, 4.0, 0.1]), np.array([True, True, True, False])
    >>> fits = fit_branches(variance, 1 / variance, np.ones(4, bool), rising)
    >>> round(fits["rising"].exponent, 6), fits["falling"]
    (-1.0, None)
    """
    sides = {"rising": rising & (variance > 0), "falling": ~rising & (variance > 0)}
    return {name: _fit(variance[chosen & side], emergence[chosen & side]) for name, side in sides.items()}


def _fit(variance: np.ndarray, emergence: np.ndarray) -> PowerLaw | None:
    if len(variance) < LEAST_MODES or np.ptp(variance) == 0 or np.ptp(emergence) == 0:
        return None
    return fit_power_law(variance, emergence, level=LEVEL)


def labelled_fits(fits: Fits, criteria: tuple[str, ...], sources: tuple[str, ...]) -> xr.Dataset:
    """The fits over ``(criterion, source, branch)``; where there is none ``n_fitted`` is 0, all else NaN."""

    def table(value: Callable[[PowerLaw], float], none: float = np.nan) -> np.ndarray:
        found = [[[fits[c, s, b] for b in BRANCHES] for s in sources] for c in criteria]
        return np.array([[[none if f is None else value(f) for f in row] for row in m] for m in found])

    def labelled(value: Callable[[PowerLaw], float], long_name: str, units: str = PURE) -> xr.Variable:
        return variable(DIMS, table(value), long_name, units, "learning dynamics, section 12")

    of, share = "of emergence against variance", f"{LEVEL:.0%} of resampled modes"
    reverse = "Exponent of variance against emergence"
    variables = {
        "exponent": labelled(lambda f: f.exponent, f"Exponent {of}"),
        "exponent_low": labelled(lambda f: f.exponent_interval[0], f"Lower end, {share}"),
        "exponent_high": labelled(lambda f: f.exponent_interval[1], f"Upper end, {share}"),
        "reverse_exponent": labelled(lambda f: f.reverse_exponent, reverse),
        "reverse_exponent_low": labelled(lambda f: f.reverse_interval[0], f"Lower end, {share}"),
        "reverse_exponent_high": labelled(lambda f: f.reverse_interval[1], f"Upper end, {share}"),
        "prefactor": labelled(lambda f: f.prefactor, f"Prefactor {of}, at variance 1"),
        "r_squared": labelled(lambda f: f.r_squared, f"R^2 {of}"),
        "smallest_variance": labelled(lambda f: f.variance_range[0], "Smallest variance fitted", VARIANCE),
        "largest_variance": labelled(lambda f: f.variance_range[1], "Largest variance fitted", VARIANCE),
    }
    n_fitted = table(lambda f: f.n_modes, 0).astype(np.int64)
    variables["n_fitted"] = variable(DIMS, n_fitted, "Number of modes fitted", PURE)
    coordinates = {"criterion": list(criteria), "source": list(sources), "branch": list(BRANCHES)}
    return xr.Dataset(variables, coordinates)
