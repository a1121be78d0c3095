"""Sentences on the local geometry of a denoiser: what it keeps, how good it is, and what to distrust."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.analysis import words
from scorelens.geometry.dimension import STATUSES

#: Standard errors beyond which two numbers are said to differ.
FAR = 3.0
#: Asymmetry of a Jacobian from which on it is remarked that the denoiser is no gradient.
ASYMMETRIC = 0.1


def geometry_sentences(measured: xr.Dataset, dimension: xr.Dataset, risk: xr.Dataset) -> list[str]:
    """The summary of a page of `studies.geometry`: of its Datasets ``geometry``, ``dimension``, ``risk``."""
    return [*_kept(measured), _sure(risk), _against_floors(risk), *_dimension(dimension)]


def geometry_remarks(measured: xr.Dataset, risk: xr.Dataset) -> tuple[str, ...]:
    """What to know before reading numbers: derivatives that failed, eigenpairs that did not converge."""
    remarks = []
    if measured.attrs["method"] == "none":
        remarks.append(
            f"The eigenpairs could not be had: {measured.attrs['way']}. The risk, its trace and the "
            "dimension by FLIPD still hold."
        )
    else:
        left = measured["converged"].size - int(measured["converged"].sum())
        if left:
            worst = float(_relative_error(measured).max())
            remarks.append(
                f"{left} of {measured['converged'].size} eigenpairs did not converge: their eigenvalues may "
                f"be off by up to {worst:.1g} of themselves."
            )
    if "J v by central differences" in measured.attrs["way"]:
        remarks.append(
            f"Derivatives are differences, good to fewer digits: {measured.attrs['way']}."
            if measured.attrs["method"] != "none"
            else "Derivatives are differences, good to fewer digits."
        )
    if "evaluated in" in measured.attrs["way"]:
        remarks.append(f"Weights of half precision were widened: {measured.attrs['way']}.")
    if risk.attrs["n_events"] < 30:
        remarks.append(f"Only {risk.attrs['n_events']} held-out events: standard errors are rough.")
    return tuple(remarks)


def reading_words(status: str) -> str:
    """What is said of a curve of dimension, by its status.

    >>> reading_words("plateau")
    'the curve rests: the dimension is read there'
    """
    return STATUSES[status]


def _relative_error(measured: xr.Dataset) -> np.ndarray:
    off = ~measured["converged"].values
    size = np.maximum(np.abs(measured["eigenvalue"].values[off]), 1e-300)
    return measured["eigenvalue_error"].values[off] / size


def _kept(measured: xr.Dataset) -> list[str]:
    if measured.attrs["method"] == "none":
        return []
    dim = measured.attrs["dim"]
    trace = measured["trace"].mean("point")
    told = [f"{_amount(value)} at {_at(sigma)}" for sigma, value in _each(trace)]
    kept = (
        f"Of {dim:,} directions around a noisy event, the denoiser keeps about {words.joined(told)} "
        "(the trace of its Jacobian, which counts each by the share that is kept)."
    )
    asymmetry = measured["asymmetry"]
    worst = asymmetry.max("point")
    at = float(worst["sigma"].values[int(worst.values.argmax())])
    share = float(worst.max())
    if share < ASYMMETRIC:
        symmetric = (
            f"Its Jacobian is symmetric to within {share:.1g} of its size, as that of an ideal one is."
        )
    else:
        symmetric = (
            f"Its Jacobian is not symmetric: |J − Jᵀ| is up to {share:.2g} of |J|, at {_at(at)}, where that "
            "of an ideal denoiser is. Eigenpairs are those of the symmetric part."
        )
    return [kept, symmetric]


def _sure(risk: xr.Dataset) -> str:
    z = risk["z"].values
    worst = int(np.nanargmax(np.abs(z)))
    sigma = float(risk["sigma"].values[worst])
    share = float(risk["sure_less_true_standard_error"].values[worst] / risk["risk_true"].values[worst])
    told = f"{abs(z[worst]):.1f} standard errors ({share:.1%} of the error) at {_at(sigma)}"
    verdict = "agrees with" if abs(z[worst]) < FAR else "differs from"
    return (
        f"The risk without clean events (SURE) {verdict} the true error on the same "
        f"{risk.attrs['n_events']:,} held-out events: the largest difference is {told}."
    )


def _against_floors(risk: xr.Dataset) -> str:
    ratio = risk["risk_true"] / risk["linear_held_out"]
    told = [f"{value:.2g} at {_at(sigma)}" for sigma, value in _each(ratio)]
    return f"Its error, relative to the best linear denoiser's on the same events, is {words.joined(told)}."


def _dimension(dimension: xr.Dataset) -> list[str]:
    status = dimension["flipd_status"].values
    rests = status == "plateau"
    if not rests.any():
        return [
            "No local dimension is read: FLIPD rests nowhere between the ambient dimension and 0 "
            f"at the noise levels from {_at(float(dimension['sigma'].values[0]))} to "
            f"{_at(float(dimension['sigma'].values[-1]))}."
        ]
    values = dimension["flipd_read"].values[rests]
    sigmas = dimension["flipd_read_sigma"].values[rests]
    span = f"{values.min():.3g}" if len(values) == 1 else f"{values.min():.3g} to {values.max():.3g}"
    where = f"around {_at(float(np.median(sigmas)))}"
    count = f"{rests.sum()} of {len(rests)} events"
    return [f"FLIPD rests at a local dimension of {span} {where}, at {count}."]


def _each(values: xr.DataArray) -> list[tuple[float, float]]:
    return list(zip(values["sigma"].values.tolist(), values.values.tolist(), strict=True))


def _amount(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _at(sigma: float) -> str:
    return f"σ {words.number(sigma, 2)}"
