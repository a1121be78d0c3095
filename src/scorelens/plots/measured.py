"""Measured numbers against formulas: ratios in rows, and curves over a time that is cut off."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import style
from scorelens.plots.comparison import line_style
from scorelens.plots.rows import figure_of_rows, finish_rows, interval_bars, markers_in_rows, with_legend

#: Of a standard error: half of a 95% interval.
HALF_WIDTH = 1.96


def measured_ratios(table: xr.Dataset) -> go.Figure:
    """Measured over predicted in a row per case, with 95% intervals, a colour per formula; 1 is agreement.

    ``table`` has ``measured`` and ``stderr``, both ``(case)``, and ``predicted (case, prediction)``.
    """
    names = [str(name) for name in table["case"].values]
    drawn = figure_of_rows(len(names))
    drawn.add_vline(1.0, line={"color": style.GREY, "width": 1})
    for i, label in enumerate(table["prediction"].values.tolist()):
        predicted = table["predicted"].sel(prediction=label)
        half = HALF_WIDTH * (table["stderr"] / predicted).values
        hover = f"%{{y}}<br>{label}: %{{x:.3g}} ± %{{customdata:.2g}}"
        ratio = (table["measured"] / predicted).values
        drawn.add_trace(markers_in_rows(ratio, names, label, line_style(i)[:2], hover, half))
    shown = np.append((table["measured"] / table["predicted"]).values, [0.98, 1.02])
    return finish_rows(drawn, names, "measured / predicted", shown, 0.08)


def errors_in_rows(table: xr.Dataset, label: str) -> go.Figure:
    """A positive number ``error (case, prediction)`` in a row per case, logarithmic; ``label`` names it."""
    names = [str(name) for name in table["case"].values]
    drawn = figure_of_rows(len(names))
    for i, of in enumerate(table["prediction"].values.tolist()):
        values, hover = table["error"].sel(prediction=of).values, f"%{{y}}<br>{of}: %{{x:.2g}}"
        drawn.add_trace(markers_in_rows(values, names, of, line_style(i)[:2], hover))
    return finish_rows(drawn, names, label, table["error"].values, 0.06)


def over_cutoff(
    lines: Mapping[str, xr.DataArray],
    points: Mapping[str, xr.Dataset],
    title: str,
    axis: str = "smallest time",
    log: bool = True,
) -> go.Figure:
    """Lines ``(cutoff)`` and points with 95% intervals over the cut-off, in the colours of their names.

    Each of ``points`` has ``measured`` and ``stderr``, both ``(cutoff)``. A name in both shares a colour.
    """
    drawn = style.figure(height=460)
    order = list(dict.fromkeys([*lines, *points]))
    for label, line in lines.items():
        drawn.add_trace(_line(line, label, order.index(label), shown=label not in points))
    for label, one in points.items():
        drawn.add_trace(_points(one, label, order.index(label)))
    values = [line.values for line in lines.values()] + [one["measured"].values for one in points.values()]
    every = np.concatenate(values)
    first = next(iter([*lines.values(), *points.values()]))
    drawn.update_xaxes(**style.log_axis(axis, first["cutoff"].values))
    settings = style.log_axis(title, every) if log else style.linear_axis(title)
    drawn.update_yaxes(**settings)
    return with_legend(drawn)


def _line(line: xr.DataArray, label: str, i: int, shown: bool) -> go.Scatter:
    colour, _, dash = line_style(i)
    return go.Scatter(
        x=line["cutoff"].values,
        y=line.values,
        name=label,
        legendgroup=label,
        showlegend=shown,
        mode="lines",
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate=f"{label}<br>%{{x:.3g}}: %{{y:.4g}}<extra></extra>",
    )


def _points(one: xr.Dataset, label: str, i: int) -> go.Scatter:
    colour, symbol, _ = line_style(i)
    measured, half = one["measured"].values, HALF_WIDTH * one["stderr"].values
    return go.Scatter(
        x=one["cutoff"].values,
        y=measured,
        name=label,
        legendgroup=label,
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 8},
        error_y=interval_bars(measured, half),
        customdata=half,
        hovertemplate=f"{label}, measured<br>%{{x:.3g}}: %{{y:.4g}} ± %{{customdata:.2g}}<extra></extra>",
    )
