"""Does a stored model obey the identities of score matching, noise level by noise level?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from scorelens import data as sources
from scorelens import training
from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.data import Data
from scorelens.estimators import WithScore
from scorelens.objectives import EmpiricalScore, ObjectiveReport, check_objectives
from scorelens.objectives.calculus import Score

MOST_SAMPLES, LEAST_SAMPLES = 4096, 100
#: Samples times dimension at most, unless told otherwise: an exact trace takes d reverse passes per sample.
MOST_PASSES = 2**18
#: Noise levels that are looked at unless told otherwise, in units of the data's standard deviation.
LEVELS = (0.1, 0.5, 2.0)


@final
@dataclass(frozen=True)
class ObjectiveCheck:
    """What was found at each of the ``sigmas``, from ``n_samples`` noised samples."""

    sigmas: tuple[float, ...]
    reports: tuple[ObjectiveReport, ...]
    n_samples: int

    @property
    def n_broken(self) -> int:
        """How many findings say that something is wrong."""
        return sum(len(report.broken) for report in self.reports)


def check_model(
    model: Path | str,
    data: str,
    *,
    sigma: Sequence[float] | None = None,
    samples: int | None = None,
    seed: int = 0,
) -> ObjectiveCheck:
    """Verify the identities between objectives, sign and scale of the score of a stored ``model``.

    ``model`` is a run folder, a checkpoint or a file of a network or an estimator, ``data`` a data
    specification, ``sigma`` the noise levels in data units (0.1, 0.5 and 2 times the data's standard
    deviation unless given). The true score is known, as that of the noised samples themselves (a mixture of
    one Gaussian per sample). ``samples``: 4096 or all there are unless given, fewer in high dimension, where
    exact traces are dear: then a ``UserWarning`` says how many, before the work. Losses and models of other
    libraries: `scorelens.objectives.check_objectives`.

    Raises ``ValueError`` for models, data or levels that cannot be used.

    >>> found = check_model("runs/digits", "digits", sigma=[0.5])  # doctest: +SKIP
    >>> print(found.reports[0])  # doctest: +SKIP
    holds     each sample alone: the score of a sample depends on it alone
    ...
    """
    denoiser = training.load_denoiser(model)
    made_for, whole = training.event_shape(denoiser), sources.load(data, seed=seed)
    if whole.event_shape != made_for:
        raise ValueError(
            f"{model} was made for samples of shape {made_for}, {data} has {whole.event_shape}; "
            "give data of the model's shape"
        )
    count = _count(whole, samples)
    x = _drawn(whole, count, seed)
    sigmas = _levels(x, sigma)
    if samples is None and count < min(MOST_SAMPLES, len(whole)):
        _say_cost(count, whole.dim, len(sigmas))
    # Small noise leaves few digits of D - x in single precision.
    reports = tuple(_report(denoiser.double(), x, level, seed) for level in sigmas)
    return ObjectiveCheck(sigmas, reports, count)


def _report(denoiser: Denoiser, x: Tensor, sigma: float, seed: int) -> ObjectiveReport:
    law = EmpiricalScore(x)
    return check_objectives(
        _score(denoiser, sigma),
        x,
        true_score=lambda at: law(at, sigma),
        sigma=sigma,
        seed=seed,
    )


def _score(denoiser: Denoiser, sigma: float) -> Score:
    if isinstance(denoiser, WithScore):  # no digit is lost at small noise
        return lambda at: denoiser.score(at, sigma)
    return lambda at: (denoiser(at, sigma) - at) / sigma**2


def _count(data: Data, samples: int | None) -> int:
    if samples is None:
        affordable = max(LEAST_SAMPLES, MOST_PASSES // data.dim)
        return min(len(data), MOST_SAMPLES, affordable)
    checks.at_least("samples", samples, LEAST_SAMPLES, "standard errors need more")
    if samples > len(data):
        raise ValueError(f"samples: got {samples}, but the data have only {len(data)}")
    return samples


def _levels(x: Tensor, sigma: Sequence[float] | None) -> tuple[float, ...]:
    if sigma is None:
        spread = float(x.flatten(1).var(0).mean().sqrt())
        return tuple(float(f"{share * spread:.2g}") for share in LEVELS)
    if not len(sigma):
        raise ValueError("sigma must name at least one noise level, got none; leave it out for the default")
    checks.positive("sigma", np.asarray(sigma, dtype=float))
    return tuple(float(level) for level in sigma)


def _drawn(data: Data, count: int, seed: int) -> Tensor:
    chosen = np.sort(np.random.default_rng(seed).permutation(len(data))[:count])
    return torch.from_numpy(data[chosen]).double()


def _say_cost(count: int, dim: int, n_levels: int) -> None:
    warnings.warn(
        f"an exact trace takes {dim:,} reverse passes: {count:,} samples are used at each of {n_levels} "
        "noise levels; the option samples sets how many",
        UserWarning,
        stacklevel=3,
    )
