"""Samples of several estimators as points in a plane, on the data."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.comparison import line_style

N_POINTS = 600


def clouds(dataset: xr.Dataset) -> go.Figure:
    """Scatter of each estimator's samples on the data, a view per estimator.

    ``dataset`` has ``sampled(estimator, sample, axis)`` with two axes and ``data(example, axis)``; the
    coordinate ``axis`` holds the titles of the axes. At most 600 points of each are drawn; samples far
    outside the data (more than half their extent) are not.
    """
    data = dataset["data"].values[:N_POINTS]
    names = [str(name) for name in dataset["estimator"].values]
    drawn = style.figure(height=520)
    drawn.add_trace(_cloud(data, "data", {"color": style.GREY, "symbol": "circle-open", "size": 6}))
    for i, name in enumerate(names):
        colour, *_ = line_style(i)
        points = dataset["sampled"].sel(estimator=name).values[:N_POINTS]
        drawn.add_trace(
            _cloud(points, name, {"color": colour, "symbol": "circle", "size": 5, "opacity": 0.8})
        )
    titles = [str(title) for title in dataset["axis"].values]
    drawn.update_xaxes(**style.linear_axis(titles[0], range=_range(data[:, 0])))
    drawn.update_yaxes(**style.linear_axis(titles[1], range=_range(data[:, 1]), scaleanchor="x"))
    style.legend_below(drawn)
    drawn.update_layout(showlegend=True)
    controls.add_views(
        drawn, "samples of", {name: ([True, *(name == other for other in names)], {}) for name in names}
    )
    return drawn


def _cloud(cloud: np.ndarray, name: str, marker: dict[str, object]) -> go.Scatter:
    return go.Scatter(
        x=cloud[:, 0],
        y=cloud[:, 1],
        name=name,
        mode="markers",
        marker=marker,
        hovertemplate=f"{name}: (%{{x:.3g}}, %{{y:.3g}})<extra></extra>",
    )


def _range(values: np.ndarray) -> list[float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.3 * max(high - low, 1e-12)
    return [low - margin, high + margin]
