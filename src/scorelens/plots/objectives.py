"""Score errors of one network trained by every objective: a row per objective, a colour per noise level."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import style

ROW, FRAME = 27, 150
#: Lower ends of intervals that reach 0 are drawn at this share of the mean: a logarithm has no 0.
LEAST = 0.1


def objective_errors(dataset: xr.Dataset) -> go.Figure:
    """Relative score error in per cent, mean and interval over seeds, at each noise level.

    ``dataset`` has ``mean`` and ``half_width``, both ``(objective, sigma)`` shares, and the ``reference``
    ``(sigma)``, the error of the best linear denoiser, drawn as dotted lines.
    """
    names = [str(name) for name in dataset["objective"].values]
    drawn = style.figure(height=ROW * len(names) + FRAME)
    colours, symbols = style.mode_colours(dataset.sizes["sigma"]), style.mode_symbols(dataset.sizes["sigma"])
    for i, sigma in enumerate(dataset["sigma"].values):
        one = dataset.isel(sigma=i)
        reference = 100.0 * float(one["reference"])
        drawn.add_vline(reference, line={"color": colours[i], "width": 1, "dash": "dot"})
        drawn.add_trace(_level(one, names, f"σ {sigma:g}", colours[i], symbols[i]))
    shown = 100.0 * np.append(dataset["mean"].values.ravel(), dataset["reference"].values)
    drawn.update_xaxes(**style.log_axis("score error, % of the score's power", shown, 0.06))
    drawn.update_yaxes(type="category", autorange="reversed", tickvals=names, title=None)
    drawn.update_layout(showlegend=True)
    style.legend_below(drawn)
    return drawn


def _level(one: xr.Dataset, names: list[str], label: str, colour: str, symbol: str) -> go.Scatter:
    mean, half = 100.0 * one["mean"].values, 100.0 * one["half_width"].values
    return go.Scatter(
        x=mean,
        y=names,
        name=label,
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 8},
        error_x={"array": half, "arrayminus": np.minimum(half, (1 - LEAST) * mean), "width": 3},
        customdata=half,
        hovertemplate=f"%{{y}}, {label}: %{{x:.3g}} ± %{{customdata:.2g}} %<extra></extra>",
    )
