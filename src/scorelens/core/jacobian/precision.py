"""Evaluating a denoiser in more digits than its weights have, without changing it."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from scorelens.core.denoiser import Denoiser


def working_dtype(denoiser: Denoiser, x: Tensor) -> torch.dtype:
    """The dtype to differentiate in: float64 if all the denoiser holds is float64, else float32 at least.

    A denoiser that holds no numbers is evaluated in the dtype of ``x``, float32 at least.

    >>> working_dtype(nn.Linear(2, 2).half(), torch.zeros(1, 2))
    torch.float32
    >>> working_dtype(nn.Tanh(), torch.zeros(1, 2).double())
    torch.float64
    """
    held = {tensor.dtype for tensor in _floats(denoiser).values()}
    if not held:
        return torch.promote_types(x.dtype, torch.float32)
    return torch.float64 if held == {torch.float64} else torch.float32


def widened(denoiser: Denoiser, dtype: torch.dtype) -> tuple[Denoiser, str]:
    """The denoiser with every float of fewer bits converted to ``dtype``, and words for what was done.

    The module keeps its own numbers: copies take their place during the call. What is no module, or needs
    nothing, is returned itself with no words.

    >>> network = nn.Linear(2, 2).half()
    >>> wide, words = widened(network, torch.float32)
    >>> wide(torch.zeros(1, 2)).dtype, words, network.weight.dtype
    (torch.float32, 'float16 weights evaluated in float32', torch.float16)
    """
    bits = torch.finfo(dtype).bits
    narrow = {name: held for name, held in _floats(denoiser).items() if torch.finfo(held.dtype).bits < bits}
    if not narrow or not isinstance(denoiser, nn.Module):
        return denoiser, ""
    copies = {name: held.detach().to(dtype) for name, held in narrow.items()}
    names = sorted({str(held.dtype).removeprefix("torch.") for held in narrow.values()})

    def wide(*arguments: object) -> Tensor:
        return torch.func.functional_call(denoiser, copies, arguments)

    return wide, f"{' and '.join(names)} weights evaluated in {str(dtype).removeprefix('torch.')}"


def _floats(denoiser: Denoiser) -> dict[str, Tensor]:
    if not isinstance(denoiser, nn.Module):
        return {}
    held = itertools.chain(denoiser.named_parameters(), denoiser.named_buffers())
    return {name: tensor for name, tensor in held if tensor.is_floating_point()}
