"""Spectra of the normal matrices that fitted estimators solved, level by level, with their rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from scorelens.core import checks
from scorelens.estimators import FittedDenoiser
from scorelens.instruments.labels import PURE, sigma_coordinate, variable

#: At most so many noise levels, and eigenvalues (log-spaced in their index), are kept.
N_LEVELS, N_EIGENVALUES = 8, 200
WHERE = "score estimation [S5]-[S9]"
ABSENT = "–"


class NormalSpectra(NamedTuple):
    """Eigenvalues ``(L, m)``, descending, of one estimator's normal matrices at its levels ``sigmas (L,)``.

    One matrix for all levels at once has the level NaN. ``ranks (L,)`` is how many of them the solution
    used, ``bounded (L,)`` whether the loss has a minimum.
    """

    sigmas: np.ndarray
    eigenvalues: np.ndarray
    ranks: np.ndarray
    bounded: np.ndarray


def spectra_of(denoiser: FittedDenoiser) -> NormalSpectra | None:
    """What ``denoiser`` keeps of its normal equations; ``None`` if it was not fitted by any.

    >>> from scorelens.estimators import Gaussian
    >>> spectra_of(Gaussian().fit(np.eye(2))) is None
    True
    """
    values = getattr(denoiser, "normal_spectra", None)
    if values is None:
        return None
    eigenvalues = -np.sort(-np.maximum(_array(values), 0.0), axis=-1)
    ranks = getattr(denoiser, "ranks", None)
    counted = numerical_rank(eigenvalues) if ranks is None else _array(ranks).astype(int)
    bounded = _array(getattr(denoiser, "bounded", np.ones(len(eigenvalues)))) > 0
    sigmas = getattr(denoiser, "sigmas", np.full(len(eigenvalues), np.nan))
    return NormalSpectra(_array(sigmas), eigenvalues, counted, bounded)


def numerical_rank(eigenvalues: np.ndarray) -> np.ndarray:
    """How many of the ``eigenvalues (.., m)`` are above the rounding of the largest, shape ``(..,)``.

    >>> numerical_rank(np.array([[1.0, 0.1, 1e-20]]))
    array([2])
    """
    m = eigenvalues.shape[-1]
    return (eigenvalues > m * np.finfo(float).eps * eigenvalues.max(axis=-1, keepdims=True)).sum(axis=-1)


def normal_spectrum(
    denoisers: Mapping[str, FittedDenoiser], solved_by: Mapping[str, str] | None = None
) -> xr.Dataset:
    """``eigenvalue(estimator, sigma, index)`` relative to the largest, of estimators that have spectra.

    ``index`` counts eigenvalues from 0, at most 200 log-spaced ones; ``rank(estimator, sigma)`` says how many
    the solution used, ``bounded`` whether the loss has a minimum there [S8], ``count(estimator)`` how many
    there are. ``sigma`` holds up to 8 of the levels at which any of them was fitted, from the largest to the
    smallest; an estimator fitted at others shows its nearest, ``level(estimator, sigma)``, NaN where one
    matrix serves all levels (and for ``sigma``, if that is so for all estimators).
    ``solved_by(estimator)`` repeats the caller's words on the solver or filter; a dash without any.

    Raises ``ValueError`` if no estimator has a spectrum: `spectra_of` tells.
    """
    found = {name: s for name, one in denoisers.items() if (s := spectra_of(one)) is not None}
    checks.at_least("the number of estimators with a normal matrix", len(found), 1, "fit one from features")
    levels = _levels(found)
    index = _indices(max(one.eigenvalues.shape[1] for one in found.values()))
    nearest = [np.abs(np.log(one.sigmas[:, None] / levels)).argmin(axis=0) for one in found.values()]
    pairs = list(zip(found.values(), nearest, strict=True))
    eigenvalue = np.stack([_relative(one, at, index) for one, at in pairs])
    words = solved_by or {}
    each, of_estimator = ("estimator", "sigma"), ("estimator",)
    variables = {
        "eigenvalue": variable(
            (*each, "index"),
            eigenvalue,
            "Eigenvalue of the normal matrix, relative to the largest",
            PURE,
            WHERE,
        ),
        "rank": variable(each, [one.ranks[at] for one, at in pairs], "Rank", PURE, "[S7]"),
        "bounded": variable(
            each, [one.bounded[at] for one, at in pairs], "Whether the loss has a minimum", PURE, "[S8]"
        ),
        "level": variable(
            each, [one.sigmas[at] for one, at in pairs], "Noise level of the fit shown", "data units"
        ),
        "count": variable(
            of_estimator, [one.eigenvalues.shape[1] for one in found.values()], "Number of features m", PURE
        ),
        "solved_by": variable(
            of_estimator, [words.get(name, ABSENT) for name in found], "How the equations were solved", PURE
        ),
    }
    axis = variable(("index",), index, "Eigenvalue, 0 is the largest", PURE)
    return xr.Dataset(variables, {"estimator": list(found), "index": axis} | sigma_coordinate(levels))


def _levels(found: Mapping[str, NormalSpectra]) -> np.ndarray:
    """All levels, or some of them, descending; those that differ by rounding only are one."""
    every = np.sort(np.concatenate([one.sigmas for one in found.values()]))[::-1]
    every = every[np.isfinite(every)] if np.isfinite(every).any() else every[:1]
    every = every[np.r_[True, every[1:] < every[:-1] * (1 - 1e-9)]]
    return every[np.unique(np.linspace(0, len(every) - 1, min(len(every), N_LEVELS)).round().astype(int))]


def _indices(count: int) -> np.ndarray:
    if count <= N_EIGENVALUES:
        return np.arange(count)
    return np.unique(np.geomspace(1, count, N_EIGENVALUES).round().astype(int)) - 1


def _relative(one: NormalSpectra, at: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Eigenvalues over the largest at the levels ``at``; NaN beyond the number of features."""
    m = one.eigenvalues.shape[1]
    kept = np.full((len(at), len(index)), np.nan)
    values = one.eigenvalues[at]
    largest = values.max(axis=1, keepdims=True)
    relative = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    kept[:, index < m] = relative[:, index[index < m]]
    return kept


def _array(values: object) -> np.ndarray:
    """A buffer of any device as float64."""
    return np.asarray(getattr(values, "cpu", lambda: values)(), dtype=float)
