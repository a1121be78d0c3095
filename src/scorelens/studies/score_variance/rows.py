"""Measured numbers with standard errors beside what formulas predict of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr

from scorelens.instruments.labels import PURE, variable
from scorelens.results import schema


@final
@dataclass(frozen=True)
class Row:
    """One number under a name; ``predicted`` are formulas by name, in its unit."""

    family: str
    name: str
    measured: float
    stderr: float
    predicted: dict[str, float]


def table_of(rows: Sequence[Row], what: str, units: str) -> xr.Dataset:
    """``measured (case)``, ``stderr (case)``, ``predicted (case, prediction)`` and the ``family (case)``.

    Rows may lack predictions, which are then NaN; ``what`` and ``units`` label the numbers.

    >>> table_of([Row("a", "one", 1.1, 0.1, {"exact": 1.0})], "variance", "1")["predicted"].values
    array([[1.]])
    """
    names = list(dict.fromkeys(name for row in rows for name in row.predicted))
    predicted = [[row.predicted.get(name, np.nan) for name in names] for row in rows]
    one, both = ("case",), ("case", "prediction")
    variables = {
        "measured": variable(one, [row.measured for row in rows], f"Measured {what}", units),
        "stderr": variable(one, [row.stderr for row in rows], f"Standard error of the {what}", units),
        "predicted": variable(both, predicted, f"Predicted {what}", units),
        "family": variable(one, [row.family for row in rows], "What the case belongs to", PURE),
    }
    coordinates = {"case": [row.name for row in rows], "prediction": names}
    return schema.labelled(xr.Dataset(variables, coordinates))


def ratios(table: xr.Dataset) -> xr.DataArray:
    """Measured over predicted, ``(case, prediction)``."""
    return table["measured"] / table["predicted"]


def z_scores(table: xr.Dataset, prediction: str) -> xr.DataArray:
    """Measured less predicted in standard errors, ``(case,)``."""
    return (table["measured"] - table["predicted"].sel(prediction=prediction)) / table["stderr"]


def span(values: xr.DataArray, digits: int = 2) -> str:
    """Smallest and largest of ``values``, as text.

    >>> span(xr.DataArray([1.0, 1.25, np.nan]))
    '1.00 to 1.25'
    """
    return f"{float(values.min()):.{digits}f} to {float(values.max()):.{digits}f}"


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean of independent ``values (r,)`` and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def variance_and_error(values: np.ndarray) -> tuple[float, float]:
    """Variance of independent ``values (r,)`` and its standard error, from the values themselves.

    >>> variance_and_error(np.array([1.0, -1.0, 1.0, -1.0]))[0].__round__(4)
    1.3333
    """
    n = len(values)
    squares = (values - values.mean()) ** 2 * (n / (n - 1))
    return mean_and_error(squares)
