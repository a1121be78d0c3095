"""Why a loss is not finite any more, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from scorelens.training.batches import Batch


class NonFiniteLoss(ArithmeticError):
    """Training met a NaN or an infinity; the message says at which step, why, and what to do."""

    def __init__(self, step: int, cause: str, learning_rate: float, last_good: Path | None) -> None:
        kept = f"the checkpoint {last_good} is good" if last_good else "there was no checkpoint yet"
        super().__init__(
            f"training stopped at step {step}: {cause}; start a new run with a learning rate below "
            f"{learning_rate:g} ({kept})"
        )
        self.step, self.cause = step, cause
        self._given = step, cause, learning_rate, last_good

    def __reduce__(self) -> tuple[type[NonFiniteLoss], tuple[int, str, float, Path | None]]:
        return type(self), self._given  # sent between processes


def diagnose(step: int, batch: Batch, module: nn.Module) -> str:
    """The cause of a non-finite loss at ``step``: the data, an earlier gradient, or the network's output."""
    if not bool(torch.isfinite(batch.x0).all()):
        return "the data of its batch hold a value that is not finite"
    if not weights_finite(module):
        return f"the gradient of step {step - 1} was not finite, and neither are the weights since"
    return "the network's output is not finite"


def weights_finite(module: nn.Module) -> bool:
    """Whether every parameter is finite."""
    return all(bool(torch.isfinite(p).all()) for p in module.parameters())
