"""Overlaps of two modes of a tied two-layer network that starts unaligned with the data."""

from __future__ import annotations

from typing import final

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.analysis.overlap_curves import overlap_curves
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table
from scorelens.studies.figures.figure_study import Data, FigureStudy


@final
class Overlaps(FigureStudy):
    """The off-diagonal overlaps of a start that is not aligned (Wang & Pehlevan 2025, App. E.1.2)."""

    name = "overlaps"
    title = "Overlaps of two modes that start unaligned"
    claim = Claim(
        "The overlap of two modes rises after the larger one has been learned, and decays when both are",
        "Appendix E.1.2",
        "learning dynamics (7.2), (7.6)",
    )

    def compute(self) -> dict[str, xr.Dataset]:
        return {"overlaps": overlap_curves()}

    def findings(self, data: Data) -> Findings:
        curves = data["overlaps"]
        return Findings((_phases(curves), _exact(curves)), (_order(curves),), (_delay(curves),))

    def sections(self, data: Data) -> tuple[Section, ...]:
        curves = data["overlaps"]
        caption = (
            "Above: how much of its optimum each of two modes has reached; below: the size of their "
            "overlap, with its "
            "largest value. Choose the cosine between the two at the start, and the noise level."
        )
        panel = Panel(
            "overlaps", "Two modes and their overlap", caption, plots.overlaps(curves), _times(curves)
        )
        lead = (
            "The weights of two tied layers at the start need not be aligned with the data: then modes of "
            "the data "
            "overlap in them. Both modes start at gain 0.01; the equation of the overlaps is integrated."
        )
        return (Section("curves", "Overlaps", "Modes and overlaps", lead, (panel,), (_rates(curves),)),)


def _phases(curves: xr.Dataset) -> str:
    rates = curves["phase_rate"].sel(sigma=0.5).values
    signs = np.sign(curves["phase_rate"].values)
    held = bool(np.all(signs == np.array([1.0, -1.0, -1.0])))
    told = ", ".join(
        f"{rate:+.2f} ({phase})" for rate, phase in zip(rates, curves["phase"].values, strict=True)
    )
    return (
        f"there are three phases; at sigma 0.5 the overlap changes at the rates {told} per unit of dose"
        f"{': growth, decay, faster decay at every noise level here' if held else ''}."
    )


def _exact(curves: xr.Dataset) -> str:
    error = float(np.abs(np.log(curves["small_overlap"] / curves["overlap"])).max())
    return (
        "the rate that the appendix derives for a small overlap is exact for two modes of any overlap, "
        "given what each "
        f"has learned: integrated, it gives the overlap to {error:.0e}, up to a cosine of "
        f"{float(curves['cosine'].max()):g}."
    )


def _order(curves: xr.Dataset) -> str:
    peak, half = curves["peak_time"], curves["half_time"]
    before = (peak < half.isel(mode=1)) & (
        peak < half.isel(mode=0) + 0.5 * (half.isel(mode=1) - half.isel(mode=0))
    )
    rising = curves["learned"].isel(mode=0).sel(flow_time=peak)
    return (
        "the overlap rises until the larger mode is learned, not afterwards: it is largest when that mode "
        "has "
        f"{float(rising.min()):.0%} to {float(rising.max()):.0%} of its optimum, and decays from there; in "
        f"{int(before.sum())} of {before.size} cases this is nearer to the emergence of the larger mode "
        "than to that of "
        "the smaller."
    )


def _delay(curves: xr.Dataset) -> str:
    half = curves["half_time"].sel(sigma=0.5).isel(mode=1)
    return (
        "an overlap delays the smaller mode, which the aligned law does not see: at sigma 0.5 it is half "
        "learned at dose "
        + ", ".join(
            f"{float(t):.3g} from cosine {float(c):g}" for t, c in zip(half, half["cosine"], strict=True)
        )
        + "."
    )


def _times(curves: xr.Dataset) -> Table:
    rows = curves[["peak_time", "half_time"]].stack(case=("cosine", "sigma")).sortby(["cosine", "sigma"])
    columns = {
        "cosine": rows["cosine"].values,
        "sigma": rows["sigma"].values,
        "larger mode half learned": rows["half_time"].isel(mode=0).values,
        "overlap largest": rows["peak_time"].values,
        "smaller mode half learned": rows["half_time"].isel(mode=1).values,
    }
    return Table.of_columns("Doses, on the grid of the figure", columns)


def _rates(curves: xr.Dataset) -> Table:
    ordered = curves["phase_rate"].sortby("sigma")
    columns: dict[str, object] = {"sigma": ordered["sigma"].values}
    columns |= {str(phase): ordered.sel(phase=phase).values for phase in ordered["phase"].values}
    return Table.of_columns("Growth rate of the overlap per unit of dose, by phase", columns)  # pyright: ignore[reportArgumentType]
