"""What maps over the plane of two-dimensional data share: equal units along both axes, whole cells."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import style


def dress_plane(drawn: go.Figure, dataset: xr.Dataset) -> None:
    """Axes over the cells of the evenly spaced ``x`` and ``y``, in data units; room for a title above."""
    for name, update in (("x", drawn.update_xaxes), ("y", drawn.update_yaxes)):
        axis, half = dataset[name].values, float(np.diff(dataset[name].values[:2])[0]) / 2
        ends = [float(axis[0]) - half, float(axis[-1]) + half]
        update(**style.linear_axis(f"{name}, data units", range=ends, showgrid=False, constrain="domain"))
    drawn.update_xaxes(title=None)
    drawn.update_yaxes(scaleanchor="x", constraintoward="top")
    drawn.update_layout(showlegend=True, margin={"t": 72})
    style.legend_below(drawn)
