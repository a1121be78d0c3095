"""Data and samples as points in a plane."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.selection import evenly_spaced

N_STEPS, N_POINTS = 16, 600


def points(dataset: xr.Dataset) -> go.Figure:
    """Scatter of the samples over training (slider) on the data.

    ``dataset`` has ``sampled(step, sample, axis)`` with two axes, optionally ``data(example, axis)``;
    the coordinate ``axis`` holds the titles of the two axes. At most 600 points of each are drawn.
    """
    small = dataset.isel(step=evenly_spaced(dataset.sizes["step"], N_STEPS))
    clouds = small["sampled"].values[:, :N_POINTS]
    drawn = style.figure(height=520)
    behind = [_data(small["data"].values[:N_POINTS])] if "data" in small else []
    drawn.add_traces([*behind, _sampled(clouds[-1])])
    titles = [str(title) for title in small["axis"].values]
    drawn.update_xaxes(**style.linear_axis(titles[0], range=_range(clouds, behind, "x", 0)))
    drawn.update_yaxes(**style.linear_axis(titles[1], range=_range(clouds, behind, "y", 1), scaleanchor="x"))
    frames = {
        f"step {int(step):,}": [go.Scatter(x=c[:, 0], y=c[:, 1])]
        for step, c in zip(small["step"].values, clouds, strict=True)
    }
    controls.add_slider(drawn, "training step", frames, traces=(len(behind),))
    return drawn


def _data(cloud: np.ndarray) -> go.Scatter:
    return _cloud(cloud, "data", {"color": style.GREY, "symbol": "circle-open", "size": 6})


def _sampled(cloud: np.ndarray) -> go.Scatter:
    return _cloud(
        cloud, "generated", {"color": style.VERMILION, "symbol": "circle", "size": 5, "opacity": 0.8}
    )


def _cloud(cloud: np.ndarray, name: str, marker: dict[str, object]) -> go.Scatter:
    return go.Scatter(
        x=cloud[:, 0],
        y=cloud[:, 1],
        name=name,
        mode="markers",
        marker=marker,
        hovertemplate=f"{name}: (%{{x:.3g}}, %{{y:.3g}})<extra></extra>",
    )


def _range(clouds: np.ndarray, behind: list[go.Scatter], name: str, column: int) -> list[float]:
    """One range for all slider positions: data and last samples (early ones may lie far out)."""
    last = clouds[-1, :, column]
    values = np.concatenate([last[np.isfinite(last)], *[np.asarray(trace[name]) for trace in behind]])
    low, high = values.min(), values.max()
    margin = 0.15 * max(high - low, 1e-12)
    return [float(low - margin), float(high + margin)]
