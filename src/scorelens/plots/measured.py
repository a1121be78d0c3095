"""Measured numbers against formulas: ratios in rows, and curves over a time that is cut off."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import style
from scorelens.plots.comparison import line_style

ROW, FRAME = 26, 150
#: Of a standard error: half of a 95% interval.
HALF_WIDTH = 1.96
#: Lower ends of intervals that reach 0 are drawn at this share of the value: a logarithm has no 0.
LEAST = 0.2


def measured_ratios(table: xr.Dataset) -> go.Figure:
    """Measured over predicted in a row per case, with 95% intervals, a colour per formula; 1 is agreement.

    ``table`` has ``measured`` and ``stderr``, both ``(case)``, and ``predicted (case, prediction)``.
    """
    names = [str(name) for name in table["case"].values]
    drawn = style.figure(height=ROW * len(names) + FRAME)
    drawn.add_vline(1.0, line={"color": style.GREY, "width": 1})
    for i, label in enumerate(table["prediction"].values.tolist()):
        drawn.add_trace(_ratios(table.sel(prediction=label), names, label, i))
    shown = (table["measured"] / table["predicted"]).values
    drawn.update_xaxes(**style.log_axis("measured / predicted", np.append(shown, [0.98, 1.02]), 0.08))
    drawn.update_yaxes(type="category", autorange="reversed", tickvals=names, title=None)
    return _with_legend(drawn)


def _ratios(one: xr.Dataset, names: list[str], label: str, i: int) -> go.Scatter:
    ratio = (one["measured"] / one["predicted"]).values
    half = HALF_WIDTH * (one["stderr"] / one["predicted"]).values
    colour, symbol, _ = line_style(i)
    return go.Scatter(
        x=ratio,
        y=names,
        name=label,
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 8},
        error_x={"array": half, "arrayminus": np.minimum(half, (1 - LEAST) * ratio), "width": 3},
        customdata=half,
        hovertemplate=f"%{{y}}<br>{label}: %{{x:.3g}} ± %{{customdata:.2g}}<extra></extra>",
    )


def errors_in_rows(table: xr.Dataset, label: str) -> go.Figure:
    """A positive number ``error (case, prediction)`` in a row per case, logarithmic; ``label`` names it."""
    names = [str(name) for name in table["case"].values]
    drawn = style.figure(height=ROW * len(names) + FRAME)
    for i, of in enumerate(table["prediction"].values.tolist()):
        colour, symbol, _ = line_style(i)
        drawn.add_scatter(
            x=table["error"].sel(prediction=of).values,
            y=names,
            name=of,
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 8},
            hovertemplate=f"%{{y}}<br>{of}: %{{x:.2g}}<extra></extra>",
        )
    drawn.update_xaxes(**style.log_axis(label, table["error"].values, 0.06))
    drawn.update_yaxes(type="category", autorange="reversed", tickvals=names, title=None)
    return _with_legend(drawn)


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
    return _with_legend(drawn)


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
        error_y={"array": half, "arrayminus": np.minimum(half, (1 - LEAST) * measured), "width": 3},
        customdata=half,
        hovertemplate=f"{label}, measured<br>%{{x:.3g}}: %{{y:.4g}} ± %{{customdata:.2g}}<extra></extra>",
    )


def _with_legend(drawn: go.Figure) -> go.Figure:
    drawn.update_layout(showlegend=True)
    style.legend_below(drawn)
    return drawn
