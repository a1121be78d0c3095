"""When modes emerge by the theory, against their variance, with fitted power laws: law, criterion, start."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from scorelens.plots import controls, style
from scorelens.plots.emergence import COLOURS, SYMBOLS
from scorelens.plots.mode_curves import Facet, row_titles

LAW, START = Facet("law", "law"), Facet("initial_gain", "initial gain", "{:g}")
CRITERION = Facet("criterion", "threshold")
ROW, FRAME, GAP = 190, 150, 34


def emergence_exponents(dataset: xr.Dataset) -> go.Figure:
    """Emergence time over variance (log-log), a row per law, of `scorelens.analysis.exponent_table`.

    The reader chooses the initial gain (the first is shown first) and moves the criterion (the last is shown
    first). Modes that start within a factor 2 of their target are grey circles and not fitted.
    """
    n_rows = dataset.sizes["law"]
    height = n_rows * ROW + FRAME
    panes = make_subplots(n_rows, 1, shared_xaxes=True, vertical_spacing=GAP / (height - 100))
    drawn = style.dressed(panes, height)
    owners = []
    for i, label in enumerate(START.labels(dataset)):
        for row in range(n_rows):
            traces = _traces(dataset.isel(law=row, criterion=-1, initial_gain=i), first=row == 0)
            drawn.add_traces(traces, rows=[row + 1] * len(traces), cols=[1] * len(traces))
            owners += [label] * len(traces)
    axis = style.log_axis("variance of the mode in the data", dataset["eigenvalue"].values)
    drawn.update_xaxes(**{key: value for key, value in axis.items() if key != "title"})
    drawn.update_xaxes(title=axis["title"], row=n_rows, col=1)
    times = dataset["emergence_time"].values
    drawn.update_yaxes(**style.log_axis("emergence, dose T", times[np.isfinite(times)]))
    row_titles(drawn, LAW.labels(dataset))
    style.legend_below(drawn)
    drawn.update_layout(showlegend=True)
    controls.add_slider(drawn, CRITERION.name, _frames(dataset), traces=range(len(owners)))
    shown = {label: ([owner == label for owner in owners], {}) for label in START.labels(dataset)}
    controls.add_views(drawn, START.name, shown)
    return drawn


def _frames(dataset: xr.Dataset) -> dict[str, list[go.Scatter]]:
    return {
        label: [
            go.Scatter(x=trace.x, y=trace.y)
            for i in range(dataset.sizes["initial_gain"])
            for row in range(dataset.sizes["law"])
            for trace in _traces(dataset.isel(law=row, criterion=k, initial_gain=i), first=False)
        ]
        for k, label in enumerate(CRITERION.labels(dataset))
    }


def _traces(one: xr.Dataset, *, first: bool) -> list[go.Scatter]:
    gray, rising = (one[name].values.astype(bool) for name in ("gray", "rising"))
    emerged = one["emergence_status"].values == "emerged"
    pale = {"color": style.GREY, "symbol": "circle-open", "size": 7}
    traces = [_points(one, emerged & gray, "starts near its target", pale, first=first)]
    for branch, side in (("rising", rising), ("falling", ~rising)):
        look = {"color": COLOURS[branch], "symbol": SYMBOLS[branch], "size": 7}
        traces.append(_points(one, emerged & ~gray & side, branch, look, first=first))
        traces.append(_fitted(one.sel(branch=branch), branch, first=first))
    return traces


def _points(one: xr.Dataset, chosen: np.ndarray, name: str, marker: dict, *, first: bool) -> go.Scatter:
    return go.Scatter(
        # An empty trace would lose its place in the legend.
        x=one["eigenvalue"].values[chosen] if chosen.any() else [None],
        y=one["emergence_time"].values[chosen] if chosen.any() else [None],
        name=name,
        legendgroup=name,
        showlegend=first,
        mode="markers",
        marker=marker,
        hovertemplate=f"{name}, variance %{{x:.3g}}: dose %{{y:.4g}}<extra></extra>",
    )


def _fitted(one: xr.Dataset, branch: str, *, first: bool) -> go.Scatter:
    x = np.array([float(one["smallest_variance"]), float(one["largest_variance"])])
    name = f"power law, {branch}"
    return go.Scatter(
        x=x,
        y=float(one["prefactor"]) * x ** float(one["exponent"]),
        name=name,
        legendgroup=name,
        showlegend=first,
        mode="lines",
        line={"color": COLOURS[branch], "width": 2},
        hoverinfo="skip",
    )
