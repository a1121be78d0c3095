"""Every mode at every time: ratio of generated to data variance, with the marks of emergence."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.mode_axis import ModeAxis, thinned
from scorelens.plots.time_axis import TimeAxis, edges, time_name, time_title

N_MODES = 96
LARGEST_OCTAVE = 5
VIEWS = {"measured": "measured", "forecast": "forecast", "implied": "implied by the transfer function"}


def variance_heatmap(dataset: xr.Dataset) -> go.Figure:
    """Mode x time map of generated / data variance on a diverging scale of octaves, 1 in the middle.

    ``dataset`` has some of ``measured``, ``forecast`` and ``implied`` (by the transfer function), each
    ``(step, mode)`` and a view of its own, and the coordinate ``eigenvalue(mode)``. Optional
    ``emergence_step(mode)`` with ``emergence_status(mode)``, ``forecast_emergence_step(mode)`` and
    ``gray(mode)`` are marked. At most 96 log-spaced modes are drawn.
    """
    axis = TimeAxis.over(dataset[time_name(dataset)].values)
    modes, small = ModeAxis(dataset.sizes["mode"]), thinned(dataset, N_MODES)
    shown = [name for name in VIEWS if name in dataset]
    marks = _marks(small.isel(mode=np.flatnonzero(small["eigenvalue"].values > 0)), axis)
    drawn = style.figure(height=540)
    drawn.add_traces([*_maps(small, shown, axis, modes), *marks])
    _dress(drawn, dataset, axis, modes)
    if len(shown) > 1:
        views = {VIEWS[n]: ([n == other for other in shown] + [True] * len(marks), {}) for n in shown}
        controls.add_views(drawn, "show", views)
    return drawn


def _dress(drawn: go.Figure, dataset: xr.Dataset, axis: TimeAxis, modes: ModeAxis) -> None:
    borders = edges(axis.position(dataset[time_name(dataset)].values), log=True)
    drawn.update_xaxes(**axis.settings(time_title(dataset)), showgrid=False)
    drawn.update_xaxes(range=np.log10(borders[[0, -1]]).tolist())
    drawn.update_yaxes(**modes.settings(), showgrid=False)
    drawn.update_layout(margin={"t": 72})
    drawn.add_annotation(style.colour_title("generated variance / data variance"))
    style.legend_below(drawn)
    _gray_zone(drawn, dataset, modes)


def _maps(dataset: xr.Dataset, shown: list[str], axis: TimeAxis, modes: ModeAxis) -> list[go.Heatmap]:
    octaves = [_octaves(dataset, name) for name in shown]
    limit = _limit(octaves)
    return [_cells(dataset, each, axis, modes, limit) for each in octaves]


def _octaves(dataset: xr.Dataset, name: str) -> np.ndarray:
    """log2 of generated over data variance, shape (mode, time); NaN where either is zero."""
    generated = dataset[name].transpose("mode", ...).values
    target = dataset["eigenvalue"].values[:, None]
    known = (generated > 0) & (target > 0)
    ratio = np.divide(generated, target, out=np.ones_like(generated), where=known)
    return np.where(known, np.log2(ratio), np.nan)


def _limit(octaves: list[np.ndarray]) -> float:
    finite = np.concatenate([np.abs(z[np.isfinite(z)]) for z in octaves])
    return float(np.clip(np.ceil(finite.max()) if finite.size else 1, 1, LARGEST_OCTAVE))


def _cells(
    dataset: xr.Dataset, octaves: np.ndarray, axis: TimeAxis, modes: ModeAxis, limit: float
) -> go.Heatmap:
    time = dataset[time_name(dataset)]
    label = [[f"{time.name} {t:,.4g}" for t in time.values]] * len(octaves)
    ticks = np.arange(-limit, limit + 1) if limit <= 2 else 2 * np.arange(-(limit // 2), limit // 2 + 1)
    return go.Heatmap(
        x=edges(axis.position(time.values), log=True),
        y=modes.cells(dataset["mode"].values),
        z=np.clip(octaves, -limit, limit),
        customdata=np.exp2(octaves),
        text=label,
        zmin=-limit,
        zmax=limit,
        colorscale=style.DIVERGING,
        colorbar=style.colour_bar(
            tickvals=ticks.tolist(),
            ticktext=[_times(t) for t in ticks],
        ),
        hovertemplate="%{text}, mode %{y:.0f}<br>%{customdata:.3g} x the data's variance<extra></extra>",
    )


def _times(octave: float) -> str:
    return f"×{2**octave:g}" if octave >= 0 else f"×1/{2**-octave:g}"


def _marks(dataset: xr.Dataset, axis: TimeAxis) -> list[go.Scatter]:
    rank = dataset["mode"].values + 1
    marks = []
    if "forecast_emergence_step" in dataset:
        forecast = dataset["forecast_emergence_step"].values
        inside = np.isfinite(forecast) & (forecast <= axis.last)
        marks.append(_mark("emergence, forecast", axis.position(forecast[inside]), rank[inside], "diamond"))
    if "emergence_step" in dataset:
        status = dataset["emergence_status"].values
        emerged, censored = status == "emerged", status == "censored"
        measured = axis.position(dataset["emergence_step"].values)
        marks.append(_mark("emergence, measured", measured[emerged], rank[emerged], "circle"))
        end = np.full(int(censored.sum()), axis.last)
        marks.append(_mark("not yet emerged", end, rank[censored], "triangle-right"))
    return [mark for mark in marks if len(mark.x)]


def _mark(name: str, x: np.ndarray, rank: np.ndarray, symbol: str) -> go.Scatter:
    fill, rim = (style.PAPER, style.INK) if symbol == "diamond" else (style.INK, style.PAPER)
    return go.Scatter(
        x=x,
        y=rank,
        name=name,
        mode="markers",
        marker={"symbol": symbol, "size": 7, "color": fill, "line": {"color": rim, "width": 1}},
        hovertemplate=f"mode %{{y}}: {name} at %{{x:,.3g}}<extra></extra>",
    )


def _gray_zone(drawn: go.Figure, dataset: xr.Dataset, modes: ModeAxis) -> None:
    if "gray" not in dataset or not dataset["gray"].values.any():
        return
    rank = dataset["mode"].values[dataset["gray"].values.astype(bool)] + 1
    for border in (rank.min() - 0.5, rank.max() + 0.5):
        drawn.add_hline(y=border, line={"color": style.INK, "width": 1.2, "dash": "dot"})
    drawn.add_annotation(
        text="gray zone: starts near its target",
        xref="paper",
        x=0.01,
        xanchor="left",
        y=modes.coordinate(rank.min() - 0.5),
        yanchor="top",
        showarrow=False,
        font={"size": 12, "color": style.INK},
        bgcolor="rgba(255,255,255,0.7)",
    )
