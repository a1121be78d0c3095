"""Several runs in one figure, over training."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import style
from scorelens.plots.time_axis import TimeAxis, time_name, time_title

COLOURS = (
    style.BLUE,
    style.VERMILION,
    style.GREEN,
    style.PURPLE,
    style.OCHRE,
    style.MODE_COLOURS[-1],
    style.GREY,
)
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross")
DASHES = ("solid", "dash", "dot")
MOMENTS = {"step": "step %{customdata:,}", "flow_time": "dose %{customdata:,.4g}"}


def learned_share(runs: dict[str, xr.Dataset]) -> go.Figure:
    """Share of the modes whose variance is right, over training: one line per run.

    Each Dataset has ``learned_share`` over ``step``, or over ``flow_time`` for forecasts, between 0 and 1.
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


def line_style(i: int) -> tuple[str, str, str]:
    """Colour, symbol and dash of run ``i``: no two of the first 21 lines, or 35 symbols, are alike.

    >>> len({line_style(i)[:2] for i in range(35)}), len({line_style(i)[::2] for i in range(21)})
    (35, 21)
    """
    dash = DASHES[i // len(COLOURS) % len(DASHES)]
    return COLOURS[i % len(COLOURS)], SYMBOLS[i % len(SYMBOLS)], dash


def _over_training(runs: dict[str, xr.Dataset], name: str, scale: float, value: str) -> go.Figure:
    first = next(iter(runs.values()))
    time = time_name(first)
    axis = TimeAxis.over(np.concatenate([run[time].values for run in runs.values()]))
    drawn = style.figure(height=400)
    for i, (label, run) in enumerate(runs.items()):
        colour, symbol, dash = line_style(i)
        drawn.add_trace(
            go.Scatter(
                x=axis.position(run[time].values),
                y=scale * run[name].values,
                customdata=run[time].values,
                name=label,
                mode="lines+markers" if time == "step" else "lines",
                line={"color": colour, "width": 2, "dash": dash},
                marker={"symbol": symbol, "size": 7},
                hovertemplate=f"{MOMENTS[time]}: {value}",
            )
        )
    drawn.update_xaxes(**axis.settings(time_title(first)))
    style.legend_below(drawn)
    return drawn
