"""Several processes on one task, as `torchrun` or `accelerate launch` start them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.distributed
from accelerate import PartialState


@contextmanager
def joined() -> Iterator[bool]:
    """Join the other processes, if there are any; yields whether this one writes and speaks.

    The others keep their warnings to themselves. Outside a launcher nothing is joined.

    >>> with joined() as first:
    ...     first
    True
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield True
        return
    before = torch.distributed.is_initialized()
    state = PartialState(cpu=not torch.cuda.is_available())
    try:
        with warnings.catch_warnings():
            if not state.is_main_process:
                warnings.simplefilter("ignore")
            yield state.is_main_process
    finally:
        if not before:
            state.destroy_process_group()


def from_first(values: np.ndarray) -> np.ndarray:
    """``values`` of the first process, on all; every process calls it with an array of that shape and dtype.

    >>> from_first(np.ones(2))
    array([1., 1.])
    """
    if not torch.distributed.is_initialized():
        return values
    device = torch.device("cuda" if torch.distributed.get_backend() == "nccl" else "cpu")
    shared = torch.from_numpy(np.ascontiguousarray(values)).to(device)
    torch.distributed.broadcast(shared, 0)
    return shared.cpu().numpy()
