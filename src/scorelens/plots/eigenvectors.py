"""Eigenvectors as images, each with the factor by which its direction shrinks."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.posterior import NOISE

COLUMNS, MOST, GAP = 4, 12, 1
#: Larger images are drawn at every second, third... pixel.
MOST_PIXELS = 64


def eigenvectors(dataset: xr.Dataset) -> go.Figure:
    """Eigenvectors of the Jacobian at events that are images, the largest eigenvalue first.

    ``dataset`` has ``eigenvector(point, sigma, eigen, channel, height, width)`` and
    ``eigenvalue(point, sigma, eigen)``; at most 12 are drawn, averaged over channels, each on its own scale.
    Views are the events, the slider is over the noise level.
    """
    small = dataset.sortby("sigma").isel(eigen=slice(MOST))
    images = small["eigenvector"].mean("channel").transpose("point", "sigma", "eigen", "height", "width")
    stride = math.ceil(max(images.shape[-2:]) / MOST_PIXELS)
    tiles = images.values[..., ::stride, ::stride]
    factors = small["eigenvalue"].transpose("point", "sigma", "eigen").values
    points = range(len(tiles))
    drawn = style.figure(height=470)
    frames = {
        label: [trace for p in points for trace in _mosaic(tiles[p, k], factors[p, k])]
        for k, label in enumerate(NOISE.labels(small))
    }
    last = list(frames.values())[-1]
    drawn.add_traces(last)
    controls.add_slider(drawn, NOISE.name, frames, traces=range(len(last)))
    owners = [p for p in points for _ in range(2)]
    views = {f"event {p + 1}": ([owner == p for owner in owners], {}) for p in points}
    controls.add_views(drawn, "event", views)
    bare = {"showgrid": False, "showline": False, "ticks": "", "showticklabels": False}
    drawn.update_xaxes(**bare, constrain="domain")
    drawn.update_yaxes(**bare, autorange="reversed", scaleanchor="x")
    drawn.update_layout(showlegend=False, margin={"l": 8, "r": 8, "t": 16, "b": 8})
    return drawn


def _mosaic(tiles: np.ndarray, factors: np.ndarray) -> list[go.Heatmap | go.Scatter]:
    """``tiles (k, h, w)`` side by side, a line for its factor above each."""
    k, height, width = tiles.shape
    label = max(round(0.3 * height), 1)
    down, across = height + label + GAP, width + GAP
    columns = min(COLUMNS, k)
    board = np.full((math.ceil(k / columns) * down, columns * across - GAP), np.nan)
    places = [(i // columns * down, i % columns * across) for i in range(k)]
    for (top, left), tile in zip(places, tiles, strict=True):
        peak = max(float(np.abs(tile).max()), 1e-30) if np.isfinite(tile).all() else 1.0
        board[top + label : top + label + height, left : left + width] = tile / peak
    heat = go.Heatmap(
        z=np.round(board, 2),
        zmin=-1,
        zmax=1,
        colorscale=style.DIVERGING,
        showscale=False,
        hoverongaps=False,
        hovertemplate="%{z:.2f} of its largest entry<extra></extra>",
    )
    text = go.Scatter(
        x=[left + (width - 1) / 2 for _, left in places],
        y=[top + label / 2 - 0.5 for top, _ in places],
        text=[f"{factor:.2g}".replace("-", "−") for factor in factors],
        mode="text",
        textfont={"size": style.TICK_SIZE},
        hoverinfo="skip",
    )
    return [heat, text]
