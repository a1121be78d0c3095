"""Score errors of one network trained by every objective: a row per objective, a colour per noise level."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import style
from scorelens.plots.rows import figure_of_rows, finish_rows, markers_in_rows


def objective_errors(dataset: xr.Dataset) -> go.Figure:
    """Relative score error in per cent, mean and interval over seeds, at each noise level.

    ``dataset`` has ``mean`` and ``half_width``, both ``(objective, sigma)`` shares, and the ``reference``
    ``(sigma)``, the error of the best linear denoiser, drawn as dotted lines.
    """
    names = [str(name) for name in dataset["objective"].values]
    drawn = figure_of_rows(len(names))
    colours, symbols = style.mode_colours(dataset.sizes["sigma"]), style.mode_symbols(dataset.sizes["sigma"])
    for i, sigma in enumerate(dataset["sigma"].values):
        one = dataset.isel(sigma=i)
        reference = 100.0 * float(one["reference"])
        drawn.add_vline(reference, line={"color": colours[i], "width": 1, "dash": "dot"})
        mean, half = 100.0 * one["mean"].values, 100.0 * one["half_width"].values
        label, look = f"σ {sigma:g}", (colours[i], symbols[i])
        hover = f"%{{y}}, {label}: %{{x:.3g}} ± %{{customdata:.2g}} %"
        drawn.add_trace(markers_in_rows(mean, names, label, look, hover, half))
    shown = 100.0 * np.append(dataset["mean"].values.ravel(), dataset["reference"].values)
    return finish_rows(drawn, names, "score error, % of the score's power", shown, 0.06)
