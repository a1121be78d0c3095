"""Power laws of emergence: their table, and their lines."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.analysis.power_laws import LEVEL
from scorelens.plots import FittedLaw
from scorelens.report.table import Table, text

SOURCES = {"measured": "measured", "law": "forecast"}
#: What no fit counts, by whether there are measurements.
LEFT_OUT = {
    True: "Gray, early and late modes are left out of all fits, measured and forecast.",
    False: "Modes in the gray zone and modes that never emerge are left out.",
}


def fitted(fits: xr.Dataset, source: str) -> list[FittedLaw]:
    """The fits of one criterion to what ``source`` says, one per branch that has one."""
    names = ("prefactor", "exponent", "smallest_variance", "largest_variance")
    found = fits.sel(source=source)
    return [
        FittedLaw(str(branch), *(float(found[name].sel(branch=branch)) for name in names))
        for branch in found["branch"].values
        if int(found["n_fitted"].sel(branch=branch)) > 0
    ]


def power_law_tables(curves: xr.Dataset | None) -> tuple[Table, ...]:
    """The table of exponents, if anything could be fitted."""
    if curves is None or "n_fitted" not in curves or not (curves["n_fitted"].values > 0).any():
        return ()
    return (_power_laws(curves),)


def _power_laws(curves: xr.Dataset) -> Table:
    """Fitted exponents by criterion and branch, measured beside forecast."""
    sources = [str(source) for source in curves["source"].values]
    rows = [
        (str(criterion), str(branch), *_exponents(curves.sel(criterion=criterion, branch=branch), sources))
        for criterion in curves["criterion"].values
        for branch in curves["branch"].values
        if int(curves["n_fitted"].sel(criterion=criterion, branch=branch).max()) > 0
    ]
    header = ("threshold", "modes", "fitted", *(SOURCES.get(source, source) for source in sources))
    note = (
        f"Exponents of emergence time against variance, with {LEVEL:.0%} intervals: −1 means that half "
        f"the variance takes twice as long. Thresholds lie between start and target: harmonic, geometric "
        f"and arithmetic means, or a band around the target. {LEFT_OUT['measured' in sources]}"
    )
    return Table("Power laws of emergence", header, tuple(rows), note)


def _exponents(fits: xr.Dataset, sources: list[str]) -> tuple[str, ...]:
    """Number of modes, then the exponent with its interval for each source."""
    each = (fits.sel(source=source) for source in sources)
    ends = ("exponent", "exponent_low", "exponent_high")
    texts = [with_interval(*(float(fit[end]) for end in ends)) for fit in each]
    return (text(int(fits["n_fitted"].max())), *texts)


def with_interval(value: float, low: float, high: float) -> str:
    """An exponent with its interval.

    >>> with_interval(-1.0, -1.125, -0.9)
    '−1.00 (−1.12 to −0.90)'
    """
    if np.isnan(value):
        return text(value)
    shown, least, most = (f"{number:.2f}".replace("-0.00", "0.00") for number in (value, low, high))
    return f"{shown} ({least} to {most})".replace("-", "−")
