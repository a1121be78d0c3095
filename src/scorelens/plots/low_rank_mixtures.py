"""Planted subspaces over samples: what is missed of them, what is generated, and the rank of Jacobians."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.comparison import line_style

SAMPLES = "samples on each subspace / its dimension"


def missed_subspaces(missed: xr.Dataset, formula: str) -> go.Figure:
    """``mean`` and ``half_width`` ``(case, estimator, samples_per_dimension)``, a view per case.

    ``expected (samples_per_dimension)`` is dashed and called ``formula``; NaN are left out. The vertical line
    is at as many samples as dimensions.
    """
    drawn = style.figure(height=440)
    owners: list[str] = []
    for case in missed["case"].values.tolist():
        one = missed.sel(case=case)
        traces = [_formula(one, formula)]
        for i, name in enumerate(one["estimator"].values.tolist()):
            line = one.sel(estimator=name)
            if np.isfinite(line["mean"].values).any():
                traces.append(_with_interval(line, "samples_per_dimension", name, i))
        drawn.add_traces(traces)
        owners += [case] * len(traces)
    drawn.add_vline(1.0, line={"color": style.GREY, "width": 1, "dash": "dot"})
    drawn.update_yaxes(**style.linear_axis("share of the subspaces missed", range=[-0.04, 1.0]))
    _over_samples(drawn, missed["samples_per_dimension"].values)
    cases = missed["case"].values.tolist()
    controls.add_views(drawn, "planted", {case: ([case == own for own in owners], {}) for case in cases})
    return drawn


def generated_on_subspaces(summary: xr.Dataset) -> go.Figure:
    """``mean`` and ``half_width`` ``(quantity, case, samples_per_dimension)``, shares; a view per quantity.

    The quantities are on the dimension ``part``, the cases are lines.
    """
    drawn = style.figure(height=400)
    owners: list[str] = []
    parts, cases = summary["part"].values.tolist(), summary["case"].values.tolist()
    for part in parts:
        for i, case in enumerate(cases):
            line = summary.sel(part=part, case=case)
            drawn.add_trace(_with_interval(line, "samples_per_dimension", case, i))
            owners.append(part)
    drawn.add_vline(1.0, line={"color": style.GREY, "width": 1, "dash": "dot"})
    drawn.update_yaxes(**style.linear_axis("share", range=[-0.04, 1.04], tickformat=".0%"))
    _over_samples(drawn, summary["samples_per_dimension"].values)
    controls.add_views(drawn, "share", {part: ([part == own for own in owners], {}) for part in parts})
    return drawn


def ranks_over_sigma(summary: xr.Dataset) -> go.Figure:
    """``mean`` and ``half_width`` ``(case, rank, samples_per_dimension, sigma)``; ``exact`` without samples.

    A view per case and rank; the horizontal line is the dimension ``dim (case)`` of a subspace.
    """
    drawn = style.figure(height=440)
    owners: list[str] = []
    for case in summary["case"].values.tolist():
        for rank in summary["rank"].values.tolist():
            one = summary.sel(case=case, rank=rank)
            traces = [_plateau(one), _exact(one)]
            for i, ratio in enumerate(one["samples_per_dimension"].values.tolist()):
                line = one.sel(samples_per_dimension=ratio)
                traces.append(_with_interval(line, "sigma", f"network, n/d {ratio:g}", i))
            drawn.add_traces(traces)
            owners += [f"{case}: {rank}"] * len(traces)
    drawn.update_xaxes(**style.log_axis("noise level σ, data units", summary["sigma"].values))
    drawn.update_yaxes(**style.linear_axis("effective rank of the Jacobian", rangemode="tozero"))
    _with_legend(drawn)
    labels = list(dict.fromkeys(owners))
    controls.add_views(drawn, "rank", {label: ([label == own for own in owners], {}) for label in labels})
    return drawn


def _over_samples(drawn: go.Figure, ratios: np.ndarray) -> None:
    drawn.update_xaxes(**style.log_axis(SAMPLES, ratios, 0.06))
    drawn.update_xaxes(tickvals=[0.25, 0.5, 1, 2, 4, 8, 16], ticktext=["¼", "½", "1", "2", "4", "8", "16"])
    _with_legend(drawn)


def _with_legend(drawn: go.Figure) -> None:
    drawn.update_layout(showlegend=True)
    style.legend_below(drawn)


def _line(x: np.ndarray, y: np.ndarray, name: str, dash: str) -> go.Scatter:
    drawn = go.Scatter(x=x, y=y, name=name, mode="lines", hovertemplate=f"{name}<br>%{{x:.3g}}: %{{y:.3g}}")
    return drawn.update(line={"color": style.GREY, "width": 2, "dash": dash})


def _formula(one: xr.Dataset, name: str) -> go.Scatter:
    ratios = one["samples_per_dimension"].values
    x = np.geomspace(float(ratios[0]), float(ratios[-1]), 200)
    known = np.interp(x, ratios, one["expected"].values)
    return _line(x, known, name, "dash")


def _exact(one: xr.Dataset) -> go.Scatter:
    return _line(one["sigma"].values, one["exact"].values, "optimal denoiser", "dash")


def _plateau(one: xr.Dataset) -> go.Scatter:
    ends = one["sigma"].values[[0, -1]]
    return _line(ends, np.full(2, float(one["dim"])), "dimension of a subspace", "dot")


def _with_interval(line: xr.Dataset, axis: str, name: str, i: int) -> go.Scatter:
    colour, symbol, _ = line_style(i)
    kept = np.isfinite(line["mean"].values)
    half = line["half_width"].values[kept]
    return go.Scatter(
        x=line[axis].values[kept],
        y=line["mean"].values[kept],
        name=name,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"symbol": symbol, "size": 8},
        error_y={"array": half, "width": 3},
        customdata=half,
        hovertemplate=f"{name}<br>%{{x:.3g}}: %{{y:.3g}} ± %{{customdata:.2g}}<extra></extra>",
    )
