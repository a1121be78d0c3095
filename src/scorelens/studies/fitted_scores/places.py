"""Where the variance of fitted scores lives: on a line, in a plane, or by leverage."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.generalization.posterior_of_points import posterior_of_points
from scorelens.instruments.labels import LENGTH, PURE, sigma_coordinate, variable
from scorelens.studies.fitted_scores.asked import Asked
from scorelens.studies.fitted_scores.levels import PER_SCORE, Ensemble, NoisedData

LINE_CELLS, PLANE_CELLS, MARGIN, SHOWN = 161, 41, 1.25, 300


def variance_places(asked: Asked, levels: list[NoisedData], ensembles: list[list[Ensemble]]) -> xr.Dataset:
    """``target``, ``leverage``, ``predicted`` and ``measured`` variance over places, per component.

    Over ``x`` for data of one number, over ``y`` and ``x`` for two, else over some ``place`` of the noised
    data; ``ensembles`` are by features, then by level. Places beyond the noised data are there too: a fit is
    asked there by samplers that stray.
    """
    axes = _axes(asked)
    dims = ("y", "x")[-asked.dim :] if axes else ("place",)
    shape = tuple(len(axis) for axis in axes.values())[::-1]
    found: dict[str, list] = {"leverage": [], "predicted": [], "measured": []}
    points = [_points(level, axes) for level in levels]
    for row in ensembles:
        cells = [(one, at) for one, at in zip(row, points, strict=True)]
        found["leverage"].append([one.fit.leverage(at) / asked.n_samples for one, at in cells])
        found["predicted"].append([one.predicted_variance(at, asked.n_samples) for one, at in cells])
        found["measured"].append([one.measured_variance(at) for one, at in cells])
    target = [
        posterior_of_points(asked.points, at, level.sigma).target_variance / asked.dim
        for at, level in zip(points, levels, strict=True)
    ]
    variables = {
        name: variable(("features", "sigma", *dims), _shaped(np.array(values), shape), *_LABELS[name])
        for name, values in found.items()
    }
    variables["target"] = variable(("sigma", *dims), _shaped(np.array(target), shape), *_LABELS["target"])
    coordinates = {name: variable((name,), axis, f"Coordinate {name}", LENGTH) for name, axis in axes.items()}
    coordinates |= {
        "features": [one.spec for one in asked.chosen],
        **sigma_coordinate(np.array(asked.sigmas)),
    }
    made = xr.Dataset(variables, coordinates)
    return made.merge(_events(asked)) if axes else made


_LABELS = {
    "target": ("Variance of the target given x", PER_SCORE, "C(x) [G4]"),
    "leverage": (
        "Leverage over the number of samples: share of a fit that one sample here has",
        PURE,
        "[G11]",
    ),
    "predicted": ("Predicted variance of the fitted score", PER_SCORE, "[G9], bins [G13]"),
    "measured": ("Variance of the fitted score between models", PER_SCORE, None),
}


def _axes(asked: Asked) -> dict[str, np.ndarray]:
    if asked.dim > 2:
        return {}
    low, high = np.quantile(asked.points, [0.005, 0.995], axis=0)
    centre, half = (low + high) / 2, MARGIN * max(float((high - low).max()) / 2, 1e-12)
    cells = LINE_CELLS if asked.dim == 1 else PLANE_CELLS
    steps = half * np.linspace(-1, 1, cells)
    return {name: centre[i] + steps for i, name in enumerate("xy"[: asked.dim])}


def _points(level: NoisedData, axes: dict[str, np.ndarray]) -> np.ndarray:
    if not axes:
        return level.places
    return np.stack(np.meshgrid(*axes.values()), axis=-1).reshape(-1, len(axes))


def _shaped(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return values.reshape(*values.shape[:-1], *shape) if shape else values


def _events(asked: Asked) -> xr.Dataset:
    chosen = np.random.default_rng(asked.seed).permutation(len(asked.points))[:SHOWN]
    return xr.Dataset(
        {
            f"event_{name}": variable(("event",), asked.points[chosen, i], f"Data, coordinate {name}", LENGTH)
            for i, name in enumerate("xy"[: asked.dim])
        }
    )
