"""The exponent of the emergence law: how the published -1 depends on law, start, criterion, direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
import xarray as xr

from scorelens.analysis import exponent_table, gain_exponent_table
from scorelens.plots.exponents import emergence_exponents
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import ABSENT, Table, text
from scorelens.studies.figures.figure_study import Data, FigureStudy

if TYPE_CHECKING:
    import plotly.graph_objects as go

DIRECTIONS = {
    "exponent": "Exponent of emergence time against variance",
    "reverse_exponent": "Exponent of variance against emergence time, as the paper regresses",
}
CLOSE = 0.1


@final
class Exponents(FigureStudy):
    """Emergence time against variance, and every exponent (Wang & Pehlevan 2025, Section 4.3)."""

    name = "exponents"
    title = "The exponent of the emergence law"
    claim = Claim(
        "The time at which a mode emerges is inverse to its variance, an exponent of −1, universally",
        "abstract, Section 4.3 and Section 5.1",
        "learning dynamics, sections 12.1 and 12.2",
    )

    def compute(self) -> dict[str, xr.Dataset]:
        return {"exponents": exponent_table(), "gain-exponents": gain_exponent_table()}

    def findings(self, data: Data) -> Findings:
        table, gains = data["exponents"], data["gain-exponents"]
        return Findings(
            agrees=(_inverse(table), _exact(gains)),
            differs=(_range(table), _falling(table), _flow(table), _reverse(table)),
            also=(_stuck(table),),
        )

    def sections(self, data: Data) -> tuple[Section, ...]:
        table, gains = data["exponents"], data["gain-exponents"]
        caption = (
            "Dose at which the generated variance of each mode crosses its threshold, against the "
            "variance of the data, with the fitted power laws. Rows are laws; an empty one is stuck. "
            "Choose the initial gain and the mean of start and target that is the threshold."
        )
        panel = Panel("emergence", "Emergence against variance", caption, _figure(table), _times(table))
        lead = (
            f"{table.sizes['mode']} modes with variances from {float(table['eigenvalue'].min()):g} to "
            f"{float(table['eigenvalue'].max()):g}; noise levels 0.002 to 80, flow matching in its own "
            "time; modes that "
            "start within a factor 2 of their target are left out; rising and falling modes are fitted "
            "apart."
        )
        of_gains = (
            "The weight at one noise level instead of the generated variance, in closed form, all modes "
            "together."
        )
        return (
            Section("emergence-section", "Emergence", "Emergence against variance", lead, (panel,)),
            Section(
                "exponents", "Exponents", "The exponents", RISING_FALLING,
                tables=tuple(_exponents(table, name, title) for name, title in DIRECTIONS.items()),
            ),
            Section(
                "weights", "Weights", "Exponents of the weights", of_gains,
                tables=(_gain_exponents(gains),),
            ),
        )  # fmt: skip


def _figure(table: xr.Dataset) -> go.Figure:
    """First a start that no law is stuck at, and the published threshold."""
    return emergence_exponents(table.isel(initial_gain=[1, 2, 3, 0], criterion=[2, 1, 0]))


RISING_FALLING = (
    "Each entry: modes that rise to their target / modes that fall to it. A dash: fewer than three such "
    "modes, or "
    "stuck. −1 would be the inverse law."
)


def _of_diffusion(table: xr.Dataset) -> xr.Dataset:
    return table.sel(law=["one layer", "two tied layers"])


def _inverse(table: xr.Dataset) -> str:
    found = _of_diffusion(table)["exponent"].sel(
        branch="rising", initial_gain=[0.0, 0.1], criterion="geometric"
    )
    values = found.values[np.isfinite(found.values)]
    return (
        "rising modes from a small start follow the inverse law under the geometric mean: exponents "
        f"{_signed(values.min(), 3)} to {_signed(values.max(), 3)} (one layer and two tied layers, "
        "initial gain up to 0.1)."
    )


def _exact(gains: xr.Dataset) -> str:
    exact = gains["exponent"].sel(law="two tied layers", criterion="harmonic")
    return (
        "exactly −1 is the exponent of the weight of two tied layers under the harmonic mean, at every "
        "start and noise "
        f"level (largest deviation {float(np.abs(exact + 1.0).max()):.0e})."
    )


def _range(table: xr.Dataset) -> str:
    values = table["exponent"].values[np.isfinite(table["exponent"].values)]
    close = (np.abs(values + 1.0) <= CLOSE).sum()
    return (
        f"the exponent is not universal: over these laws, starts, criteria and branches it goes from "
        f"{_signed(values.min())} to {_signed(values.max())}, and {close} of {len(values)} are within "
        f"{CLOSE:g} of −1."
    )


def _falling(table: xr.Dataset) -> str:
    half, one = (
        _of_diffusion(table)["exponent"].sel(branch="falling", initial_gain=gain) for gain in (0.5, 1.0)
    )
    told = [
        f"{_signed(float(half.sel(criterion=c)[0]))} at initial gain 0.5 and "
        f"{_signed(float(one.sel(criterion=c)[0]))} at 1 "
        f"({c})"
        for c in table["criterion"].values
    ]
    return (
        "falling modes cross their threshold before they are learned, and so with another exponent: with "
        "one layer "
        f"{', '.join(told)}."
    )


def _flow(table: xr.Dataset) -> str:
    flow = table["exponent"].sel(law="flow matching", branch="rising", initial_gain=0.0)
    told = ", ".join(f"{_signed(float(flow.sel(criterion=c)))} ({c})" for c in flow["criterion"].values)
    return f"in flow matching the criterion decides: rising modes from initial gain 0 have {told}."


def _reverse(table: xr.Dataset) -> str:
    chosen = table.sel(law="one layer", criterion="harmonic", branch="rising", initial_gain=0.5)
    product = (table["exponent"] * table["reverse_exponent"]).values
    worst = float(np.nanmin(product))
    return (
        "the direction of the regression matters: the paper regresses log variance on log time, which "
        "gives the "
        f"reciprocal up to scatter: {_signed(float(chosen['reverse_exponent']), 3)} instead of "
        f"{_signed(float(chosen['exponent']), 3)} (one layer, harmonic, rising, initial gain 0.5). Their "
        "product is R², "
        f"down to {worst:.2f} in this table, where a straight line is no description."
    )


def _stuck(table: xr.Dataset) -> str:
    status = table["emergence_status"].sel(initial_gain=0.0)
    laws = [str(law) for law in status["law"].values if np.all(status.sel(law=law).values == "stuck")]
    return f"from initial gain 0 there is no emergence at all with {' and with '.join(laws)}: they are stuck."


def _exponents(table: xr.Dataset, name: str, title: str) -> Table:
    gains = table["initial_gain"].values
    rows = tuple(
        (
            str(law),
            str(c),
            *(_pair(table[name].sel(law=law, criterion=c, initial_gain=gain)) for gain in gains),
        )
        for law in table["law"].values
        for c in table["criterion"].values
    )
    return Table(title, ("law", "threshold", *(f"initial gain {gain:g}" for gain in gains)), rows)


def _at(values: xr.DataArray, law: str, criterion: str, gain: float) -> xr.DataArray:
    return values.sel(law=law, criterion=criterion, initial_gain=gain)


def _pair(found: xr.DataArray) -> str:
    return " / ".join(_signed(float(found.sel(branch=branch)), 3) for branch in ("rising", "falling"))


def _gain_exponents(gains: xr.Dataset) -> Table:
    name, title = next(iter(DIRECTIONS.items()))
    rows = tuple(
        (str(law), str(c), f"{gain:g}", *(_signed(float(v), 3) for v in _at(gains[name], law, c, gain)))
        for law in gains["law"].values
        for c in gains["criterion"].values
        for gain in gains["initial_gain"].values
    )
    sigmas = (f"sigma {sigma:g}" for sigma in gains["sigma"].values)
    note = "The other direction of regression is in datasets.zarr."
    return Table(f"{title}: weights", ("law", "threshold", "initial gain", *sigmas), rows, note)


def _times(table: xr.Dataset) -> Table:
    """The times under the first criterion."""
    first = table.isel(criterion=0)
    times = first["emergence_time"].transpose("mode", "law", "initial_gain")
    header = (
        "variance",
        *(f"{law}, {gain:g}" for law in table["law"].values for gain in table["initial_gain"].values),
    )
    rows = tuple(
        (f"{float(v):.3g}", *(text(float(t)) for t in line.values.ravel()))
        for v, line in zip(table["eigenvalue"].values, times, strict=True)
    )
    note = "∞: never. The other thresholds are in datasets.zarr."
    return Table(
        f"Dose of emergence by law and initial gain, {first['criterion'].item()} mean", header, rows, note
    )


def _signed(value: float, digits: int = 2) -> str:
    # Adding 0 turns a rounded -0 into 0.
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−") if np.isfinite(value) else ABSENT
