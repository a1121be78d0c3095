"""Sentences on what a denoiser keeps of noisy held-out data, and along which directions."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.analysis import words

#: Asymmetry of the Jacobian below which it counts as symmetric.
SYMMETRIC = 0.1


def local_geometry_sentences(measured: xr.Dataset | None) -> list[str]:
    """What the last measurement of the instrument ``geometry`` says, along ``step`` or without."""
    if measured is None:
        return []
    last = measured.isel(step=-1) if "step" in measured.dims else measured
    if not np.isfinite(last["eigenvalue"].values).any():
        return [f"The directions that the denoiser keeps are not known: {last.attrs['way']}."]
    return [_kept(last.isel(sigma=middle(last))), *_unconverged(last)]


def middle(measured: xr.Dataset) -> int:
    """Index of the noise level that is told and shown: the middle one, at the scale of the data."""
    return measured.sizes["sigma"] // 2


def _kept(level: xr.Dataset) -> str:
    """What is kept at one noise level."""
    ranks, asymmetry = level["participation"].values, float(level["asymmetry"].mean())
    event = "image" if "channel" in level.dims else "point"
    ends = f"{_amount(ranks.min())} to {_amount(ranks.max())}"
    span = "" if len(ranks) == 1 else f"; {ends} over {len(ranks)} {event}s"
    kept = (
        f"At σ {words.number(float(level['sigma']), 2)} a held-out {event} keeps about "
        f"{_amount(ranks.mean())} of {level.attrs['dim']:,} directions (participation{span})"
    )
    if asymmetry < SYMMETRIC:
        return (
            f"{kept}; the Jacobian is symmetric within {_share(asymmetry)}, as that of an ideal denoiser is."
        )
    return f"{kept}; the Jacobian is asymmetric by {_share(asymmetry)}, unlike that of an ideal denoiser."


def _unconverged(last: xr.Dataset) -> list[str]:
    left = int((~last["converged"].values.astype(bool)).sum())
    if left == 0:
        return []
    verb = "has" if left == 1 else "have"
    return [f"{left} of {last['converged'].size} eigenpairs {verb} an error above the tolerance."]


def _amount(value: float) -> str:
    """A number of directions.

    >>> _amount(22.7), _amount(1.23)
    ('23', '1.2')
    """
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _share(value: float) -> str:
    """A share in percent.

    >>> _share(0.0413), _share(0.0), _share(1e-7)
    ('4%', '0.1%', '0.1%')
    """
    return f"{max(100 * value, 0.1):.1g}%" if value < SYMMETRIC else f"{100 * value:.0f}%"
