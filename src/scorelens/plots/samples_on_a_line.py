"""Samples of one number each: their density beside that of the data."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.comparison import line_style

N_BINS = 40


def samples_on_a_line(dataset: xr.Dataset) -> go.Figure:
    """Histograms of each estimator's samples on that of the data, a view per estimator.

    ``dataset`` has ``sampled(estimator, sample, axis)`` and ``data(example, axis)`` with one axis. Samples
    far outside the data (more than half their extent) are not drawn.
    """
    data = dataset["data"].values[:, 0]
    names = [str(name) for name in dataset["estimator"].values]
    margin = 0.3 * max(float(np.ptp(data)), 1e-12)
    edges = np.linspace(data.min() - margin, data.max() + margin, N_BINS + 1)
    drawn = style.figure(height=420)
    drawn.add_trace(_steps(data, edges, "data", style.GREY, "tozeroy"))
    for i, name in enumerate(names):
        samples = dataset["sampled"].sel(estimator=name).values[:, 0]
        drawn.add_trace(_steps(samples, edges, name, line_style(i)[0], "none"))
    drawn.update_xaxes(**style.linear_axis("x, data units", range=[float(edges[0]), float(edges[-1])]))
    drawn.update_yaxes(**style.linear_axis("density", rangemode="tozero"))
    drawn.update_layout(showlegend=True)
    style.legend_below(drawn)
    views = {name: ([True, *(name == other for other in names)], {}) for name in names}
    controls.add_views(drawn, "samples of", views)
    return drawn


def _steps(values: np.ndarray, edges: np.ndarray, name: str, colour: str, fill: str) -> go.Scatter:
    counts, _ = np.histogram(values, edges)
    density = counts / (max(len(values), 1) * np.diff(edges))
    return go.Scatter(
        x=edges,
        y=np.append(density, 0.0),
        name=name,
        mode="lines",
        line={"shape": "hv", "color": colour, "width": 2},
        fill=fill,
        hovertemplate=f"{name}: %{{y:.3g}}",
    )
