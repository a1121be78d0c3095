"""Risk of a denoiser over the noise level, with and without clean events, against its floors."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.transfer import SIGMA_TITLE

RELATIVE, ABSOLUTE = "relative to the best linear denoiser", "absolute"
#: Variable -> label, colour, marker (None: a line alone), dash. All but the linear floor have errors.
LOOKS = {
    "risk_true": ("true error, held-out", style.VERMILION, "diamond", "solid"),
    "risk_sure": ("SURE, no clean event needed", style.BLUE, "circle-open", "dash"),
    "mmse_trace": ("σ² trace: least if ideal", style.GREY, "cross", "dash"),
    "linear_held_out": ("best linear, same events", style.GREEN, "square", "solid"),
    "linear_floor": ("floor: best linear, expected", style.GREEN, None, "dot"),
    "memorization_floor": ("floor: memorising, training", style.PURPLE, None, "dot"),
}
#: Relative risks are drawn down to this; the memorising floor falls to 0.
LEAST = 1e-3


def risk(dataset: xr.Dataset) -> go.Figure:
    """The Dataset ``risk`` of `studies.geometry`, with two standard errors. Views: relative, absolute."""
    small = dataset.sortby("sigma")
    drawn = style.figure(height=480)
    base = small["linear_floor"].values
    for scale in (base, np.ones_like(base)):
        drawn.add_traces([_curve(small, name, scale) for name in LOOKS])
    drawn.update_xaxes(**style.log_axis(SIGMA_TITLE, small["sigma"].values))
    style.legend_below(drawn)
    first = [True] * len(LOOKS) + [False] * len(LOOKS)
    views = {
        RELATIVE: (first, _axis("error / error of the best linear denoiser", small, base)),
        ABSOLUTE: ([not shown for shown in first], _axis("squared error, data units²", small, 1.0)),
    }
    controls.add_views(drawn, "risk", views)
    return drawn


def _curve(dataset: xr.Dataset, name: str, scale: np.ndarray) -> go.Scatter:
    label, colour, marker, dash = LOOKS[name]
    values = dataset[name].values / scale
    error = f"{name}_standard_error"
    bars = 2 * dataset[error].values / scale if error in dataset else np.zeros_like(values)
    return go.Scatter(
        x=dataset["sigma"].values,
        y=np.where(values > 0, values, np.nan),
        error_y={"type": "data", "array": bars, "thickness": 1, "width": 3} if marker else None,
        customdata=bars,
        name=label,
        mode="lines+markers" if marker else "lines",
        marker={"symbol": marker or "circle", "size": 8},
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate="σ %{x:.3g}: %{y:.4g} ± %{customdata:.2g}",
    )


def _axis(title: str, dataset: xr.Dataset, scale: np.ndarray | float) -> dict[str, object]:
    names = [name for name in LOOKS if name != "memorization_floor"]
    values = np.concatenate([dataset[name].values / scale for name in names])
    low = max(float(values[values > 0].min()), LEAST * float(values.max()))
    return controls.axis_change("yaxis", style.log_axis(title, [0.7 * low, 1.3 * float(values.max())]))
