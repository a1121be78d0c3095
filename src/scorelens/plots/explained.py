"""What several denoisers explain of the data at each noise level, against floors."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.comparison import line_style
from scorelens.plots.transfer import SIGMA_TITLE

PARTS = {"held-out": "held-out data", "training": "training data"}
#: A loss below this share of the linear floor is drawn at the border.
LEAST_RATIO, MOST_RATIO = 1e-3, 30.0
_GAUSSIAN = ("best linear denoiser", style.GREY, "dash")
_EMPIRICAL = ("memorising the training data", style.GREY, "dot")


def explained_variance(dataset: xr.Dataset) -> go.Figure:
    """Explained variance over the noise level: a line per estimator; views: held-out and training data.

    ``dataset`` has ``explained_variance(estimator, part, sigma)`` with ``standard_error``, and the floors
    ``gaussian_floor(part, sigma)`` and ``empirical_floor(sigma)`` (drawn with the training data only).
    """
    drawn = style.figure(height=480)
    views = _views(drawn, dataset, _explained)
    drawn.update_xaxes(**style.log_axis(SIGMA_TITLE, dataset["sigma"].values))
    drawn.update_yaxes(**style.linear_axis("explained variance, %", range=[-12, 104]))
    style.legend_below(drawn)
    controls.add_views(drawn, "measured on", {PARTS[part]: (seen, {}) for part, seen in views.items()})
    return drawn


def loss_over_floor(dataset: xr.Dataset) -> go.Figure:
    """Denoising loss over that of the best linear denoiser (log-log); views and ``dataset`` as above.

    ``dataset`` also has ``loss(estimator, part, sigma)``, ``gaussian_loss(part, sigma)`` and
    ``empirical_loss(sigma)``. This shows the small noise levels, at which all explain nearly everything.
    """
    drawn = style.figure(height=480)
    views = _views(drawn, dataset, _relative)
    drawn.update_xaxes(**style.log_axis(SIGMA_TITLE, dataset["sigma"].values))
    ratio = np.clip((dataset["loss"] / dataset["gaussian_loss"]).values, LEAST_RATIO, MOST_RATIO)
    drawn.update_yaxes(**style.log_axis("loss / loss of the best linear denoiser", [*ratio.ravel(), 1.0]))
    style.legend_below(drawn)
    controls.add_views(drawn, "measured on", {PARTS[part]: (seen, {}) for part, seen in views.items()})
    return drawn


def _views(drawn: go.Figure, dataset: xr.Dataset, lines: Any) -> dict[str, list[bool]]:
    """Add the ``lines`` of both parts to ``drawn``; which of all traces each part shows."""
    traces = {part: lines(dataset.sel(part=part), part) for part in PARTS}
    for part in PARTS:
        drawn.add_traces(traces[part])
    return {part: [other == part for other in PARTS for _ in traces[other]] for part in PARTS}


def _explained(one: xr.Dataset, part: str) -> list[go.Scatter]:
    sigma = one["sigma"].values
    drawn = [_floor(sigma, 100 * one["gaussian_floor"].values, _GAUSSIAN, "%{y:.1f}%")]
    if part == "training":
        drawn.append(_floor(sigma, 100 * one["empirical_floor"].values, _EMPIRICAL, "%{y:.1f}%"))
    for i, name in enumerate(one["estimator"].values.tolist()):
        each = one.sel(estimator=name)
        values, error = 100 * each["explained_variance"].values, 200 * each["standard_error"].values
        drawn.append(_line(sigma, values, error, name, i, "%{y:.1f}%"))
    return drawn


def _relative(one: xr.Dataset, part: str) -> list[go.Scatter]:
    sigma, floor = one["sigma"].values, one["gaussian_loss"].values
    drawn = [_floor(sigma, np.ones_like(sigma), _GAUSSIAN, "%{y:.3g}")]
    if part == "training":
        ratio = one["empirical_loss"].values / floor
        drawn.append(_floor(sigma, np.where(ratio > LEAST_RATIO, ratio, np.nan), _EMPIRICAL, "%{y:.3g}"))
    for i, name in enumerate(one["estimator"].values.tolist()):
        ratio = one.sel(estimator=name)["loss"].values / floor
        drawn.append(_line(sigma, np.clip(ratio, LEAST_RATIO, MOST_RATIO), None, name, i, "%{y:.3g}"))
    return drawn


def _line(
    x: np.ndarray, y: np.ndarray, error: np.ndarray | None, name: str, i: int, value: str
) -> go.Scatter:
    colour, symbol, dash = line_style(i)
    return go.Scatter(
        x=x,
        y=y,
        error_y=None if error is None else {"type": "data", "array": error, "thickness": 1, "width": 0},
        name=name,
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        marker={"symbol": symbol, "size": 6},
        hovertemplate=f"σ %{{x:.3g}}: {value}",
    )


def _floor(x: np.ndarray, y: np.ndarray, look: tuple[str, str, str], value: str) -> go.Scatter:
    name, colour, dash = look
    return go.Scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate=f"σ %{{x:.3g}}: {value}",
    )
