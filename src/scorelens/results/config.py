"""The configuration of a run: everything needed to repeat it, validated and versioned."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

VERSION = 1


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(_Section):
    """Where the data come from; ``spec`` is what `scorelens.data.load` takes."""

    spec: str = "digits"
    n_samples: int | None = Field(default=None, ge=2)
    held_out: float = Field(default=0.1, gt=0, lt=1)
    n_modes: int | None = Field(default=None, ge=1)


class NetworkConfig(_Section):
    """The network's architecture; ``zero_output`` starts the denoiser at its preconditioner's skip."""

    name: Literal["mlp-unet"] = "mlp-unet"
    width: int = Field(default=256, ge=1)
    depth: int = Field(default=3, ge=1)
    embedding: int = Field(default=64, ge=2)
    zero_second_layers: bool = True
    zero_output: bool = True


class PreconditioningConfig(_Section):
    """What stands between the network and the denoiser. ``sigma_data=None``: measured from the data."""

    name: Literal["edm", "spectral", "spectral-skip"] = "edm"
    sigma_data: float | None = Field(default=None, gt=0)
    center: bool = True
    floor: float | None = Field(default=None, gt=0)
    shrinkage: Literal["none", "ledoit-wolf", "held-out"] = "none"
    rank: int | None = Field(default=None, ge=1)


class NoiseConfig(_Section):
    """Law of the training noise level; ``loguniform`` spans the sampler's range."""

    name: Literal["lognormal", "loguniform"] = "lognormal"
    p_mean: float = -1.2
    p_std: float = Field(default=1.2, gt=0)


class SamplerConfig(_Section):
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


class TrainingConfig(_Section):
    """Optimisation. ``loss``: ``pixel`` has EDM's weight, ``target`` weighs every mode alike ([E24])."""

    steps: int = Field(default=3000, ge=1)
    batch_size: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    loss: Literal["pixel", "target"] = "pixel"
    checkpoint_every: int = Field(default=500, ge=1)


class MeasurementConfig(_Section):
    """When and how finely the instruments measure."""

    n_measurements: int = Field(default=24, ge=2)
    n_generated: int = Field(default=1024, ge=2)
    n_probes: int = Field(default=1024, ge=2)
    n_transfer_sigmas: int = Field(default=24, ge=3)
    n_images: int = Field(default=36, ge=1)


class RunConfig(_Section):
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
