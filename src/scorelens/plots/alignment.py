"""Does the model vary along the data's own directions?"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.mode_axis import rank_axis, thinned
from scorelens.plots.selection import evenly_spaced

N_MODES, N_STEPS = 200, 24


def alignment(dataset: xr.Dataset) -> go.Figure:
    """Alignment of the generated covariance with the data's modes, with a slider over steps.

    ``dataset`` has ``alignment(step, mode)`` and ``alignment_ceiling(step, mode)`` (what as many samples of a
    perfect model have on average), both 0 to 1. At most 200 log-spaced modes are drawn.
    """
    small = thinned(dataset, N_MODES).isel(step=evenly_spaced(dataset.sizes["step"], N_STEPS))
    rank = small["mode"].values + 1
    measured = small["alignment"].transpose("step", "mode").values
    ceiling = small["alignment_ceiling"].transpose("step", "mode").values[-1]
    drawn = style.figure(height=380)
    drawn.add_traces([_measured(rank, measured[-1]), _ceiling(rank, ceiling)])
    drawn.update_xaxes(**rank_axis(dataset.sizes["mode"]))
    drawn.update_yaxes(**style.linear_axis("alignment", range=[-0.03, 1.04]))
    style.legend_below(drawn)
    labels = [f"step {int(step):,}" for step in small["step"].values]
    frames = {label: [_measured(rank, each)] for label, each in zip(labels, measured, strict=True)}
    controls.add_slider(drawn, "training step", frames, traces=(0,))
    return drawn


def _measured(rank: np.ndarray, values: np.ndarray) -> go.Scatter:
    return go.Scatter(
        x=rank,
        y=values,
        name="measured",
        mode="lines+markers" if len(rank) <= 64 else "lines",
        line={"color": style.BLUE, "width": 2},
        marker={"size": 6},
        hovertemplate="mode %{x}: %{y:.3f}",
    )


def _ceiling(rank: np.ndarray, values: np.ndarray) -> go.Scatter:
    return go.Scatter(
        x=rank,
        y=values,
        name="a perfect model, with as many samples",
        mode="lines",
        line={"color": style.GREEN, "width": 2, "dash": "dash"},
        hovertemplate="mode %{x}: %{y:.3f} at best",
    )
