"""Weights per mode over training: one layer, two tied layers, three, from several initial gains."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
import xarray as xr

from scorelens.analysis.gain_curves import gain_curves
from scorelens.plots import style
from scorelens.plots.mode_curves import Facet, ModeCurves, mode_curves
from scorelens.plots.time_axis import TimeAxis
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table
from scorelens.studies.figures.figure_study import Data, FigureStudy, table_by_mode

if TYPE_CHECKING:
    import plotly.graph_objects as go

ONE, TWO = "one layer", "two tied layers"
START, TABLE_SIGMA = 0.01, 0.3


@final
class Weights(FigureStudy):
    """How the weight along each mode moves to its optimum (Wang & Pehlevan 2025, Eq. 7 and Prop. 5.1)."""

    name = "weights"
    title = "Weights per mode over training"
    claim = Claim(
        "Modes of large variance are learned first; two tied layers learn them along sigmoids, "
        "at a time inverse to their variance",
        "Section 4.2, Eq. (7), and Section 5.1, Prop. 5.1",
        "learning dynamics (2.2), (7.3), (9.2), section 12.1",
    )

    def compute(self) -> dict[str, xr.Dataset]:
        return {"weights": gain_curves()}

    def findings(self, data: Data) -> Findings:
        curves = data["weights"]
        return Findings(
            agrees=(_order(curves), _doubling_time(curves)),
            differs=(_doubling(curves), _below_noise(curves)),
            also=(STUCK,),
        )

    def sections(self, data: Data) -> tuple[Section, ...]:
        curves = data["weights"]
        caption = (
            "Weight along each mode against training dose; dotted: its optimum. Rows are initial gains. "
            "A diamond is where the weight crosses the harmonic mean of start and optimum. "
            "Choose the network and the noise level."
        )
        panel = Panel("weights", "Weights per mode", caption, _figure(curves), _table(curves))
        lead = (
            "The weight of a mode is what the denoiser multiplies it by; its optimum is "
            "variance / (variance + sigma²)."
        )
        return (Section("curves", "Weights", "Weights over training", lead, (panel,)),)


STUCK = (
    "two tied layers that start at exactly 0 never learn (first row): a start above 0 is a condition of "
    "the law "
    "of inverse variance."
)


def _order(curves: xr.Dataset) -> str:
    times = curves["emergence_time"].sel(law=ONE, initial_gain=START).values
    steps = np.diff(times, axis=1)
    return (
        f"with one layer, {(steps > 0).sum()} of {steps.size} neighbouring modes emerge in the order of "
        "their "
        f"variance, over {len(times)} noise levels."
    )


def _doubling_time(curves: xr.Dataset) -> str:
    times = curves["emergence_time"].sel(law=TWO)
    known = (curves["initial_gain"].values[:, None, None] > 0) & (times.values > 0)
    ratio = (times.values * 4.0 * curves["eigenvalue"].values / np.log(2.0))[known]
    return (
        "with two tied layers the weight crosses the harmonic mean at log 2 / (4 variance) of flow time, "
        "which is "
        "log 2 / (8 learning rate variance) of training time, from every start above 0 and at every noise "
        "level "
        f"(largest relative deviation {np.abs(ratio - 1.0).max():.0e})."
    )


def _doubling(curves: xr.Dataset) -> str:
    share = curves["emergence_gain"].sel(initial_gain=START, sigma=TABLE_SIGMA) / curves["optimum"].sel(
        sigma=TABLE_SIGMA
    )
    return (
        "log 2 / (8 learning rate variance) is not “the emergence time” but that of this weight under the "
        "harmonic "
        f"mean: from initial gain {START:g} the weight is then at {float(share[0]):.1%} of its optimum "
        "(diamonds), a doubling of the start, not the middle of the sigmoid."
    )


def _below_noise(curves: xr.Dataset) -> str:
    modes, sigma = curves["eigenvalue"].values, float(curves["sigma"].max())
    rates = modes + sigma**2
    return (
        "one layer has no inverse law below the noise: its rate is 2 learning rate (variance + sigma²), "
        "and at "
        f"sigma {sigma:g} the largest of these modes, with {modes[0] / modes[-1]:.0f} times the variance "
        "of the "
        f"smallest, learns only {rates[0] / rates[-1]:.1f} times as fast. The factor 2 is missing in print."
    )


def _figure(curves: xr.Dataset) -> go.Figure:
    what = ModeCurves(
        value="gain",
        along="flow_time",
        x_axis=TimeAxis.over(curves["flow_time"].values).settings("training dose T (flow time)"),
        y_axis=style.linear_axis("weight", range=[-0.06, 1.1], tickvals=[0, 0.5, 1]),
        rows=Facet("initial_gain", "initial gain", "initial gain {:g}"),
        views=Facet("law", "network"),
        slider=Facet("sigma", "noise level", "sigma {:g}"),
        targets={"optimum": "dot"},
        marks=("emergence_time", "emergence_gain"),
        hover="dose %{x:.3g}: weight %{y:.4g}",
    )
    return mode_curves(curves, what)


def _table(curves: xr.Dataset) -> Table:
    caption = f"Dose at which the weight crosses the harmonic mean, sigma {TABLE_SIGMA:g}"
    note = "0: starts there. ∞: never. All noise levels are in datasets.zarr."
    times = curves["emergence_time"].sel(sigma=TABLE_SIGMA)
    return table_by_mode(caption, times, {"law": "network", "initial_gain": "initial gain"}, note)
