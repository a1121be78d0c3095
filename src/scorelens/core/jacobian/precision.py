"""Evaluating a denoiser in more digits than its weights have, without changing it."""

from __future__ import annotations

import contextlib
import itertools

import torch
from torch import Tensor, nn

from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import undisturbed


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


def without_autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Switches off an autocast that is on around the call; one that is entered inside comes on again.

    >>> with torch.autocast("cpu", torch.bfloat16), without_autocast(torch.device("cpu")):
    ...     (torch.ones(1, 1) @ torch.ones(1, 1)).dtype
    torch.float32
    """
    if not torch.amp.is_autocast_available(device.type):
        return contextlib.nullcontext()
    return torch.autocast(device.type, enabled=False)


def widened(
    denoiser: Denoiser, dtype: torch.dtype, trial: tuple[Tensor, Tensor] | None = None
) -> tuple[Denoiser, str]:
    """The denoiser with every float of fewer bits converted to ``dtype``, and words for what was done.

    The module keeps its own numbers: copies take their place during the call. What is no module, or needs
    nothing, is returned itself with no words. ``trial``, an ``x (b, *event)`` and its noise levels ``(b,)``,
    is called once: where the converted module fails and the module itself does not (it casts its input to
    its own dtype), the module itself is returned.

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

    if trial is not None and not _runs(denoiser, wide, trial) and _runs(denoiser, denoiser, trial):
        return denoiser, f"{' and '.join(names)} weights kept: the module casts its input itself"
    return wide, f"{' and '.join(names)} weights evaluated in {str(dtype).removeprefix('torch.')}"


def _runs(module: Denoiser, evaluated: Denoiser, trial: tuple[Tensor, Tensor]) -> bool:
    with undisturbed(module), without_autocast(trial[0].device):
        try:
            evaluated(*trial)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            return False
    return True


def _floats(denoiser: Denoiser) -> dict[str, Tensor]:
    if not isinstance(denoiser, nn.Module):
        return {}
    held = itertools.chain(denoiser.named_parameters(), denoiser.named_buffers())
    return {name: tensor for name, tensor in held if tensor.is_floating_point()}
