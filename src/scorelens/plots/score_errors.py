"""Parts of the error of a fitted score over the noise level."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.transfer import SIGMA_TITLE

#: Half of a 95% interval in standard errors; lower ends are drawn no deeper than this share of the value.
HALF_WIDTH, LEAST = 1.96, 0.3
_LINES = (
    ("predicted", "standard deviation, predicted", style.BLUE, "solid"),
    ("rule_of_thumb", "rule of thumb √L/(σ√n)", style.BLUE, "dot"),
    ("if_gaussian", "if the data were Gaussian [G12]", style.PURPLE, "dash"),
    ("predicted_bias", "bias, predicted", style.OCHRE, "solid"),
    ("misfit", "what the features cannot hold", style.VERMILION, "dash"),
    ("score_size", "the true score itself", style.GREY, "dash"),
)


def score_errors(dataset: xr.Dataset) -> go.Figure:
    """Root mean squares times the noise level, so that 1 is the size of the noise: a view per features.

    ``dataset`` has ``(features, sigma)`` mean squares ``predicted``, ``measured`` with ``measured_error``,
    ``rule_of_thumb``, ``if_gaussian``, ``predicted_bias``, ``misfit`` and ``score_size``; NaN and 0 are left
    out.
    """
    drawn = style.figure(height=500)
    owners = []
    for spec in dataset["features"].values.tolist():
        traces = _traces(dataset.sel(features=spec).sortby("sigma"))
        drawn.add_traces(traces)
        owners += [spec] * len(traces)
    shown = np.concatenate([_values(dataset, name).ravel() for name, *_ in _LINES[:3] + _LINES[4:]])
    largest = float(np.nanmax(shown))
    drawn.update_xaxes(**style.log_axis(SIGMA_TITLE, dataset["sigma"].values))
    kept = shown[np.isfinite(shown) & (shown > 1e-4 * largest)]
    drawn.update_yaxes(**style.log_axis("σ × error of the score", kept))
    style.legend_below(drawn)
    views = {spec: ([owner == spec for owner in owners], {}) for spec in dict.fromkeys(owners)}
    controls.add_views(drawn, "features", views)
    return drawn


def _values(one: xr.Dataset, name: str) -> np.ndarray:
    squares = one[name].values * one["sigma"].values ** 2
    return np.where(squares > 0, np.sqrt(np.where(squares > 0, squares, 1.0)), np.nan)


def _traces(one: xr.Dataset) -> list[go.Scatter]:
    drawn = []
    for name, label, colour, dash in _LINES:
        y = _values(one, name)
        if np.isfinite(y).any():
            drawn.append(
                go.Scatter(
                    x=one["sigma"].values,
                    y=y,
                    name=label,
                    mode="lines",
                    line={"color": colour, "width": 2, "dash": dash},
                    hovertemplate="σ %{x:.3g}: %{y:.3g}",
                )
            )
    drawn.append(_measured(one))
    return drawn


def _measured(one: xr.Dataset) -> go.Scatter:
    y = _values(one, "measured")
    half = HALF_WIDTH * one["measured_error"].values / (2 * one["measured"].values) * y
    half = np.nan_to_num(half)
    return go.Scatter(
        x=one["sigma"].values,
        y=y,
        name="standard deviation, measured",
        mode="markers",
        marker={"color": style.BLUE, "size": 9},
        error_y={"array": half, "arrayminus": np.minimum(half, (1 - LEAST) * y), "width": 3},
        customdata=half,
        hovertemplate="σ %{x:.3g}: %{y:.3g} ± %{customdata:.2g}",
    )
