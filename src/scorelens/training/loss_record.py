"""The training loss between two measurements, and whether it stayed finite."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import final

import torch
import xarray as xr
from torch import Tensor

NAME = "training_loss"


@final
class LossRecord:
    """Mean and spread of the batch losses since the last measurement.

    Losses stay on their device until `flush`, so that an accelerator is not stalled at every step;
    ``gather`` turns the losses of one process, shape ``(n,)``, into those of the whole batches.
    """

    def __init__(self, gather: Callable[[Tensor], Tensor]) -> None:
        self._gather = gather
        self._pending: list[Tensor] = []
        self.latest = math.nan
        self.restore({"n_steps": 0, "sum": 0.0, "sum_of_squares": 0.0})

    @property
    def n_pending(self) -> int:
        """Number of losses not yet looked at."""
        return len(self._pending)

    @property
    def state(self) -> dict[str, float]:
        """What `restore` takes."""
        return {"n_steps": self._n_steps, "sum": self._sum, "sum_of_squares": self._sum_of_squares}

    def restore(self, state: dict[str, float]) -> None:
        """Go on from the ``state`` of another record."""
        self._n_steps = int(state["n_steps"])
        self._sum, self._sum_of_squares = state["sum"], state["sum_of_squares"]

    def add(self, loss: Tensor) -> None:
        """Take the scalar loss of one step."""
        self._pending.append(loss.detach())

    def flush(self) -> int | None:
        """Look at the pending losses; returns how many steps ago the first non-finite one was (1 = last)."""
        if not self._pending:
            return None
        losses = self._gather(torch.stack(self._pending)).tolist()
        self._pending.clear()
        for i, loss in enumerate(losses):
            self.latest = loss
            if not math.isfinite(loss):
                return len(losses) - i
            self._n_steps += 1
            self._sum += loss
            self._sum_of_squares += loss * loss
        return None

    def take(self) -> xr.Dataset | None:
        """The record as a labelled Dataset, and begin anew; ``None`` if there was no step."""
        if self._n_steps == 0:
            return None
        mean = self._sum / self._n_steps
        spread = math.sqrt(max(self._sum_of_squares / self._n_steps - mean**2, 0.0))
        dataset = xr.Dataset(
            {
                "mean_loss": ((), mean, _words("mean training loss since the measurement before")),
                "standard_deviation": ((), spread, _words("standard deviation of the loss over these steps")),
                "n_steps": ((), self._n_steps, _words("number of these steps")),
            }
        )
        self.restore({"n_steps": 0, "sum": 0.0, "sum_of_squares": 0.0})
        return dataset


def _words(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, "units": "1"}
