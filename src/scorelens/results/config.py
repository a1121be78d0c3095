"""The configuration of a run: everything needed to repeat it, validated and versioned."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from scorelens.core import sigma_grid
from scorelens.core.noise_level import FlowTime, LogNormal, LogUniform, NoiseLevelLaw, Variance

VERSION = 1


class Section(BaseModel):
    """A part of a configuration: it cannot change, and refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(Section):
    """Where the data come from; ``spec`` is what `scorelens.data.load` takes."""

    spec: str = "digits"
    n_samples: int | None = Field(default=None, ge=2)
    held_out: float = Field(default=0.1, gt=0, lt=1)
    n_modes: int | None = Field(default=None, ge=1)


class NetworkConfig(Section):
    """The network's architecture; ``zero_output`` starts the denoiser at its preconditioner's skip."""

    name: Literal["mlp-unet"] = "mlp-unet"
    width: int = Field(default=256, ge=1)
    depth: int = Field(default=3, ge=1)
    embedding: int = Field(default=64, ge=2)
    zero_second_layers: bool = True
    zero_output: bool = True


class PreconditioningConfig(Section):
    """What stands between the network and the denoiser.

    ``sigma_data=None``: measured from the data. ``floor``: smallest assumed variance, in squared data units
    (``None``: sigma_min squared). ``rank``: number of modes that the spectral operators keep.
    """

    name: Literal["edm", "spectral", "spectral-skip"] = "edm"
    sigma_data: float | None = Field(default=None, gt=0)
    center: bool = True
    floor: float | None = Field(default=None, gt=0)
    shrinkage: Literal["none", "ledoit-wolf", "held-out"] = "none"
    rank: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _centred(self) -> PreconditioningConfig:
        if self.name != "edm" and not self.center:
            raise ValueError(f"{self.name} preconditioning is built around the mean; set center=true")
        return self


class NoiseConfig(Section):
    """Law of the training noise level.

    ``loguniform`` (uniform in log sigma) and ``variance`` (uniform in sigma squared) span the sampler's
    range; ``flow-time`` is uniform in the time of flow matching, which always draws so.
    """

    name: Literal["lognormal", "loguniform", "variance", "flow-time"] = "lognormal"
    p_mean: float = -1.2
    p_std: float = Field(default=1.2, gt=0)


