"""Evaluating a denoiser without disturbing it: in batches, without gradients, on its own device."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from scorelens.core.denoiser import Denoiser

#: Numbers in one batch of inputs; a batch holds at least one sample and at most `MAX_ROWS`.
BATCH_ELEMENTS = 2**18
MAX_ROWS = 1024


@contextmanager
def undisturbed(denoiser: Denoiser) -> Iterator[None]:
    """Without gradients and in evaluation mode; every submodule's mode is put back afterwards.

    >>> network = nn.Linear(2, 2).train()
    >>> with undisturbed(network):
    ...     inside = network.training, torch.is_grad_enabled()
    >>> inside, network.training, torch.is_grad_enabled()
    ((False, False), True, True)
    """
    modules = list(denoiser.modules()) if isinstance(denoiser, nn.Module) else []
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        with torch.no_grad():
            yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


def device_of(denoiser: Denoiser) -> torch.device:
    """The device of the denoiser's first parameter or buffer; the CPU if it has none."""
    if isinstance(denoiser, nn.Module):
        for tensor in itertools.chain(denoiser.parameters(), denoiser.buffers()):
            return tensor.device
    return torch.device("cpu")


def batch_rows(event_shape: tuple[int, ...]) -> int:
    """Samples in one batch, so that memory is bounded whatever the event's size.

    >>> batch_rows((1, 8, 8)), batch_rows((3, 32, 32))
    (1024, 85)
    """
    return int(np.clip(BATCH_ELEMENTS // max(int(np.prod(event_shape)), 1), 1, MAX_ROWS))


def generator(seed: int, *names: str | int) -> torch.Generator:
    """A CPU generator of its own for the stream ``names`` of ``seed``: equal arguments, equal draws.

    >>> a, b = (torch.randn(2, generator=generator(0, "probe", 3)) for _ in range(2))
    >>> bool((a == b).all())
    True
    """
    return torch.Generator().manual_seed(stream_seed(seed, *names))


def stream_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on all of ``seed`` and ``names``."""
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in names]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def normal_batches(n: int, event_shape: tuple[int, ...], draws: torch.Generator) -> Iterator[Tensor]:
    """Standard normal float32 tensors on the CPU, ``n`` events in all; the first ``m`` never depend on ``n``.

    >>> few, more = (list(normal_batches(n, (2,), generator(0))) for n in (3, 5))
    >>> bool((few[0] == more[0][:3]).all())
    True
    """
    rows = batch_rows(event_shape)
    for start in range(0, n, rows):
        # Whole batches are drawn and cut, because torch's draws depend on the size of the tensor.
        yield torch.randn((rows, *event_shape), generator=draws)[: n - start]


def finite(output: Tensor, what: str) -> Tensor:
    """``output`` itself; raises ``ValueError`` if it holds a NaN or an infinity."""
    if not bool(torch.isfinite(output).all()):
        raise ValueError(
            f"{what} is not finite: the denoiser has diverged; measure an earlier checkpoint, "
            "or train with a smaller learning rate"
        )
    return output


def denoised(denoiser: Denoiser, x: Tensor, sigma: float) -> Tensor:
    """``denoiser(x, sigma)`` of a CPU batch ``(b, *event)``: on the denoiser's device, back in float32.

    Raises ``ValueError`` if the output is not finite.
    """
    output = denoiser(x.to(device_of(denoiser)), sigma)
    return finite(output, f"the denoiser's output at sigma {sigma:g}").to("cpu", torch.float32)
