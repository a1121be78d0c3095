"""What training ends at, mode by mode: generated over data variance before and after infinite training."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import style
from scorelens.plots.mode_axis import rank_axis, thinned
from scorelens.plots.trajectories import BAND, band_shapes

N_MODES = 256
#: Farther from 1, a mode is drawn as a triangle at the border.
FARTHEST = 1e3


def limits(dataset: xr.Dataset) -> go.Figure:
    """Generated over data variance of each mode at time 0, after infinite training, and at best.

    ``dataset`` has the coordinate ``eigenvalue(mode)`` and ``start_variance``, ``limit_variance``,
    ``optimal_variance`` (of the best linear denoiser) and ``stuck``, all ``(mode,)``. At most 256 log-spaced
    modes with variance are drawn; triangles lie beyond the axis.
    """
    alive = dataset.isel(mode=np.flatnonzero(dataset["eigenvalue"].values > 0))
    small = thinned(alive, N_MODES)
    drawn = style.figure(height=440)
    drawn.add_traces([_line(small, *reference) for reference in REFERENCES])
    drawn.add_traces(_points(small))
    heights = [_clipped(_ratio(small, name)) for name in ("start_variance", "limit_variance")]
    drawn.update_xaxes(**rank_axis(dataset.sizes["mode"]))
    drawn.update_yaxes(
        **style.log_axis("generated variance / data variance", np.concatenate([*heights, [0.5, 2.0]]))
    )
    drawn.update_layout(shapes=band_shapes(), showlegend=True)
    style.legend_below(drawn)
    return drawn


REFERENCES = (
    ("start_variance", "before training", style.GREY, "dot"),
    ("optimal_variance", "best linear denoiser, same sampler", style.GREEN, "dash"),
)


def _line(dataset: xr.Dataset, name: str, label: str, colour: str, dash: str) -> go.Scatter:
    return go.Scatter(
        x=dataset["mode"].values + 1,
        y=_ratio(dataset, name),
        name=label,
        mode="lines",
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate=f"mode %{{x}}: %{{y:.3g}} {label}<extra></extra>",
    )


def _points(dataset: xr.Dataset) -> list[go.Scatter]:
    ratio = _ratio(dataset, "limit_variance")
    stuck = dataset["stuck"].values.astype(bool)
    right = (ratio >= BAND[0]) & (ratio <= BAND[1])
    groups = (
        ("after infinite training: right", right & ~stuck, style.BLUE, "circle"),
        ("after infinite training: never right", ~right & ~stuck, style.VERMILION, "square"),
        ("after infinite training: stuck", stuck, style.PURPLE, "x"),
    )
    return [_group(dataset, ratio, *group) for group in groups if group[1].any()]


def _group(
    dataset: xr.Dataset, ratio: np.ndarray, name: str, chosen: np.ndarray, colour: str, symbol: str
) -> go.Scatter:
    shown = ratio[chosen]
    inside = (shown >= 1 / FARTHEST) & (shown <= FARTHEST)
    symbols = np.where(inside, symbol, np.where(shown > 1, "triangle-up", "triangle-down"))
    return go.Scatter(
        x=dataset["mode"].values[chosen] + 1,
        y=_clipped(shown),
        customdata=shown,
        name=name,
        mode="markers",
        marker={"color": colour, "size": 7 if len(ratio) <= 64 else 5, "symbol": symbols},
        hovertemplate=f"mode %{{x}}: %{{customdata:.3g}} x the data's variance<br>{name}<extra></extra>",
    )


def _ratio(dataset: xr.Dataset, name: str) -> np.ndarray:
    return dataset[name].values / dataset["eigenvalue"].values


def _clipped(ratio: np.ndarray) -> np.ndarray:
    return np.clip(ratio, 1 / FARTHEST, FARTHEST)
