"""Phase portraits of weight and bias for data with a mean along one mode."""

from __future__ import annotations

from typing import final

import numpy as np
import xarray as xr

from scorelens.analysis.portraits import portraits
from scorelens.plots.phase_portrait import phase_portraits
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table
from scorelens.studies.figures.figure_study import Data, FigureStudy


@final
class PhasePortraits(FigureStudy):
    """Weight and bias of one mode learn together if the data have a mean (Wang & Pehlevan 2025, App. D)."""

    name = "phase-portraits"
    title = "Weight and bias of one mode with a mean"
    claim = Claim(
        "Weight and bias of a mode approach their optimum along two directions, one of them slow if the "
        "mean is large",
        "Appendix D, Prop. D.2 and the two-dimensional case (167)-(174)",
        "learning dynamics, sections 3.2 and 3.3",
    )

    def compute(self) -> dict[str, xr.Dataset]:
        return {"portraits": portraits()}

    def findings(self, data: Data) -> Findings:
        found = data["portraits"]
        slow, bound = found["slow_rate"], found["slow_bound"]
        moved = found["overlap"] != 0
        at_noise = slow.sel(sigma=1.0)
        without = found["overlap"] == 0
        beyond, never = (_overshoots(found.isel(overlap=np.flatnonzero(m))) for m in (~without, without))
        return Findings(
            agrees=(
                "the closed form of every path is the integral of the field: "
                f"largest difference {float(found['path_error'].max()):.0e} over {found.sizes['start']} "
                "starts, "
                f"{found.sizes['overlap']} means and {found.sizes['sigma']} noise levels.",
                "a mean slows the slowest direction: at sigma 1 its rate falls from "
                f"{float(at_noise.sel(overlap=0.0)):.3g} without "
                f"a mean to {float(at_noise.sel(overlap=2.0)):.3g} at mean 2, always "
                "below "
                f"1 / (1 + mean² / (variance + sigma²)) ({int((slow < bound).where(moved).sum())} of "
                f"{int(moved.sum()) * found.sizes['sigma']} cases).",
            ),
            differs=(
                "the general gradient flow of the main text (Eq. 13) counts the factor 2 of the bias "
                "gradient twice; "
                "Prop. D.2, which these portraits evaluate, does not.",
            ),
            also=(
                f"weight and bias are coupled: {beyond} paths overshoot the optimal weight on the way "
                "where there is "
                f"a mean, {never} where there is none.",
            ),
        )

    def sections(self, data: Data) -> tuple[Section, ...]:
        found = data["portraits"]
        caption = (
            "Arrows: how training moves weight and bias. Dashed: where one of the two stands still; they "
            "cross at the "
            "optimum (star). Red: paths of training. Choose the mean of the data along the mode and the "
            "noise level."
        )
        title = f"Phase portraits, variance {float(found['eigenvalue']):g}"
        panel = Panel("portraits", title, caption, phase_portraits(found), _table(found))
        lead = (
            "Where the data have a mean along a mode, its weight and bias are coupled: the weight first "
            "takes over "
            "part of the bias's work, and gives it back slowly."
        )
        return (Section("portraits-section", "Portraits", "Phase portraits", lead, (panel,)),)


def _overshoots(found: xr.Dataset) -> int:
    """Paths whose weight goes past its optimum by more than a hundredth of the way."""
    away = found["path_weight"] - found["optimal_weight"]
    start = away.isel(flow_time=0)
    return int(((away * np.sign(start)).min("flow_time") < -0.01 * np.abs(start)).sum())


def _table(found: xr.Dataset) -> Table:
    small = found[["optimal_weight", "optimal_bias", "slow_rate", "slow_bound", "fast_rate"]]
    rows = small.stack(case=("overlap", "sigma")).sortby(["overlap", "sigma"])
    columns = {
        "mean": rows["overlap"].values,
        "sigma": rows["sigma"].values,
        "optimal weight": rows["optimal_weight"].values,
        "optimal bias": rows["optimal_bias"].values,
        "slow rate": rows["slow_rate"].values,
        "its bound": rows["slow_bound"].values,
        "fast rate": rows["fast_rate"].values,
    }
    return Table.of_columns("Fixed points and rates per unit of flow time", columns)
