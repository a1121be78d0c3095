"""The chapter on how derivatives were made, and how far they may be trusted."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.report.panel import Section
from scorelens.report.table import Table, text

#: What is averaged over events at each noise level: variable -> heading.
COLUMNS = {
    "asymmetry": "asymmetry |J − Jᵀ| / |J|",
    "homogeneity_defect": "homogeneity defect",
    "offset_share": "offset share",
}


def derivatives(measured: xr.Dataset, risk: xr.Dataset) -> Section:
    """How the Jacobian was applied, its asymmetry, defects and convergence."""
    return Section(
        name="derivatives",
        short_title="Derivatives",
        title="How derivatives were made",
        lead=(
            "An ideal denoiser has a symmetric Jacobian without negative eigenvalues. A network needs not: "
            "its asymmetry says how far its score is from the gradient of any density."
        ),
        tables=(_ways(measured, risk), _by_level(measured)),
    )


def _ways(measured: xr.Dataset, risk: xr.Dataset) -> Table:
    method = {
        "exact": "from the whole Jacobian, formed",
        "krylov": "by block Krylov iteration, the Jacobian never formed",
        "none": "could not be had",
    }[measured.attrs["method"]]
    rows = (
        ("products with the Jacobian", measured.attrs["way"]),
        ("eigenpairs", method),
        ("trace in the risk", risk.attrs["way"]),
    )
    return Table("How", ("what", "how"), rows)


def _by_level(measured: xr.Dataset) -> Table:
    rows = []
    for k, sigma in enumerate(measured["sigma"].values):
        one = measured.isel(sigma=k)
        converged = one["converged"].values
        values = one["eigenvalue"].values
        below = int((values < -one["eigenvalue_error"].values).sum()) if np.isfinite(values).any() else None
        rows.append(
            (
                text(float(sigma)),
                *(_span(one[name].values) for name in COLUMNS),
                f"{int(converged.sum())} of {converged.size}",
                text(float(one["eigenvalue_error"].max())),
                text(below),
            )
        )
    header = ("σ", *COLUMNS.values(), "converged", "largest error of an eigenvalue", "negative eigenvalues")
    note = (
        "Mean (least to most) over the events. Homogeneity defect: change of D(2x) from 2D(x), relative, 0 "
        "for networks without bias [P11]; offset share: part of the denoised event, seen from the mean of "
        "the data, that the Jacobian does not say [P12]. Negative: among the leading eigenpairs."
    )
    return Table("By noise level", header, tuple(rows), note)


def _span(values: np.ndarray) -> str:
    if not np.isfinite(values).all():
        return text(None)
    return f"{values.mean():.2g} ({values.min():.2g} to {values.max():.2g})"
