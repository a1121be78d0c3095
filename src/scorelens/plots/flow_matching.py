"""How fast flow matching learns each mode at each time of the flow."""

from __future__ import annotations

import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import style

TITLE = "time of the flow (0 noise, 1 data)"


def learning_speed(dataset: xr.Dataset) -> go.Figure:
    """Rate of learning over the time of the flow, one curve per mode, a diamond where it is least.

    ``dataset`` has ``learning_speed(mode, path_time)`` and ``turning_time(mode)`` of
    `scorelens.analysis.flow_curves`; the least speed is variance / (1 + variance).
    """
    drawn = style.figure(height=420)
    for i, colour in enumerate(style.mode_colours(dataset.sizes["mode"])):
        one = dataset.isel(mode=i)
        drawn.add_traces(_of_mode(one, colour, first=i == 0))
    drawn.update_xaxes(**style.linear_axis(TITLE, range=[-0.02, 1.02]))
    drawn.update_yaxes(**style.log_axis("rate per unit of dose", dataset["learning_speed"].values))
    style.legend_below(drawn)
    drawn.update_layout(showlegend=True)
    return drawn


def _of_mode(one: xr.Dataset, colour: str, *, first: bool) -> list[go.Scatter]:
    variance = float(one["eigenvalue"])
    curve = go.Scatter(
        x=one["path_time"].values,
        y=one["learning_speed"].values,
        name=f"variance {variance:.3g}",
        mode="lines",
        line={"color": colour, "width": 2},
        hovertemplate=f"variance {variance:.3g}<br>time %{{x:.3g}}: rate %{{y:.4g}}<extra></extra>",
    )
    least = go.Scatter(
        x=[float(one["turning_time"])],
        y=[variance / (1.0 + variance)],
        name="1 / (1 + variance)",
        legendgroup="least",
        legendrank=2000,
        showlegend=first,
        mode="markers",
        marker={"color": colour, "symbol": "diamond", "size": 10, "line": {"width": 1, "color": style.PAPER}},
        hovertemplate="least at %{x:.3g}: %{y:.4g}<extra></extra>",
    )
    return [curve, least]