class SamplerConfig(Section):
    """Heun's method on the Karras grid."""

    n_sigmas: int = Field(default=40, ge=2)
    sigma_min: float = Field(default=0.002, gt=0)
    sigma_max: float = Field(default=80.0, gt=0)
    rho: float = Field(default=7.0, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> SamplerConfig:
        if not self.sigma_max > self.sigma_min:
            raise ValueError(f"sigma_max must exceed sigma_min, got {self.sigma_max:g} <= {self.sigma_min:g}")
        return self


class TrainingConfig(Section):
    """Optimisation by Adam.

    ``loss``: how squared errors weigh. ``pixel`` has EDM's weight, ``target`` weighs every mode alike
    ([E24]); ``x0``, ``noise``, ``v``, ``velocity`` and ``score`` are squared errors of what is so called,
    ``likelihood`` bounds the likelihood whatever levels are drawn. ``objective``: how the score is matched;
    ``explicit`` and ``projected`` match that of the noised training set; ``flow-matching`` is ``denoising``
    with the loss ``velocity`` and the noise ``flow-time``. ``projections``: law of the directions,
    ``n_projections`` of them per sample. ``checkpoints_kept``: how many of the latest checkpoints stay on
    disk.
    """

    steps: int = Field(default=4000, ge=1)
    batch_size: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    loss: Literal["pixel", "target", "x0", "noise", "v", "velocity", "score", "likelihood"] = "pixel"
    objective: Literal[
        "denoising",
        "explicit",
        "implicit",
        "hutchinson",
        "projected",
        "sliced",
        "sliced-vr",
        "finite-difference",
        "flow-matching",
    ] = "denoising"
    projections: Literal["rademacher", "gaussian", "sphere", "unit-sphere"] = "rademacher"
    n_projections: int = Field(default=1, ge=1)
    checkpoint_every: int = Field(default=500, ge=1)
    checkpoints_kept: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _matched(self) -> TrainingConfig:
        if self.objective == "flow-matching" and self.loss not in ("pixel", "velocity"):
            raise ValueError(
                f"flow-matching weighs its errors itself (as velocity), got loss {self.loss}; leave the loss "
                f"out, or set objective=denoising, noise=flow-time with loss={self.loss}"
            )
        if self.loss == "target" and self.objective != "denoising":
            raise ValueError(f"loss target needs objective denoising, got {self.objective}; set loss=pixel")
        if self.objective == "sliced-vr" and self.projections == "unit-sphere":
            raise ValueError(
                "sliced-vr with unit-sphere projections is not minimised by the score; "
                "set projections=sphere or objective=hutchinson"
            )
        return self


class MeasurementConfig(Section):
    """When and how finely the instruments measure."""

    n_measurements: int = Field(default=16, ge=2)
    n_generated: int = Field(default=256, ge=2)
    n_probes: int = Field(default=256, ge=2)
    n_transfer_sigmas: int = Field(default=24, ge=3)
    n_images: int = Field(default=36, ge=1)


class LawConfig(Section):
    """The learning law of the forecast; ``spec`` is what `scorelens.analysis.laws.law_named` takes.

    ``preconditioned`` is the law of the network, loss and noise levels of this configuration.
    """

    spec: str = Field(default="preconditioned", pattern=r"^[a-z][a-z-]*([:,][^:,]+)*$")


class RunConfig(Section):
    """One run, whole. ``RunConfig.model_validate_json(text)`` reads it back."""

    version: Literal[1] = VERSION
    seed: int = Field(default=0, ge=0)
    data: DataConfig = DataConfig()
    network: NetworkConfig = NetworkConfig()
    preconditioning: PreconditioningConfig = PreconditioningConfig()
    noise: NoiseConfig = NoiseConfig()
    sampler: SamplerConfig = SamplerConfig()
    training: TrainingConfig = TrainingConfig()
    measurement: MeasurementConfig = MeasurementConfig()
    law: LawConfig = LawConfig()

    @model_validator(mode="after")
    def _timed(self) -> RunConfig:
        if self.training.objective == "flow-matching" and self.noise not in (
            NoiseConfig(),
            NoiseConfig(name="flow-time"),
        ):
            raise ValueError(
                "flow-matching draws its own noise levels (flow-time); leave noise, p_mean and p_std out, or "
                "set objective=denoising and loss=velocity, which is flow matching with any noise"
            )
        return self

    @model_validator(mode="after")
    def _floored(self) -> RunConfig:
        least = self.sampler.sigma_min**2
        if self.preconditioning.floor is not None and self.preconditioning.floor < least:
            raise ValueError(
                f"preconditioning.floor must be at least sigma_min ** 2 = {least:g}, "
                f"got {self.preconditioning.floor:g}: a mode assumed below it could not be learned"
            )
        return self

    def noise_law(self) -> NoiseLevelLaw:
        """The law of the training noise level; of flow matching, that of its own times.

        >>> RunConfig().noise_law()
        LogNormal(p_mean=-1.2, p_std=1.2)
        >>> RunConfig(training=TrainingConfig(objective="flow-matching")).noise_law()
        FlowTime()
        """
        span = self.sampler.sigma_min, self.sampler.sigma_max
        match self.effective_noise:
            case "loguniform":
                return LogUniform(*span)
            case "variance":
                return Variance(*span)
            case "flow-time":
                return FlowTime()
            case _:
                return LogNormal(self.noise.p_mean, self.noise.p_std)

    @property
    def effective_noise(self) -> str:
        """Name of the law of noise levels that training draws from."""
        return "flow-time" if self.training.objective == "flow-matching" else self.noise.name

    @property
    def effective_loss(self) -> str:
        """Name of the weight that squared errors have in training."""
        return "velocity" if self.training.objective == "flow-matching" else self.training.loss

    def sigmas(self) -> np.ndarray:
        """The sampler's noise levels, descending, shape ``(n_sigmas,)``."""
        sampler = self.sampler
        return sigma_grid.karras(sampler.n_sigmas, sampler.sigma_min, sampler.sigma_max, sampler.rho)
