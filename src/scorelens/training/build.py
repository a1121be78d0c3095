"""From a configuration to the denoiser that is trained and the loss that trains it."""

from __future__ import annotations

import math

import numpy as np
import torch

from scorelens.core.spectrum import Spectrum
from scorelens.instruments.settings import sigma_data
from scorelens.networks import EDM, AssumedCovariance, PreconditionedDenoiser, Preconditioner
from scorelens.networks.file import NETWORKS
from scorelens.networks.preconditioners import ALL as PRECONDITIONERS
from scorelens.objectives import (
    OBJECTIVES,
    DenoisingLoss,
    EmpiricalScore,
    FlowMatchingLoss,
    LevelWeighting,
    Pixel,
    ScoreMatchingLoss,
    Target,
    objective_named,
    weightings,
)
from scorelens.objectives.base import PROJECTIONS, TRUE_SCORE
from scorelens.objectives.projections import projections_named
from scorelens.results.config import RunConfig
from scorelens.training.batches import Samples, derived_seed

_PLAIN_WEIGHTS: dict[str, type[LevelWeighting]] = {
    cls.name: cls
    for cls in (
        weightings.CleanData,
        weightings.Noise,
        weightings.V,
        weightings.Velocity,
        weightings.Score,
    )
}

TrainingLoss = DenoisingLoss | ScoreMatchingLoss | FlowMatchingLoss
"""A loss per sample of a denoiser, clean data and the draws of a `Batch`."""


def build_denoiser(
    config: RunConfig, spectrum: Spectrum, held_out: Samples | None = None, train: Samples | None = None
) -> PreconditionedDenoiser:
    """The untrained denoiser of ``config`` for data of the given ``spectrum``.

    ``held_out`` is read by the shrinkage ``held-out`` only, ``train`` by ``ledoit-wolf`` only. The global
    random state is left alone.
    """
    preconditioner = build_preconditioner(config, spectrum, held_out, train)
    architecture = config.network.model_dump(exclude={"name"})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(config.seed, "network"))
        network = NETWORKS[config.network.name](spectrum.event_shape, **architecture)
    return PreconditionedDenoiser(network, preconditioner)


def build_preconditioner(
    config: RunConfig, spectrum: Spectrum, held_out: Samples | None = None, train: Samples | None = None
) -> Preconditioner:
    """The preconditioner of ``config`` for data of the given ``spectrum``."""
    chosen = config.preconditioning
    if chosen.name == "edm":
        mean = spectrum.mean if chosen.center else np.zeros(spectrum.dim)
        variance = torch.tensor(sigma_data(spectrum, config) ** 2)
        return EDM(torch.from_numpy(mean).float(), variance)
    samples = {"held-out": held_out, "ledoit-wolf": train}.get(chosen.shrinkage)
    covariance = AssumedCovariance.from_spectrum(
        spectrum,
        floor=chosen.floor or config.sampler.sigma_min**2,
        shrinkage=chosen.shrinkage,
        samples=None if samples is None else samples.blocks(),
        rank=chosen.rank,
    )
    family = {cls.name: cls for cls in PRECONDITIONERS}
    return family[chosen.name].from_covariance(covariance)


def build_loss(
    config: RunConfig, preconditioner: Preconditioner, data: Samples | None = None
) -> TrainingLoss:
    """The loss of ``config``; sigma_data as configured, or from the preconditioner's variance.

    ``data`` is the training set whose score the objectives ``explicit`` and ``projected`` match; they raise
    ``ValueError`` without it.
    """
    training, noise_law = config.training, config.noise_law()
    if training.objective == "flow-matching":
        return FlowMatchingLoss(noise_law)
    if training.loss == "target":
        return DenoisingLoss(noise_law, Target(preconditioner.whiten))
    weighting = _weighting(config, preconditioner)
    if training.objective == "denoising":
        return DenoisingLoss(noise_law, weighting)
    projections = projections_named(training.projections)
    objective = objective_named(training.objective, projections)
    score = _score_of(data) if TRUE_SCORE in objective.needs and data is not None else None
    return ScoreMatchingLoss(noise_law, weighting, objective, projections, score)


def _weighting(config: RunConfig, preconditioner: Preconditioner) -> LevelWeighting:
    name = config.effective_loss
    if name == "likelihood":
        return weightings.Likelihood(config.noise_law())
    if name == "pixel":
        return Pixel(config.preconditioning.sigma_data or math.sqrt(preconditioner.mean_variance))
    return _PLAIN_WEIGHTS[name]()


def n_projections(config: RunConfig) -> int:
    """How many directions per sample the objective of ``config`` draws; 0 if it needs none."""
    sliced = {member.name for member in OBJECTIVES if PROJECTIONS in member.needs}
    return config.training.n_projections if config.training.objective in sliced else 0


def _score_of(data: Samples) -> EmpiricalScore:
    blocks = [torch.from_numpy(np.ascontiguousarray(block)).float() for block in data.blocks()]
    return EmpiricalScore(torch.cat(blocks))
