"""Learning by heart: nearness to the training data, gap of the losses, attraction, pairs of points."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.selection import evenly_spaced
from scorelens.plots.time_axis import TimeAxis, edges
from scorelens.plots.transfer import SIGMA_TITLE

N_STEPS, N_POINTS = 16, 200
RATIO, COPIES = "distance to training data", "near-copies"


def nearness_over_training(dataset: xr.Dataset) -> go.Figure:
    """Distance ratio and share of near-copies over training, a view each, with their intervals.

    ``dataset`` has ``distance_ratio(step)``, ``near_copy_share(step)``, both with ``_low`` and ``_high``, and
    ``false_alarm_rate(step)``. The dashed lines are what fresh data have.
    """
    steps = dataset["step"].values
    axis = TimeAxis.over(steps)
    drawn = style.figure(height=380)
    ratio, copies = _numbers(dataset, "distance_ratio", 1.0), _numbers(dataset, "near_copy_share", 100.0)
    usual = 100 * dataset["false_alarm_rate"].values
    place = axis.position(steps)
    drawn.add_trace(_with_bars(place, steps, ratio))
    drawn.add_trace(_level(place, np.ones(len(steps)), "held-out data"))
    drawn.add_trace(_with_bars(place, steps, copies))
    drawn.add_trace(_level(place, usual, "held-out data"))
    drawn.update_xaxes(**axis.settings("training step"))
    style.legend_below(drawn)
    top = max(1.05, 1.05 * float(np.nanmax([*ratio[2], 1.0])))
    views = {
        RATIO: _axis("distance / that of held-out data", [0, top]),
        COPIES: _axis("near-copies, % of samples", [-2, 102]),
    }
    seen = [True] * 2 + [False] * 2
    chosen = {RATIO: seen, COPIES: [not one for one in seen]}
    controls.add_views(drawn, "show", {name: (chosen[name], views[name]) for name in views})
    return drawn


def loss_gap(dataset: xr.Dataset) -> go.Figure:
    """Map of the gap between held-out and training loss, noise level x step, with the onsets marked.

    ``dataset`` has ``gap(step, sigma)``, the gap as a share of held-out loss, and ``onset_step(sigma)`` (NaN
    without onset). At least two steps and two noise levels.
    """
    ordered = dataset.transpose("step", "sigma").sortby("sigma")
    steps, sigma = ordered["step"].values, ordered["sigma"].values
    axis = TimeAxis.over(steps)
    borders = edges(axis.position(steps), log=True), edges(sigma, log=True)
    gap = 100 * ordered["gap"].values.T
    drawn = style.figure(height=440)
    drawn.add_trace(
        go.Heatmap(
            x=borders[0],
            y=borders[1],
            z=np.clip(gap, -100, 100),
            customdata=np.repeat(steps[None].astype(float), len(sigma), axis=0),
            zmin=-100,
            zmax=100,
            colorscale=[list(stop) for stop in style.DIVERGING],
            colorbar=style.colour_bar(),
            hovertemplate="σ %{y:.3g}, step %{customdata:,}: %{z:.0f}%<extra></extra>",
        )
    )
    onset = ordered["onset_step"].values
    known = np.isfinite(onset)
    if known.any():
        drawn.add_trace(_onsets(axis.position(onset[known]), sigma[known], onset[known]))
    drawn.update_xaxes(**axis.settings("training step"), showgrid=False)
    drawn.update_xaxes(range=np.log10(borders[0][[0, -1]]).tolist())
    drawn.update_yaxes(**style.log_axis(SIGMA_TITLE, sigma), showgrid=False)
    drawn.update_yaxes(range=np.log10(borders[1][[0, -1]]).tolist())
    drawn.update_layout(margin={"t": 72}, showlegend=bool(known.any()))
    drawn.add_annotation(style.colour_title("(held-out − training loss) / held-out loss, %"))
    style.legend_below(drawn)
    return drawn


def attraction(dataset: xr.Dataset) -> go.Figure:
    """Attraction towards the memorising denoiser over the noise level, with a slider over steps.

    ``dataset`` has ``attraction(step, sigma)`` and ``attraction_standard_error(step, sigma)``, NaN where it
    is not to be drawn; optionally ``unseen(sigma)``, the same for data that were not trained on.
    """
    small = dataset.isel(step=evenly_spaced(dataset.sizes["step"], N_STEPS)).sortby("sigma")
    sigma = small["sigma"].values
    known = np.isfinite(small["attraction"].values).any(axis=0)
    shown = sigma[known] if known.any() else sigma
    drawn = style.figure(height=400)
    drawn.add_trace(_attracted(small.isel(step=-1)))
    drawn.add_trace(_floor([shown[0], shown[-1]], 0.0, "best linear denoiser", style.GREEN, "dash"))
    drawn.add_trace(_floor([shown[0], shown[-1]], 1.0, "knows every training point", style.PURPLE, "dot"))
    if "unseen" in small:
        drawn.add_trace(_unseen(small))
    drawn.update_xaxes(**style.log_axis(SIGMA_TITLE, shown))
    values = np.clip(small["attraction"].values, -1.5, 2.5)
    low, high = np.nanmin([*values.ravel(), 0.0]), np.nanmax([*values.ravel(), 1.0])
    drawn.update_yaxes(**style.linear_axis("attraction", range=[low - 0.1, high + 0.1]))
    style.legend_below(drawn)
    if small.sizes["step"] > 1:
        frames = {f"step {int(s):,}": [_attracted(small.sel(step=s))] for s in small["step"].values}
        controls.add_slider(drawn, "training step", frames, traces=(0,))
    return drawn


def neighbours(dataset: xr.Dataset) -> go.Figure:
    """Samples in a plane, each joined to its nearest training point, with a slider over steps.

    ``dataset`` has ``sampled(step, shown, axis)`` and ``neighbour(step, shown, axis)`` with two axes; the
    coordinate ``axis`` holds their titles. At most 200 pairs are drawn.
    """
    small = dataset.isel(step=evenly_spaced(dataset.sizes["step"], N_STEPS))
    small = small.isel(shown=slice(0, N_POINTS)).transpose("step", "shown", "axis")
    pairs = list(zip(small["sampled"].values, small["neighbour"].values, strict=True))
    drawn = style.figure(height=520)
    drawn.add_traces(_joined(*pairs[-1]))
    titles = [str(title) for title in small["axis"].values]
    ends = np.concatenate(pairs[-1])
    drawn.update_xaxes(**style.linear_axis(titles[0], range=_range(ends[:, 0])))
    drawn.update_yaxes(**style.linear_axis(titles[1], range=_range(ends[:, 1]), scaleanchor="x"))
    style.legend_below(drawn)
    if len(pairs) > 1:
        labels = [f"step {int(step):,}" for step in small["step"].values]
        frames = {label: _joined(*pair) for label, pair in zip(labels, pairs, strict=True)}
        controls.add_slider(drawn, "training step", frames, traces=(0, 1, 2))
    return drawn


def _numbers(dataset: xr.Dataset, name: str, unit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    value, low, high = (unit * dataset[f"{name}{end}"].values for end in ("", "_low", "_high"))
    return value, low, high


def _with_bars(x: np.ndarray, steps: np.ndarray, numbers: tuple[np.ndarray, ...]) -> go.Scatter:
    value, low, high = numbers
    return go.Scatter(
        x=x,
        y=value,
        error_y={
            "type": "data",
            "array": high - value,
            "arrayminus": value - low,
            "thickness": 1,
            "width": 3,
        },
        customdata=np.stack([steps, low, high], axis=1),
        name="samples",
        mode="lines+markers",
        line={"color": style.VERMILION, "width": 2},
        marker={"symbol": "circle", "size": 6},
        hovertemplate="step %{customdata[0]:,}: %{y:.3g} (%{customdata[1]:.3g} to %{customdata[2]:.3g})",
    )


def _level(x: np.ndarray, values: np.ndarray, name: str) -> go.Scatter:
    line = {"color": style.GREY, "width": 2, "dash": "dash"}
    return go.Scatter(x=x, y=values, name=name, mode="lines", line=line, hovertemplate="%{y:.3g}")


def _axis(title: str, limits: list[float]) -> dict[str, Any]:
    return controls.axis_change("yaxis", style.linear_axis(title, range=limits))


def _onsets(x: np.ndarray, sigma: np.ndarray, steps: np.ndarray) -> go.Scatter:
    rim = {"color": style.PAPER, "width": 1}
    return go.Scatter(
        x=x,
        y=sigma,
        customdata=steps,
        name="onset",
        mode="markers",
        marker={"symbol": "triangle-right", "size": 11, "color": style.INK, "line": rim},
        hovertemplate="onset at σ %{y:.3g}: step %{customdata:,}<extra></extra>",
    )


def _attracted(one: xr.Dataset) -> go.Scatter:
    error = 2 * one["attraction_standard_error"].values
    return go.Scatter(
        x=one["sigma"].values,
        y=one["attraction"].values,
        error_y={"type": "data", "array": np.where(np.isfinite(error), error, 0), "thickness": 1, "width": 3},
        name="model",
        mode="lines+markers",
        line={"color": style.VERMILION, "width": 2},
        marker={"symbol": "circle", "size": 6},
        hovertemplate="σ %{x:.3g}: %{y:.3g}",
    )


def _unseen(one: xr.Dataset) -> go.Scatter:
    return go.Scatter(
        x=one["sigma"].values,
        y=one["unseen"].values,
        name="towards data it has not seen",
        mode="lines+markers",
        line={"color": style.BLUE, "width": 2, "dash": "dashdot"},
        marker={"symbol": "diamond", "size": 6},
        hovertemplate="σ %{x:.3g}: %{y:.3g}",
    )


def _floor(x: list[float], value: float, name: str, colour: str, dash: str) -> go.Scatter:
    line = {"color": colour, "width": 2, "dash": dash}
    return go.Scatter(x=x, y=[value, value], name=name, mode="lines", line=line, hoverinfo="skip")


def _joined(sampled: np.ndarray, neighbour: np.ndarray) -> list[go.Scatter]:
    gap = np.full(len(sampled), np.nan)
    lines = np.stack([sampled, neighbour, np.stack([gap, gap], axis=1)], axis=1).reshape(-1, 2)
    return [
        go.Scatter(
            x=lines[:, 0],
            y=lines[:, 1],
            name="joined",
            mode="lines",
            line={"color": style.GREY, "width": 1},
            hoverinfo="skip",
            showlegend=False,
        ),
        _dots(
            neighbour, "nearest training points", {"color": style.BLUE, "symbol": "circle-open", "size": 8}
        ),
        _dots(sampled, "generated", {"color": style.VERMILION, "symbol": "circle", "size": 5}),
    ]


def _dots(points: np.ndarray, name: str, marker: dict[str, Any]) -> go.Scatter:
    hover = f"{name}: (%{{x:.3g}}, %{{y:.3g}})<extra></extra>"
    return go.Scatter(
        x=points[:, 0], y=points[:, 1], name=name, mode="markers", marker=marker, hovertemplate=hover
    )


def _range(values: np.ndarray) -> list[float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.1 * max(high - low, 1e-12)
    return [low - margin, high + margin]
