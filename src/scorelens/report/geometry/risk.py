"""The chapter on the risk, with and without clean events, against floors."""

from __future__ import annotations

import xarray as xr

from scorelens import plots
from scorelens.report.panel import Panel, Section
from scorelens.report.table import Table, text


def risk(found: xr.Dataset) -> Section:
    """Risk over noise levels."""
    n = found.attrs["n_events"]
    caption = (
        f"Squared error summed over an event, averaged over {n:,} held-out events; bars are two standard "
        "errors. SURE knows no clean event: |x − D|² + 2σ² tr J − dσ² [P7]. If the denoiser were the "
        "posterior mean, σ² tr J would be its error, too [P8], and SURE less σ² tr J would be 0. Far from 0, "
        "of either sign, it tells that the denoiser is not ideal; 0 alone does not tell that it is: D = x "
        "has 0, too. The memorising floor is the training error of the denoiser that knows the training set "
        "by heart."
    )
    return Section(
        name="risk",
        short_title="Risk",
        title="How good the denoiser is, and how that is known without clean events",
        lead="",
        panels=(Panel("risk-levels", "Risk by noise level", caption, plots.risk(found), _table(found)),),
    )


def _table(found: xr.Dataset) -> Table:
    rows = []
    for k, sigma in enumerate(found["sigma"].values):
        one = found.isel(sigma=k)
        rows.append(
            (
                text(float(sigma)),
                *(
                    _pm(one, name)
                    for name in ("risk_true", "risk_sure", "sure_less_true", "mmse_trace", "linear_held_out")
                ),
                text(float(one["linear_floor"])),
                _pm(one, "memorization_floor"),
                f"{float(one['z']):.1f}".replace("-", "−"),
            )
        )
    header = (
        "σ",
        "true error",
        "SURE",
        "SURE less true",
        "σ² tr J",
        "best linear, same events",
        "best linear, expected",
        "memorising",
        "z",
    )
    note = "± two standard errors; z: SURE less true, in standard errors (the same events, pair by pair)."
    return Table("Risk in squared data units", header, tuple(rows), note)


def _pm(one: xr.Dataset, name: str) -> str:
    value, error = float(one[name]), float(one[f"{name}_standard_error"])
    return f"{value:.4g} ± {2 * error:.2g}".replace(" ", "\u00a0").replace("-", "−")
