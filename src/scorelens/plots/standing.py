"""Where every mode stands at one time: generated over data variance, with its error."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.mode_axis import rank_axis, thinned
from scorelens.plots.selection import evenly_spaced
from scorelens.plots.trajectories import band_shapes

N_MODES, N_STEPS = 128, 24
#: Farther from 1, a mode is drawn as a triangle at the border.
FARTHEST = 32.0
REFERENCES = {
    "start_variance": ("before training (forecast)", style.GREY, "dot"),
    "limit_variance": ("best linear denoiser, same sampler", style.GREEN, "dash"),
}


def standing(dataset: xr.Dataset) -> go.Figure:
    """Measured variance of each mode relative to the data's, with a slider over steps.

    ``dataset`` has ``measured(step, mode)``, ``standard_error(step, mode)``, the coordinate
    ``eigenvalue(mode)``, and optionally ``start_variance(mode)`` and ``limit_variance(mode)``. At most 128
    log-spaced modes with variance are drawn; bars are two standard errors, triangles lie beyond the axis.
    """
    alive = dataset.isel(mode=np.flatnonzero(dataset["eigenvalue"].values > 0))
    small = thinned(alive, N_MODES).isel(step=evenly_spaced(dataset.sizes["step"], N_STEPS))
    rank = small["mode"].values + 1
    measured = [_measured(small.isel(step=i), rank) for i in range(small.sizes["step"])]
    drawn = style.figure(height=440)
    drawn.add_traces([measured[-1], *_references(small, rank)])
    drawn.update_xaxes(**rank_axis(dataset.sizes["mode"]))
    drawn.update_yaxes(**style.log_axis("generated variance / data variance", _heights(small)))
    drawn.update_layout(shapes=band_shapes())
    style.legend_below(drawn)
    labels = [f"step {int(step):,}" for step in small["step"].values]
    frames = {label: [trace] for label, trace in zip(labels, measured, strict=True)}
    controls.add_slider(drawn, "training step", frames, traces=(0,))
    return drawn


def _measured(one: xr.Dataset, rank: np.ndarray) -> go.Scatter:
    data = one["eigenvalue"].values
    ratio, error = one["measured"].values / data, 2 * one["standard_error"].values / data
    inside = (ratio >= 1 / FARTHEST) & (ratio <= FARTHEST)
    symbol = np.where(inside, "circle", np.where(ratio > 1, "triangle-up", "triangle-down"))
    return go.Scatter(
        x=rank,
        y=np.clip(ratio, 1 / FARTHEST, FARTHEST),
        error_y={"type": "data", "array": np.where(inside, error, 0), "thickness": 1, "width": 0},
        customdata=ratio,
        name="measured",
        mode="markers",
        marker={"color": style.BLUE, "size": 7, "symbol": symbol},
        hovertemplate="mode %{x}: %{customdata:.3g} x the data's variance",
    )


def _references(dataset: xr.Dataset, rank: np.ndarray) -> list[go.Scatter]:
    return [
        go.Scatter(
            x=rank,
            y=dataset[name].values / dataset["eigenvalue"].values,
            name=label,
            mode="lines",
            line={"color": colour, "width": 2, "dash": dash},
            hovertemplate=f"mode %{{x}}: %{{y:.3g}} {label}<extra></extra>",
        )
        for name, (label, colour, dash) in REFERENCES.items()
        if name in dataset
    ]


def _heights(dataset: xr.Dataset) -> np.ndarray:
    """All that is drawn at any slider position, and the band."""
    names = [name for name in ("measured", *REFERENCES) if name in dataset]
    ratios = [np.ravel((dataset[name] / dataset["eigenvalue"]).values) for name in names]
    return np.clip(np.concatenate([*ratios, [0.7, 1.4]]), 1 / FARTHEST, FARTHEST)
