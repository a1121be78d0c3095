"""Error against the number of features per equation, with the peak."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style

COLOURS = (style.VERMILION, style.BLUE, style.GREEN)
WHOLE, LOWER = "all", "up to 10 × a score of zero"
SYMBOLS = ("circle", "diamond", "square")
BANDS = ("rgba(213,96,58,0.18)", "rgba(58,123,208,0.18)", "rgba(39,149,122,0.18)")


def overparametrisation(dataset: xr.Dataset) -> go.Figure:
    """Median error over ``m / (N d)``, both logarithmic, of `scorelens.analysis.overparametrisation`.

    One line per solver with the band between its quantiles over the seeds; the dashed line is the error of a
    score of zero, the dotted one the place where features and equations are equally many. Views: the whole
    peak, and what lies below it.
    """
    ratio = dataset["ratio"].values
    drawn = style.figure(height=480)
    for i, name in enumerate(dataset["solver"].values):
        drawn.add_traces(_solver(dataset.isel(solver=i), str(name), i))
    drawn.add_trace(_zero(dataset, ratio))
    low, high = (dataset[name].values.ravel() for name in ("error_low", "error_high"))
    near = np.append(low, 10 * float(dataset["error_of_zero"].mean()))
    drawn.update_xaxes(**style.log_axis("features per equation, m / (N d)", ratio))
    drawn.add_vline(
        x=float(dataset["peak_expected"]), line={"color": style.GREY, "width": 1.5, "dash": "dot"}
    )
    drawn.add_annotation(
        text="m = N d",
        x=float(np.log10(dataset["peak_expected"])),
        xanchor="left",
        xshift=6,
        yref="paper",
        y=1.0,
        yanchor="top",
        showarrow=False,
        font={"size": 12},
    )
    drawn.update_layout(showlegend=True)
    style.legend_below(drawn)
    shown = [True] * (2 * dataset.sizes["solver"] + 1)
    axes = {WHOLE: np.concatenate([low, high]), LOWER: near[near <= near[-1]]}
    views = {
        label: (shown, controls.axis_change("yaxis", style.log_axis("excess held-out loss", values)))
        for label, values in axes.items()
    }
    controls.add_views(drawn, "show", views)
    return drawn


def _solver(one: xr.Dataset, name: str, i: int) -> list[go.Scatter]:
    ratio, colour = one["ratio"].values, COLOURS[i % len(COLOURS)]
    band = go.Scatter(
        x=np.concatenate([ratio, ratio[::-1]]),
        y=np.concatenate([one["error_low"].values, one["error_high"].values[::-1]]),
        fill="toself",
        fillcolor=BANDS[i % len(BANDS)],
        mode="none",
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )
    line = go.Scatter(
        x=ratio,
        y=one["error_median"].values,
        name=name,
        legendgroup=name,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 7},
        hovertemplate=f"{name}<br>m / (N d) = %{{x:.3g}}: %{{y:.3g}}<extra></extra>",
    )
    return [band, line]


def _zero(dataset: xr.Dataset, ratio: np.ndarray) -> go.Scatter:
    return go.Scatter(
        x=ratio[[0, -1]],
        y=np.repeat(float(dataset["error_of_zero"].mean()), 2),
        name="a score of zero",
        mode="lines",
        line={"color": style.GREY, "width": 2, "dash": "dash"},
        hovertemplate="a score of zero: %{y:.3g}<extra></extra>",
    )
