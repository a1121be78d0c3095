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
from scorelens.objectives import DenoisingLoss, Pixel, Target
from scorelens.results.config import RunConfig
from scorelens.training.batches import Samples, derived_seed


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


def build_loss(config: RunConfig, preconditioner: Preconditioner) -> DenoisingLoss:
    """The denoising loss of ``config``; sigma_data as configured, or from the preconditioner's variance."""
    if config.training.loss == "target":
        return DenoisingLoss(config.noise_law(), Target(preconditioner.whiten))
    assumed = config.preconditioning.sigma_data or math.sqrt(preconditioner.mean_variance)
    return DenoisingLoss(config.noise_law(), Pixel(assumed))
