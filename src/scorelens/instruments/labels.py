"""Labels of numbers: every variable says what it is, in which units and, if theory, by which equation."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

VARIANCE = "squared data units"
LENGTH = "data units"
PURE = "1"


def variable(
    dims: tuple[str, ...], values: Any, long_name: str, units: str, equation: str | None = None
) -> xr.Variable:
    """A labelled variable; ``equation`` names the theory it evaluates, if any.

    >>> variable(("mode",), [1.0], "Variance", VARIANCE).attrs["units"]
    'squared data units'
    """
    attrs = {"long_name": long_name, "units": units}
    if equation is not None:
        attrs["equation"] = equation
    return xr.Variable(dims, np.asarray(values), attrs)


def mode_coordinates(eigenvalues: np.ndarray) -> dict[str, xr.Variable]:
    """Coordinates ``mode`` (0 is the largest) and ``eigenvalue`` (the data's variance along it).

    >>> sorted(mode_coordinates(np.array([4.0, 1.0])))
    ['eigenvalue', 'mode']
    """
    return {
        "mode": variable(("mode",), np.arange(len(eigenvalues)), "Mode, largest variance first", PURE),
        "eigenvalue": variable(("mode",), eigenvalues, "Variance of the data along the mode", VARIANCE),
    }


def sigma_coordinate(sigmas: np.ndarray) -> dict[str, xr.Variable]:
    """Coordinate ``sigma``, noise levels in data units.

    >>> list(sigma_coordinate(np.array([0.1, 1.0])))
    ['sigma']
    """
    return {"sigma": variable(("sigma",), sigmas, "Noise level (standard deviation)", LENGTH)}
