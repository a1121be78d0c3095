"""Samples of many models on a line, how many lie away from the data, and where the score varies."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from scorelens.plots import controls, style
from scorelens.plots.comparison import line_style
from scorelens.plots.measured import HALF_WIDTH

LEAST_DENSITY, MOST_DENSITY = 1e-3, 20.0
SINGLE_MODELS = 3
ROW = 130


def densities(samples: xr.Dataset, at: tuple[float, ...]) -> go.Figure:
    """Histograms of ``density (n_samples, cutoff, seed, x)`` averaged over models, and of three models.

    A row per number of samples, a view per cut-off; lines stand at the data ``at``. ``density_of_naive``
    is that of all models whose target has no noise.
    """
    counts, cutoffs = samples["n_samples"].values, samples["cutoff"].values
    drawn = style.dressed(make_subplots(len(counts), 1, shared_xaxes=True, vertical_spacing=0.025), 560)
    drawn.update_layout(height=ROW * len(counts) + 150, showlegend=True)
    owners = []
    for cutoff in cutoffs:
        for row, count in enumerate(counts, 1):
            traces = _histograms(samples.sel(cutoff=cutoff, n_samples=count), first=row == 1)
            for trace in traces:
                drawn.add_trace(trace, row=row, col=1)
            owners += [cutoff] * len(traces)
    limits = np.array([LEAST_DENSITY, MOST_DENSITY])
    for row, count in enumerate(counts, 1):
        axis = style.log_axis(f"{count} draws", limits, 0.0)
        drawn.update_yaxes(**axis, row=row, col=1)
    for place in at:
        drawn.add_vline(place, line={"color": style.GREY, "width": 1, "dash": "dot"})
    reach = float(np.abs(samples["x"].values).max())
    drawn.update_xaxes(range=[-reach, reach])
    drawn.update_xaxes(**style.linear_axis("sample"), row=len(counts), col=1)
    style.legend_below(drawn)
    views = {f"{cutoff:g}": ([cutoff == owner for owner in owners], {}) for cutoff in cutoffs}
    controls.add_views(drawn, "smallest time", views)
    return drawn


def _histograms(one: xr.Dataset, first: bool) -> list[go.Scatter]:
    """The average filled, models as thin lines, a target without noise dotted."""
    x = one["x"].values
    average = _step(x, one["density"].mean("seed").values, "all models", first)
    average.update(fill="tozeroy", line={"color": style.BLUE, "width": 1.5, "shape": "hvh"})
    several = [
        _step(x, one["density"].isel(seed=i).values, f"model {i + 1}", first)
        for i in range(min(SINGLE_MODELS, one.sizes["seed"]))
    ]
    for i, trace in enumerate(several):
        trace.update(line={"color": line_style(i + 1)[0], "width": 1, "shape": "hvh"})
    naive = _step(x, one["density_of_naive"].values, "all models, target without noise", first)
    naive.update(line={"color": style.GREY, "width": 2, "dash": "dot", "shape": "hvh"})
    return [average, *several, naive]


def _step(x: np.ndarray, density: np.ndarray, name: str, first: bool) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=np.maximum(density, LEAST_DENSITY / 10),
        name=name,
        legendgroup=name,
        showlegend=first,
        mode="lines",
        hovertemplate=f"{name}<br>%{{x:.3g}}: %{{y:.3g}}<extra></extra>",
    )


def shares_away(shares: xr.Dataset) -> go.Figure:
    """Share of samples away from the data over ``n_samples``, a colour per ``cutoff`` and a view per part.

    Points with 95% intervals over models; dashed lines of the same colour, ``naive``, are those of a
    target without noise.
    """
    drawn = style.figure(height=440)
    owners = []
    for part in shares["part"].values.tolist():
        for i, cutoff in enumerate(shares["cutoff"].values):
            traces = _share_lines(shares.sel(part=part, cutoff=cutoff), i)
            drawn.add_traces(traces)
            owners += [part] * len(traces)
    counts = shares["n_samples"].values
    drawn.update_xaxes(**style.log_axis("draws of a training set", counts, 0.08))
    drawn.update_xaxes(tickvals=counts, ticktext=[f"{n:g}" for n in counts])
    drawn.update_yaxes(**style.linear_axis("share of the samples", rangemode="tozero", tickformat=".0%"))
    drawn.update_layout(showlegend=True)
    style.legend_below(drawn)
    views = {part: ([part == owner for owner in owners], {}) for part in shares["part"].values.tolist()}
    controls.add_views(drawn, "samples", views)
    return drawn


def _share_lines(one: xr.Dataset, i: int) -> list[go.Scatter]:
    colour, symbol, _ = line_style(i)
    label, half = f"smallest time {float(one['cutoff']):g}", HALF_WIDTH * one["stderr"].values
    models = go.Scatter(
        x=one["n_samples"].values,
        y=one["share"].values,
        name=label,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"symbol": symbol, "size": 8},
        error_y={"array": half, "width": 3},
        customdata=half,
        hovertemplate=f"{label}<br>%{{x}} draws: %{{y:.3g}} ± %{{customdata:.2g}}<extra></extra>",
    )
    naive = go.Scatter(
        x=one["n_samples"].values,
        y=one["naive"].values,
        name=f"{label}, target without noise",
        mode="lines",
        line={"color": colour, "width": 1.5, "dash": "dash"},
        hovertemplate=f"{label}, target without noise<br>%{{x}} draws: %{{y:.3g}}<extra></extra>",
    )
    return [models, naive]


def boundaries(variance: xr.Dataset, far_below: float) -> go.Figure:
    """Variance of the score over ``x``: of the target, between models and predicted; the leverage below it.

    ``variance`` is of one cut-off: ``target (time, x)`` and ``measured``, ``predicted`` and ``leverage``
    ``(n_samples, time, x)``. A slider over ``time``, a view per number of samples, and a line where the
    leverage is ``far_below`` 1.
    """
    drawn = style.dressed(
        make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.68, 0.32]), 560
    )
    counts, owners = variance["n_samples"].values, []
    for count in counts:
        *upper, leverage = _curves(variance.sel(n_samples=count).isel(time=-1))
        for trace in upper:
            drawn.add_trace(trace, row=1, col=1)
        drawn.add_trace(leverage, row=2, col=1)
        owners += [count] * (len(upper) + 1)
    _dress(drawn, variance, far_below)
    frames = {
        f"t = {float(t):g}": [
            go.Scatter(y=trace.y)
            for count in counts
            for trace in _curves(variance.sel(n_samples=count, time=t))
        ]
        for t in variance["time"].values[::-1]
    }
    controls.add_slider(drawn, "time", frames, traces=range(len(owners)))
    views = {f"{count} draws": ([count == owner for owner in owners], {}) for count in counts[::-1]}
    controls.add_views(drawn, "training set", views)
    return drawn


def _curves(one: xr.Dataset) -> list[go.Scatter]:
    looks = {
        "target": ("target given x", style.GREY, "solid"),
        "measured": ("between models", style.BLUE, "solid"),
        "predicted": ("leading order", style.VERMILION, "dash"),
        "leverage": ("leverage", style.GREEN, "solid"),
    }
    return [
        go.Scatter(
            x=one["x"].values,
            y=np.where(one[name].values > 1e-290, one[name].values, np.nan),
            name=label,
            mode="lines",
            line={"color": colour, "width": 2, "dash": dash},
            hovertemplate=f"{label}<br>x %{{x:.3g}}: %{{y:.3g}}<extra></extra>",
        )
        for name, (label, colour, dash) in looks.items()
    ]


def _dress(drawn: go.Figure, variance: xr.Dataset, far_below: float) -> None:
    every = np.concatenate([variance[name].values.ravel() for name in ("target", "measured", "predicted")])
    limits = np.array([variance["measured"].values.min() / 30, every.max()])
    drawn.update_yaxes(**style.log_axis("variance of the score", limits), row=1, col=1)
    leverage = variance["leverage"].values
    limits = np.array([max(leverage.max() * 1e-5, leverage.min()), 1.0])
    drawn.update_yaxes(**style.log_axis("leverage", limits), row=2, col=1)
    drawn.add_hline(far_below, line={"color": style.GREY, "width": 1, "dash": "dot"}, row=2, col=1)  # pyright: ignore[reportArgumentType]
    drawn.update_xaxes(**style.linear_axis("state x"), row=2, col=1)
    drawn.update_layout(showlegend=True)
    style.legend_below(drawn)
