"""One coloured curve per mode, in rows of panels, with a choice and a slider: figures of the theory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from scorelens.plots import controls, style

ROW_HEIGHT, FRAME_HEIGHT, GAP = 165, 150, 34


@final
@dataclass(frozen=True)
class Facet:
    """A dimension that is spread over views, slider positions or rows; ``label`` writes its values."""

    dimension: str
    name: str
    label: str = "{}"

    def labels(self, dataset: xr.Dataset) -> list[str]:
        """What is written at each value of the dimension."""
        values = dataset[self.dimension].values
        return [self.label.format(value).replace("inf", "∞") for value in values]


@final
@dataclass(frozen=True)
class ModeCurves:
    """What `mode_curves` draws of a Dataset: the variable ``value`` over the dimension ``along``.

    ``rows`` stacks panels, ``views`` lets the reader choose, ``slider`` moves (the last position is shown
    first). ``targets`` are variables without ``along``, drawn as horizontal lines, with their dashes;
    ``reference`` is a variable with ``along`` drawn dashed behind; ``marks`` are two variables without
    ``along``: where a diamond stands. All may lack dimensions they do not depend on.
    """

    value: str
    along: str
    x_axis: Mapping[str, Any]
    y_axis: Mapping[str, Any]
    rows: Facet
    views: Facet | None = None
    slider: Facet | None = None
    targets: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None
    marks: tuple[str, str] | None = None
    mark_name: str = "emergence"
    hover: str = "%{x:.3g}: %{y:.4g}"


def mode_curves(dataset: xr.Dataset, what: ModeCurves) -> go.Figure:
    """Curves of every mode of ``dataset`` (coordinate ``eigenvalue(mode)``, at most eight modes)."""
    n_rows = dataset.sizes[what.rows.dimension]
    height = n_rows * ROW_HEIGHT + FRAME_HEIGHT
    panes = make_subplots(
        n_rows, 1, shared_xaxes=True, vertical_spacing=GAP / (height - 100) if n_rows > 1 else 0
    )
    drawn = style.dressed(panes, height)
    positions = _positions(dataset, what.slider)
    views = _positions(dataset, what.views)
    owners = []
    for label, at in views:
        traces = _traces(dataset.isel(at | positions[-1][1]), what)
        drawn.add_traces(
            [trace for trace, _ in traces], rows=[row for _, row in traces], cols=[1] * len(traces)
        )
        owners += [label] * len(traces)
    drawn.update_xaxes(**{key: value for key, value in what.x_axis.items() if key != "title"})
    drawn.update_xaxes(title=what.x_axis["title"], row=n_rows, col=1)
    drawn.update_yaxes(**what.y_axis)
    row_titles(drawn, what.rows.labels(dataset))
    style.legend_below(drawn)
    drawn.update_layout(showlegend=True)
    if what.slider is not None:
        frames = {label: _frame(dataset.isel(at), what, views) for label, at in positions}
        controls.add_slider(drawn, what.slider.name, frames, traces=range(len(owners)))
    if what.views is not None:
        shown = {label: ([owner == label for owner in owners], {}) for label, _ in views}
        controls.add_views(drawn, what.views.name, shown)
    return drawn


def _positions(dataset: xr.Dataset, facet: Facet | None) -> list[tuple[str, dict[str, int]]]:
    if facet is None:
        return [("", {})]
    return [(label, {facet.dimension: i}) for i, label in enumerate(facet.labels(dataset))]


def _frame(
    dataset: xr.Dataset, what: ModeCurves, views: list[tuple[str, dict[str, int]]]
) -> list[go.Scatter]:
    """All traces at one position of the slider, without what does not move."""
    traces = [trace for _, at in views for trace, _ in _traces(dataset.isel(at), what)]
    return [
        go.Scatter(x=trace.x, y=trace.y) if trace.mode == "markers" else go.Scatter(y=trace.y)
        for trace in traces
    ]


def _traces(dataset: xr.Dataset, what: ModeCurves) -> list[tuple[go.Scatter, int]]:
    """The traces of one view at one position of the slider, each with its row."""
    colours = style.mode_colours(dataset.sizes["mode"])
    found = []
    for row in range(dataset.sizes[what.rows.dimension]):
        one = dataset.isel({what.rows.dimension: row})
        for mode, colour in enumerate(colours):
            found += [
                (trace, row + 1) for trace in _of_mode(one.isel(mode=mode), what, colour, first=row == 0)
            ]
        if what.marks is not None:
            found.append((_diamonds(one, what, colours, first=row == 0), row + 1))
    return found


def _of_mode(one: xr.Dataset, what: ModeCurves, colour: str, *, first: bool) -> list[go.Scatter]:
    x = one[what.along].values
    name = f"variance {float(one['eigenvalue']):.3g}"
    lines = [
        _line(x[[0, -1]], np.repeat(float(one[target]), 2), colour, dash)
        for target, dash in what.targets.items()
    ]
    if what.reference is not None:
        lines.append(_line(x, one[what.reference].values, colour, "dash"))
    curve = go.Scatter(
        x=x,
        y=one[what.value].values,
        name=name,
        legendgroup=name,
        showlegend=first,
        mode="lines",
        line={"color": colour, "width": 2},
        hovertemplate=f"{name}<br>{what.hover}<extra></extra>",
    )
    return [*lines, curve]


def _line(x: np.ndarray, y: np.ndarray, colour: str, dash: str) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": colour, "width": 1, "dash": dash},
        showlegend=False,
        hoverinfo="skip",
    )


def _diamonds(one: xr.Dataset, what: ModeCurves, colours: list[str], *, first: bool) -> go.Scatter:
    x, y = (one[name].values for name in what.marks or ())
    known = np.isfinite(x) & (x > 0)
    return go.Scatter(
        x=np.where(known, x, np.nan),
        y=np.where(known, y, np.nan),
        name=what.mark_name,
        legendgroup=what.mark_name,
        showlegend=first,
        mode="markers",
        marker={"color": colours, "symbol": "diamond", "size": 9, "line": {"width": 1, "color": style.PAPER}},
        hovertemplate=f"{what.mark_name} at %{{x:.4g}}: %{{y:.4g}}<extra></extra>",
    )


def row_titles(drawn: go.Figure, labels: list[str]) -> None:
    """Write a label above each row of panels, at its left end."""
    for row, label in enumerate(labels, start=1):
        domain = next(drawn.select_yaxes(row=row, col=1)).domain
        drawn.add_annotation(
            text=label,
            showarrow=False,
            xref="paper",
            x=0,
            xanchor="left",
            yref="paper",
            y=domain[1],
            yanchor="bottom",
            font={"size": 13},
        )
