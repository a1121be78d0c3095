"""Several runs in one figure, over training."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import style
from scorelens.plots.time_axis import TimeAxis

COLOURS = (style.BLUE, style.VERMILION, style.GREEN, style.PURPLE, style.OCHRE)
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross")


def learned_share(runs: dict[str, xr.Dataset]) -> go.Figure:
    """Share of the modes whose variance is right, over training: one line per run.

    Each Dataset has ``learned_share(step)``, between 0 and 1.
    """
    drawn = _over_training(runs, "learned_share", 100.0, "%{y:.0f}% of modes")
    drawn.update_yaxes(**style.linear_axis("modes with the right variance, %", range=[-4, 104]))
    return drawn


def held_out_loss(runs: dict[str, xr.Dataset]) -> go.Figure:
    """EDM-weighted loss on held-out data, over training: one line per run (``held_out_edm_loss(step)``)."""
    drawn = _over_training(runs, "held_out_edm_loss", 1.0, "%{y:.4g}")
    values = np.concatenate([run["held_out_edm_loss"].values for run in runs.values()])
    drawn.update_yaxes(**style.log_axis("EDM-weighted held-out loss", values))
    return drawn


def _over_training(runs: dict[str, xr.Dataset], name: str, scale: float, value: str) -> go.Figure:
    axis = TimeAxis.over(np.concatenate([run["step"].values for run in runs.values()]))
    drawn = style.figure(height=400)
    for i, (label, run) in enumerate(runs.items()):
        colour, symbol = COLOURS[i % len(COLOURS)], SYMBOLS[i % len(SYMBOLS)]
        drawn.add_trace(
            go.Scatter(
                x=axis.position(run["step"].values),
                y=scale * run[name].values,
                customdata=run["step"].values,
                name=label,
                mode="lines+markers",
                line={"color": colour, "width": 2},
                marker={"symbol": symbol, "size": 7},
                hovertemplate=f"step %{{customdata:,}}: {value}",
            )
        )
    drawn.update_xaxes(**axis.settings("training step"))
    style.legend_below(drawn)
    return drawn
