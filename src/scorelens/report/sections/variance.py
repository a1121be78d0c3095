"""Generated variance over training: selected modes, all modes, where they stand, and their directions."""

from __future__ import annotations

import xarray as xr

from scorelens import plots
from scorelens.plots.time_axis import time_name
from scorelens.report.evidence import Evidence
from scorelens.report.panel import Panel, Section
from scorelens.report.sections import variance_tables as tables

NOT_THERE = {
    "measured": (
        "Nothing was measured in this run: what follows is the forecast alone, over the training dose of the "
        "theory instead of training steps."
    ),
    "forecast": "No forecast over training steps is at hand, so the measurements stand alone.",
}
MEASURED = (
    "Samples drawn during training are measured along the data's modes. A mode is learned when the "
    "samples vary along it as much as the data do."
)
FORECAST = (
    "What the model would generate along each mode of the data, after so much training as the dose says, by "
    "the closed form of the law and with the sampler of this run. A mode is learned when the samples would "
    "vary along it as much as the data do. The command “scorelens study” trains a network and measures it."
)


def variance(evidence: Evidence) -> Section:
    """The section on generated variance: what came in when, and what is right at the end."""
    curves = evidence.curves
    return Section(
        name="variance",
        short_title="Variance",
        title="How the variance of each mode comes in",
        lead=FORECAST if evidence.is_forecast else MEASURED,
        panels=() if curves is None else _panels(curves),
        absent=() if evidence.is_forecast and curves is not None else _absent(curves),
        notes=_notes(curves),
    )


def _absent(curves: xr.Dataset | None) -> tuple[str, ...]:
    if curves is None:
        return ("This run holds neither a measurement of generated variance nor a forecast.",)
    return tuple(sentence for name, sentence in NOT_THERE.items() if name not in curves)


def _notes(curves: xr.Dataset | None) -> tuple[str, ...]:
    """How the forecast came by its time scale, in the words of the analysis."""
    if curves is None or "time_scale" not in curves.attrs:
        return ()
    return (f"{curves.attrs.get('note', '')} Here: {curves.attrs['time_scale']}.".strip(),)


def _panels(curves: xr.Dataset) -> tuple[Panel, ...]:
    panels = []
    if curves.sizes[time_name(curves)] > 1:
        panels += [_curves_panel(curves), _map_panel(curves)]
    if "measured" in curves:
        panels.append(_standing_panel(curves))
    if "alignment" in curves:
        panels.append(_alignment_panel(curves))
    return tuple(panels)


def _curves_panel(curves: xr.Dataset) -> Panel:
    parts = {
        "measured": "markers are measured (bars: two standard errors)",
        "forecast": "dashed lines are forecast by the closed form",
    }
    legend = ", ".join(sentence for name, sentence in parts.items() if name in curves)
    caption = (
        f"One colour per mode; {legend}. The line at 1 is the data's variance, the gray band goes from 0.8 "
        "to 1.25 times it. Time 0 is drawn at the left edge."
    )
    figure = plots.trajectories(curves)
    return Panel("trajectories", "Selected modes over training", caption, figure, tables.curves_table(curves))


def _map_panel(curves: xr.Dataset) -> Panel:
    marks = {"emergence_step": "circles: measured", "forecast_emergence_step": "diamonds: forecast"}
    shown = ", ".join(sentence for name, sentence in marks.items() if name in curves)
    parts = [
        "Each row is a mode, each column a time. Blue: the samples vary too little along the mode, red: too "
        "much, pale: as the data do.",
        f"Marks show when a mode emerges ({shown})." if shown else "",
        "Between the dotted lines lies the gray zone: these modes start within a factor two of their target, "
        "so when they emerge says little."
        if "gray" in curves and curves["gray"].values.any()
        else "",
    ]
    caption = " ".join(part for part in parts if part)
    figure = plots.variance_heatmap(curves)
    return Panel("map", "All modes over training", caption, figure, tables.map_table(curves))


def _standing_panel(curves: xr.Dataset) -> Panel:
    caption = (
        "Each point is a mode (bars: two standard errors). On the line at 1 the samples vary as the data do; "
        "the gray band goes from 0.8 to 1.25. Triangles lie beyond the border."
    )
    if "limit_variance" in curves:
        caption += " The dashed line is what the sampler makes of the best linear denoiser."
    figure = plots.standing(curves)
    return Panel("standing", "Where every mode stands", caption, figure, tables.standing_table(curves))


def _alignment_panel(curves: xr.Dataset) -> Panel:
    caption = (
        "1 means that the samples vary along a mode independently of all others, as the data do; 0 that the "
        "mode is mixed with others. With finitely many samples even a perfect model stays below 1 (dashed)."
    )
    title = "Are the model's directions those of the data?"
    return Panel("alignment", title, caption, plots.alignment(curves), tables.alignment_table(curves))
