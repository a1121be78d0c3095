"""The local geometry of a denoiser: eigenvalues of its Jacobian, ranks, shrinkage, directions in a plane."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from scorelens.plots import controls, style
from scorelens.plots.selection import evenly_spaced
from scorelens.plots.transfer import SIGMA_TITLE

N_STEPS, N_LEVELS = 16, 6
COLOURS = (style.BLUE, style.VERMILION, style.GREEN, style.OCHRE, style.PURPLE, style.GREY)
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")


def jacobian_spectra(dataset: xr.Dataset) -> go.Figure:
    """Eigenvalues over their rank at each noise level, with a slider over steps.

    ``dataset`` has ``eigenvalue(step, sigma, eigen)``, ``lowest`` and ``highest`` alike (bars). At most 6
    noise levels are drawn.
    """
    small = _thinned(dataset).transpose("step", "sigma", "eigen", ...)
    drawn = style.figure(height=400)
    top = float(np.nanmax(small["highest"].values, initial=1.0))
    low = float(np.nanmin(small["lowest"].values, initial=0.0))
    drawn.update_xaxes(**style.linear_axis("eigenvalue, largest first", dtick=1, tickformat="d"))
    if small.sizes["eigen"] > 12:
        drawn.update_xaxes(dtick=None)
    drawn.update_yaxes(**style.linear_axis("share that is kept", range=[min(1.1 * low, -0.02), 1.05 * top]))
    return _over_steps(drawn, small, _spectra)


def kept_directions(dataset: xr.Dataset) -> go.Figure:
    """Trace and participation rank of the Jacobian over noise levels, with a slider over steps.

    ``dataset`` has ``trace`` and ``participation``, each with ``_low`` and ``_high``, over ``(step, sigma)``.
    """
    small = dataset.isel(step=evenly_spaced(dataset.sizes["step"], N_STEPS)).sortby("sigma")
    drawn = style.figure(height=400)
    highest = max(float(np.nanmax(small[f"{name}_high"].values, initial=1.0)) for name in RANKS)
    drawn.update_xaxes(**style.log_axis(SIGMA_TITLE, small["sigma"].values))
    drawn.update_yaxes(**style.linear_axis("directions", range=[0, 1.05 * highest]))
    return _over_steps(drawn, small, _ranks)


def shrinkage(dataset: xr.Dataset) -> go.Figure:
    """Share that is kept against the size of the coefficient, a point for each direction, over steps.

    ``dataset`` has ``eigenvalue`` and ``coefficient`` (in units of sigma), over ``(step, sigma, direction)``.
    """
    small = _thinned(dataset).transpose("step", "sigma", "direction")
    sizes = np.abs(small["coefficient"].values)
    drawn = style.figure(height=400)
    values = small["eigenvalue"].values
    low, top = float(np.nanmin(values, initial=0.0)), float(np.nanmax(values, initial=1.0))
    drawn.update_xaxes(**style.log_axis("size of the coefficient / σ", np.maximum(sizes, 1e-2)))
    drawn.update_yaxes(**style.linear_axis("share that is kept", range=[min(1.1 * low, -0.02), 1.05 * top]))
    return _over_steps(drawn, small, _shrunk)


def directions(dataset: xr.Dataset) -> go.Figure:
    """Points in a plane with the directions that are kept around them, with a slider over steps.

    ``dataset`` has ``clean(step, point, axis)``, ``noisy``, ``denoised`` alike and
    ``arm(step, point, eigen, axis)``: half of the line to be drawn about ``denoised``.
    """
    small = dataset.isel(step=evenly_spaced(dataset.sizes["step"], N_STEPS))
    small = small.transpose("step", "point", "eigen", "axis")
    drawn = style.figure(height=480)
    places = np.concatenate([small[name].values.reshape(-1, 2) for name in ("clean", "noisy", "denoised")])
    arms = np.abs(small["arm"].values).max(axis=(0, 1, 2))
    low, high = places.min(axis=0) - arms, places.max(axis=0) + arms
    margin = 0.05 * (high - low)
    titles = [str(title) for title in small["axis"].values]
    drawn.update_xaxes(**style.linear_axis(titles[0], range=[low[0] - margin[0], high[0] + margin[0]]))
    drawn.update_yaxes(
        **style.linear_axis(titles[1], range=[low[1] - margin[1], high[1] + margin[1]], scaleanchor="x")
    )
    return _over_steps(drawn, small, _plane)


RANKS = {"trace": ("trace", style.BLUE, "solid"), "participation": ("participation", style.VERMILION, "dash")}


def _thinned(dataset: xr.Dataset) -> xr.Dataset:
    steps = evenly_spaced(dataset.sizes["step"], N_STEPS)
    levels = evenly_spaced(dataset.sizes["sigma"], N_LEVELS)
    return dataset.isel(step=steps, sigma=levels).sortby("sigma")


def _over_steps(
    drawn: go.Figure, small: xr.Dataset, traces: Callable[[xr.Dataset], list[go.Scatter]]
) -> go.Figure:
    """``drawn`` with the traces of the last step, and a slider where there are several."""
    shown = traces(small.isel(step=-1))
    drawn.add_traces(shown)
    style.legend_below(drawn)
    if small.sizes["step"] > 1:
        frames = {
            f"step {int(step):,}": traces(small.isel(step=i)) for i, step in enumerate(small["step"].values)
        }
        controls.add_slider(drawn, "training step", frames, traces=tuple(range(len(shown))))
    return drawn


def _spectra(one: xr.Dataset) -> list[go.Scatter]:
    place = 1 + np.arange(one.sizes["eigen"])
    return [
        go.Scatter(
            x=place,
            y=(value := one["eigenvalue"].values[i]),
            error_y=_bars(value, one["lowest"].values[i], one["highest"].values[i]),
            name=f"σ {sigma:.3g}",
            mode="lines+markers",
            line={"color": COLOURS[i], "width": 2},
            marker={"symbol": SYMBOLS[i], "size": 7},
            hovertemplate=f"σ {sigma:.3g}, eigenvalue %{{x}}: %{{y:.3g}}<extra></extra>",
        )
        for i, sigma in enumerate(one["sigma"].values.tolist())
    ]


def _ranks(one: xr.Dataset) -> list[go.Scatter]:
    return [
        go.Scatter(
            x=one["sigma"].values,
            y=(value := one[name].values),
            error_y=_bars(value, one[f"{name}_low"].values, one[f"{name}_high"].values),
            name=title,
            mode="lines+markers",
            line={"color": colour, "width": 2, "dash": dash},
            hovertemplate=f"{title} at σ %{{x:.3g}}: %{{y:.3g}}<extra></extra>",
        )
        for name, (title, colour, dash) in RANKS.items()
    ]


def _shrunk(one: xr.Dataset) -> list[go.Scatter]:
    return [
        go.Scatter(
            x=np.abs(one["coefficient"].values[i]),
            y=one["eigenvalue"].values[i],
            name=f"σ {sigma:.3g}",
            mode="markers",
            marker={"symbol": SYMBOLS[i], "size": 8, "color": COLOURS[i], "opacity": 0.8},
            hovertemplate=f"σ {sigma:.3g}: coefficient %{{x:.3g}} σ, kept %{{y:.3g}}<extra></extra>",
        )
        for i, sigma in enumerate(one["sigma"].values.tolist())
    ]


def _plane(one: xr.Dataset) -> list[go.Scatter]:
    middle, arm = one["denoised"].values[:, None], one["arm"].values
    ends = np.stack([middle - arm, middle + arm, np.full(arm.shape, np.nan)], axis=2).reshape(-1, 2)
    points = (
        ("clean", style.GREEN, "circle-open"),
        ("noisy", style.GREY, "x"),
        ("denoised", style.VERMILION, "circle"),
    )
    lines = go.Scatter(
        x=ends[:, 0],
        y=ends[:, 1],
        name="kept directions",
        mode="lines",
        line={"color": style.BLUE, "width": 2},
        hoverinfo="skip",
    )
    return [lines] + [
        go.Scatter(
            x=one[name].values[:, 0],
            y=one[name].values[:, 1],
            name=name,
            mode="markers",
            marker={"symbol": symbol, "size": 9, "color": colour},
            hovertemplate=f"{name} (%{{x:.3g}}, %{{y:.3g}})<extra></extra>",
        )
        for name, colour, symbol in points
    ]


def _bars(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, object]:
    return {"type": "data", "array": high - value, "arrayminus": value - low, "thickness": 1, "width": 3}
