"""Generated variance per mode over training, with the initial dip and the hold of sigma_min."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
import xarray as xr

from scorelens.analysis.variance_curves import variance_curves
from scorelens.plots import style
from scorelens.plots.mode_curves import Facet, ModeCurves, mode_curves
from scorelens.plots.time_axis import TimeAxis
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table
from scorelens.studies.figures.figure_study import Data, FigureStudy, table_by_mode

if TYPE_CHECKING:
    import plotly.graph_objects as go

SIGMA_MIN, DIP = 0.002, 0.99
DIMENSIONS = {"law": "network", "initial_gain": "initial gain"}


@final
class Variances(FigureStudy):
    """How the generated variance of each mode moves to the data's (Wang & Pehlevan 2025, Props. 4.2, 5.1)."""

    name = "variances"
    title = "Generated variance per mode over training"
    claim = Claim(
        "The generated variance of every mode rises to the data's along a sigmoid, the largest modes first",
        "Section 4.3, Prop. 4.2, and Section 5.1, Prop. 5.1",
        "learning dynamics (5.2)-(5.4), (7.5)",
    )

    def compute(self) -> dict[str, xr.Dataset]:
        return {"variances": variance_curves()}

    def findings(self, data: Data) -> Findings:
        curves = data["variances"]
        return Findings(
            (_order(curves), _hold_of_sigma_min(curves)), (_dips(curves), _undershoot(curves), _end(curves))
        )

    def sections(self, data: Data) -> tuple[Section, ...]:
        curves = data["variances"]
        caption = (
            "Variance that the exact sampler generates along each mode against training dose; dotted: the "
            "variance "
            "of the data. Rows are initial gains. Choose the network and where the sampler ends."
        )
        panel = Panel("variances", "Generated variance per mode", caption, _figure(curves), _ends(curves))
        lead = (
            "The probability-flow ODE runs from noise level 80 down to sigma_min, with the weights that "
            "training "
            "has reached at each noise level."
        )
        tables = (_lowest(curves),)
        return (Section("curves", "Variances", "Generated variance over training", lead, (panel,), tables),)


def _rising(curves: xr.Dataset) -> xr.DataArray:
    return curves["eigenvalue"] > 2.0 * curves["start_variance"]


def _order(curves: xr.Dataset) -> str:
    """Order of the half-way points of the modes that rise from initial gain 0, one layer."""
    one = curves.sel(law="one layer", initial_gain=0.0, sigma_min=SIGMA_MIN)
    middle = np.sqrt(one["start_variance"] * one["eigenvalue"])
    reached = (one["generated_variance"] >= middle).transpose("mode", "flow_time").values
    first = one["flow_time"].values[reached.argmax(axis=1)]
    n_ordered = (np.diff(first) > 0).sum()
    return (
        f"from initial gain 0 one layer brings up {n_ordered + 1} of {len(first)} modes in the order of "
        "their "
        "variance, without a dip; the middle of the way (in logarithms) of the largest comes at dose "
        f"{first[0]:.2g}, "
        f"of the smallest at {first[-1]:.2g}."
    )


def _hold_of_sigma_min(curves: xr.Dataset) -> str:
    """The slope of the log variance against log sigma_min^2, measured and by the formula."""
    one = curves.sel(law="one layer", initial_gain=0.1).isel(mode=2)
    near = one["generated_variance"].sel(flow_time=1.0, method="nearest")
    ends = near["sigma_min"].values
    logs = np.log(near.values)
    measured = (logs[-1] - logs[-2]) / np.log(ends[-1] ** 2 / ends[-2] ** 2)
    dose, mode = float(near["flow_time"]), float(one["eigenvalue"])
    return (
        "the closed form of Prop. 4.2 is right, and by it the variance at any finite dose depends on "
        "where the sampler "
        f"ends: as sigma_min to the power 2 (1 - initial gain) exp(-T variance). At dose {dose:.2g}, "
        "variance "
        f"{mode:g}, initial gain 0.1 that exponent is {2 * 0.9 * np.exp(-dose * mode):.4f}; between "
        "sigma_min "
        f"{ends[-2]:g} and {ends[-1]:g} the curves have {2 * measured:.4f}."
    )


def _dips(curves: xr.Dataset) -> str:
    part = curves.sel(sigma_min=SIGMA_MIN)
    lowest = part["generated_variance"].min("flow_time") / part["start_variance"]
    rising = _rising(part) & (part["initial_gain"] > 0)
    dipped = rising & (lowest < DIP)
    deepest = float(lowest.where(rising).min())
    return (
        f"the curves are not sigmoids: from an initial gain above 0, {int(dipped.sum())} of "
        f"{int(rising.sum())} "
        f"modes that have to rise fall first, to as little as {deepest:.2g} of where they start, because "
        "the "
        "denoisers at high noise learn to shrink before anything else."
    )


def _undershoot(curves: xr.Dataset) -> str:
    part = curves.sel(sigma_min=SIGMA_MIN)
    falling = (part["start_variance"] > 2.0 * part["eigenvalue"]) & (part["initial_gain"] < 1)
    lowest = part["generated_variance"].min("flow_time") / part["eigenvalue"]
    under = falling & (lowest < DIP)
    return (
        f"of the modes that have to fall, from an initial gain below 1, {int(under.sum())} of "
        f"{int(falling.sum())} "
        f"undershoot the data variance (to {float(lowest.where(falling).min()):.2g} of it) and return: "
        "they pass "
        "every threshold before they are learned."
    )


def _end(curves: xr.Dataset) -> str:
    last = curves.sel(law="one layer", initial_gain=0.1)
    ratio = last["limit_variance"] / last["eigenvalue"]
    return (
        "the variance in the end is not that of the data but sigma_max² (variance + sigma_min²) / "
        f"(variance + sigma_max²): from {float(ratio.min()):.4g} to {float(ratio.max()):.4g} times it in "
        "this figure."
    )


def _figure(curves: xr.Dataset) -> go.Figure:
    what = ModeCurves(
        value="generated_variance",
        along="flow_time",
        x_axis=TimeAxis.over(curves["flow_time"].values).settings("training dose T (flow time)"),
        y_axis=style.log_axis("variance", curves["generated_variance"].values),
        rows=Facet("initial_gain", "initial gain", "initial gain {:g}"),
        views=Facet("law", "network"),
        slider=Facet("sigma_min", "sampler ends at", "sigma_min {:g}"),
        targets={"eigenvalue": "dot"},
        hover="dose %{x:.3g}: variance %{y:.4g}",
    )
    return mode_curves(curves, what)


def _ends(curves: xr.Dataset) -> Table:
    note = f"sigma_min {SIGMA_MIN:g}; every curve is in datasets.zarr."
    ends = curves["limit_variance"].sel(sigma_min=SIGMA_MIN)
    return table_by_mode("Generated variance after infinite training", ends, DIMENSIONS, note)


def _lowest(curves: xr.Dataset) -> Table:
    part = curves.sel(sigma_min=SIGMA_MIN)
    ratio = (part["generated_variance"].min("flow_time") / part["start_variance"]).clip(max=1.0)
    note = (
        f"1: never below its start. A dash: has to fall, or starts near its target. sigma_min {SIGMA_MIN:g}."
    )
    caption = "Lowest generated variance over that before training, of modes that have to rise"
    return table_by_mode(caption, ratio.where(_rising(part)), DIMENSIONS, note)
