"""Training: the loop, checkpoints, the schedule of measurements, and ensembles of small networks."""

from scorelens.training.build import build_denoiser, build_loss, build_preconditioner
from scorelens.training.checkpoints import CorruptCheckpoint
from scorelens.training.descent import DescentRecord, descend
from scorelens.training.ensemble import DenoiserEnsemble, NetworkFit, network_ensemble, small_network
from scorelens.training.failure import NonFiniteLoss
from scorelens.training.load import LoadedDenoiser, event_shape, load_denoiser, trained_steps
from scorelens.training.loop import train
from scorelens.training.memorization_alarm import MemorizationWarning, OnMemorization
from scorelens.training.processes import from_first, joined
from scorelens.training.schedule import measurement_steps

__all__ = [
    "CorruptCheckpoint",
    "DenoiserEnsemble",
    "DescentRecord",
    "LoadedDenoiser",
    "MemorizationWarning",
    "NetworkFit",
    "NonFiniteLoss",
    "OnMemorization",
    "build_denoiser",
    "build_loss",
    "build_preconditioner",
    "descend",
    "event_shape",
    "from_first",
    "joined",
    "load_denoiser",
    "measurement_steps",
    "network_ensemble",
    "small_network",
    "train",
    "trained_steps",
]
