"""Networks, the preconditioners that make denoisers of them, and trainable twins of the laws of learning."""

from scorelens.networks import twins
from scorelens.networks.assumed_covariance import AssumedCovariance
from scorelens.networks.mlp_unet import MLPUNet
from scorelens.networks.preconditioned import PreconditionedDenoiser
from scorelens.networks.preconditioners import ALL, EDM, Preconditioner, Spectral, SpectralSkip

__all__ = [
    "ALL",
    "EDM",
    "AssumedCovariance",
    "MLPUNet",
    "PreconditionedDenoiser",
    "Preconditioner",
    "Spectral",
    "SpectralSkip",
    "twins",
]
