"""Training: the loop, checkpoints, and the schedule of measurements."""

from scorelens.training.build import build_denoiser, build_loss, build_preconditioner
from scorelens.training.checkpoints import CorruptCheckpoint
from scorelens.training.descent import DescentRecord, descend
from scorelens.training.failure import NonFiniteLoss
from scorelens.training.load import event_shape, load_denoiser, trained_steps
from scorelens.training.loop import train
from scorelens.training.memorization_alarm import MemorizationWarning, OnMemorization
from scorelens.training.schedule import measurement_steps

__all__ = [
    "CorruptCheckpoint",
    "DescentRecord",
    "MemorizationWarning",
    "NonFiniteLoss",
    "OnMemorization",
    "build_denoiser",
    "build_loss",
    "build_preconditioner",
    "descend",
    "event_shape",
    "load_denoiser",
    "measurement_steps",
    "train",
    "trained_steps",
]
