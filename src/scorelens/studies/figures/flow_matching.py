"""Flow matching: velocity gains along the flow, generated variances, and the modes that stay stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
import xarray as xr

from scorelens.analysis.flow_curves import velocity_curves
from scorelens.analysis.variance_curves import flow_variance_curves
from scorelens.plots import style
from scorelens.plots.flow_matching import TITLE, learning_speed
from scorelens.plots.mode_curves import Facet, ModeCurves, mode_curves
from scorelens.plots.time_axis import TimeAxis
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table
from scorelens.studies.figures.figure_study import Data, FigureStudy, table_by_mode

if TYPE_CHECKING:
    import plotly.graph_objects as go

ONE, TWO = "flow matching", "flow matching, two tied layers"
ROWS = {"law": "law", "initial_gain": "initial gain"}


@final
class FlowMatching(FigureStudy):
    """Flow matching with one linear layer and with two tied ones (Wang & Pehlevan 2025, App. H)."""

    name = "flow-matching"
    title = "Flow matching per mode"
    claim = Claim(
        "Flow matching learns the modes of large variance first as well; learning is said to be fastest "
        "at time 1 / (1 + variance)",
        "Appendix H",
        "learning dynamics, section 11, (11.1), (11.2), (11.4), (11.5)",
    )

    def compute(self) -> dict[str, xr.Dataset]:
        return {"velocity": velocity_curves(), "variance": flow_variance_curves()}

    def findings(self, data: Data) -> Findings:
        velocity, variance = data["velocity"], data["variance"]
        return Findings(
            (_ends(variance), _starts(variance)),
            (_slowest(velocity), _stuck(variance), _never(velocity), RATE),
        )

    def sections(self, data: Data) -> tuple[Section, ...]:
        velocity, variance = data["velocity"], data["variance"]
        gains = Panel("velocity", "Velocity gain per mode", VELOCITY, _velocity(velocity), _gains(velocity))
        speed = Panel("speed", "Rate of learning", SPEED, learning_speed(velocity), _speeds(velocity))
        title = "Variance after infinite training"
        generated = Panel(
            "variance",
            "Generated variance per mode",
            VARIANCE,
            _variance(variance),
            table_by_mode(title, variance["limit_variance"], ROWS),
        )
        return (
            Section(
                "velocities", "Velocities", "What is learned at each time of the flow", LEAD, (gains, speed)
            ),
            Section("variances", "Variances", "What the flow generates", "", (generated,)),
        )


LEAD = (
    "The velocity along a mode is its gain times the position; the best gain is −1 at the noise, 0 at time "
    "1 / (1 + variance) and 1 at the data."
)
VELOCITY = (
    "Velocity gain of each mode along the flow; dashed: the best. Rows are initial gains. Choose the law, "
    "and move "
    "the training dose: two tied layers cannot have a negative gain, and stay at 0 where the best is "
    "negative."
)
SPEED = (
    "Rate of learning of one layer along the flow: least, not greatest, where the best gain is 0 (diamonds)."
)
VARIANCE = (
    "Variance that the flow generates along each mode against training dose; dotted: the variance of the "
    "data, dashed: "
    "what infinite training gives. Rows are initial gains. Choose the law."
)
RATE = (
    "the printed exponent of the two-layer solution is 4 learning rate (t variance - (1 - t)); the "
    "gradient gives 8, "
    "as everywhere for two tied layers with this loss."
)


def _ends(variance: xr.Dataset) -> str:
    one = variance.sel(law=ONE)
    last = one["generated_variance"].isel(flow_time=-1) / one["eigenvalue"]
    error = float(np.abs(last - 1.0).max())
    return (
        "one layer reaches the variance of the data at every mode: the limit is the data's, and at dose "
        f"{float(variance['flow_time'][-1]):g} the largest relative deviation is {error:.1g}."
    )


def _starts(variance: xr.Dataset) -> str:
    """When the rising modes of one layer, from gain 0, are half way in logarithms."""
    one = variance.sel(law=ONE, initial_gain=0.0)
    rising = one.isel(mode=np.flatnonzero(one["eigenvalue"].values > 2.0))
    middle = np.sqrt(rising["start_variance"] * rising["eigenvalue"])
    reached = (rising["generated_variance"] >= middle).transpose("mode", "flow_time").values
    doses = " and ".join(f"{one['flow_time'].values[first]:.2g}" for first in reached.argmax(axis=1))
    modes = " and ".join(f"{value:g}" for value in rising["eigenvalue"].values)
    return (
        f"modes of large variance come first: from initial gain 0 those of variance {modes} are half way "
        "(in "
        f"logarithms) at dose {doses}."
    )


def _slowest(velocity: xr.Dataset) -> str:
    speed = velocity["learning_speed"].transpose("mode", "path_time").values
    at = velocity["path_time"].values[speed.argmin(axis=1)]
    off = float(np.abs(at - velocity["turning_time"].values).max())
    return (
        "at time 1 / (1 + variance) learning is slowest, not fastest: the least rate of each mode on a "
        "grid of "
        f"{velocity.sizes['path_time']} times lies within {off:.2g} of it, at variance / (1 + variance); "
        "the greatest are "
        "at the ends, 1 and the variance."
    )


def _stuck(variance: xr.Dataset) -> str:
    two = variance.sel(law=TWO).where(variance["initial_gain"] > 0, drop=True)
    ratio = two["generated_variance"].isel(flow_time=-1) / (1.0 + two["eigenvalue"])
    small = two["generated_variance"].isel(flow_time=-1, mode=-1, initial_gain=0)
    return (
        "two tied layers generate 1 + variance however long they train (not printed): at dose "
        f"{float(variance['flow_time'][-1]):g} they are within "
        f"{float(np.abs(ratio - 1.0).max()):.0e} of that, "
        f"{float(small):.4g} for a mode of variance {float(two['eigenvalue'][-1]):g}."
    )


def _never(velocity: xr.Dataset) -> str:
    last = velocity.sel(law=TWO, initial_gain=0.1).isel(flow_time=-1)
    early = velocity["path_time"] < velocity["turning_time"] - 0.1
    return (
        "before time 1 / (1 + variance) the best gain is negative, which two tied layers cannot have: "
        "after dose "
        f"{float(last['flow_time']):g} their gain there is at most "
        f"{float(last['velocity_gain'].where(early).max()):.1g} "
        "(until 0.1 before that time), and noise is never contracted."
    )


def _velocity(velocity: xr.Dataset) -> go.Figure:
    what = ModeCurves(
        value="velocity_gain",
        along="path_time",
        x_axis=style.linear_axis(TITLE, range=[-0.02, 1.02]),
        y_axis=style.linear_axis("velocity gain", range=[-2.0, 2.0]),
        rows=Facet("initial_gain", "initial gain", "initial gain {:g}"),
        views=Facet("law", "law"),
        slider=Facet("flow_time", "training dose", "dose {:g}"),
        reference="optimum",
        hover="time %{x:.3g}: gain %{y:.4g}",
    )
    return mode_curves(velocity.sel(law=[TWO, ONE], initial_gain=[0.1, 0.5]), what)


def _variance(variance: xr.Dataset) -> go.Figure:
    what = ModeCurves(
        value="generated_variance",
        along="flow_time",
        x_axis=TimeAxis.over(variance["flow_time"].values).settings("training dose T (flow time)"),
        y_axis=style.log_axis("variance", variance["generated_variance"].values),
        rows=Facet("initial_gain", "initial gain", "initial gain {:g}"),
        views=Facet("law", "law"),
        targets={"eigenvalue": "dot", "limit_variance": "dash"},
        hover="dose %{x:.3g}: variance %{y:.4g}",
    )
    return mode_curves(variance.sel(law=[TWO, ONE]), what)


def _gains(velocity: xr.Dataset) -> Table:
    at = velocity.isel(flow_time=-1)["velocity_gain"].sel(path_time=[0.0, 0.25, 0.5, 0.75, 1.0])
    rows = ROWS | {"path_time": "time"}
    return table_by_mode(f"Velocity gain after dose {float(velocity['flow_time'][-1]):g}", at, rows)


def _speeds(velocity: xr.Dataset) -> Table:
    modes = velocity["eigenvalue"].values
    columns = {
        "variance": modes,
        "slowest at time": velocity["turning_time"].values,
        "rate there": modes / (1.0 + modes),
        "rate at time 0": np.ones_like(modes),
        "rate at time 1": modes,
    }
    return Table.of_columns("Rate of learning per unit of dose", columns)
