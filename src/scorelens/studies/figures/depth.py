"""How depth changes the curves: from one layer to infinitely many."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
import xarray as xr

from scorelens.analysis.gain_curves import depth_curves
from scorelens.plots import style
from scorelens.plots.mode_curves import Facet, ModeCurves, mode_curves
from scorelens.plots.time_axis import TimeAxis
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table, text
from scorelens.studies.figures.figure_study import Data, FigureStudy, table_by_mode

if TYPE_CHECKING:
    import plotly.graph_objects as go

SMALL, MIDDLE = 0.001, 2


@final
class Depth(FigureStudy):
    """Products of 1, 2, 3, 4, 8 and infinitely many layers (Wang & Pehlevan 2025, App. F.3)."""

    name = "depth"
    title = "Weights per mode by depth"
    claim = Claim(
        "Deeper networks wait longer and then learn at once; a general solution is hypergeometric, "
        "for infinite depth implicit",
        "Appendix F.3",
        "learning dynamics (9.1), (9.2), (9.5)",
    )

    def compute(self) -> dict[str, xr.Dataset]:
        return {"depth": depth_curves()}

    def findings(self, data: Data) -> Findings:
        curves = data["depth"]
        return Findings((_wait(curves), _escape(curves)), (_pace(), _infinite(curves)))

    def sections(self, data: Data) -> tuple[Section, ...]:
        curves = data["depth"]
        caption = (
            "Weight along each mode against the clock of its depth (2 learning rate × depth × time for "
            "independent "
            "layers); dotted: its optimum. Rows are depths. A diamond is the middle between start and "
            "optimum."
        )
        title = f"Weights at sigma {float(curves['noise_level']):g}"
        table = table_by_mode(
            "Dose at the middle between start and optimum",
            curves["half_time"],
            {"initial_gain": "initial gain", "depth": "depth"},
        )
        panel = Panel("depth", title, caption, _figure(curves), table)
        lead = (
            "From a small start a mode waits for a time that grows with depth, and is then learned at once."
        )
        return (Section("curves", "Depth", "Weights by depth", lead, (panel,), (_exponents(curves),)),)


def _wait(curves: xr.Dataset) -> str:
    half = curves["half_time"].sel(initial_gain=SMALL).isel(mode=MIDDLE)
    told = ", ".join(
        f"{text(float(t))} at depth {text(float(d))}" for d, t in zip(half["depth"], half, strict=True)
    )
    variance = float(half["eigenvalue"])
    return f"from initial gain {SMALL:g} the mode of variance {variance:g} is half learned at dose {told}."


def _escape(curves: xr.Dataset) -> str:
    ratio = (curves["half_time"] / curves["escape_time"]).sel(initial_gain=SMALL).dropna("depth")
    return (
        "from depth 3 on the wait is start^(2/L - 1) / (variance (1 - 2/L)) on this clock, inverse to the "
        f"variance: the half times from initial gain {SMALL:g} are {float(ratio.min()):.2f} to "
        f"{float(ratio.max()):.2f} times it."
    )


def _pace() -> str:
    return (
        "the printed rate lacks the 2 of the gradient and mixes shared parameters with equal layers: it is "
        "2 learning rate L for independent equal layers and 2 learning rate L² for one shared parameter, "
        "so that L = 1 "
        "and L = 2 give the one-layer and the tied two-layer law."
    )


def _infinite(curves: xr.Dataset) -> str:
    at = curves["half_time"].sel(initial_gain=SMALL, depth=[8.0, np.inf]).isel(mode=MIDDLE).values
    return (
        "infinite depth has an explicit solution with Lambert's function, but only on a clock that keeps "
        "its pace: at a "
        "fixed learning rate the limit does not exist. On this clock depth 8 is not yet near it "
        f"(half time {at[0]:.0f} against {at[1]:.0f})."
    )


def _figure(curves: xr.Dataset) -> go.Figure:
    what = ModeCurves(
        value="gain",
        along="flow_time",
        x_axis=TimeAxis.over(curves["flow_time"].values).settings("dose on the clock of the depth"),
        y_axis=style.linear_axis("weight", range=[-0.06, 1.1], tickvals=[0, 0.5, 1]),
        rows=Facet("depth", "depth", "depth {:g}"),
        views=Facet("initial_gain", "initial gain", "{:g}"),
        targets={"optimum": "dot"},
        marks=("half_time", "half_gain"),
        mark_name="middle",
        hover="dose %{x:.3g}: weight %{y:.4g}",
    )
    return mode_curves(curves, what)


def _exponents(curves: xr.Dataset) -> Table:
    """Least squares of log half time on log variance."""
    x = np.log(curves["eigenvalue"].values)
    columns: dict[str, list[float]] = {"depth": curves["depth"].values.tolist()}
    for start in sorted(curves["initial_gain"].values.tolist()):
        times = np.log(curves["half_time"].sel(initial_gain=start).values)
        columns[f"initial gain {start:g}"] = np.polyfit(x, times.T, 1)[0].tolist()
    caption = f"Exponent of the half time against variance, sigma {float(curves['noise_level']):g}"
    return Table.of_columns(caption, columns, "−1: half the variance takes twice as long.")
