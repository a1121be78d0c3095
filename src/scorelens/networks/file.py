"""A denoiser as one safetensors file that says how to rebuild it; nothing in the file is executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from scorelens.core import checks
from scorelens.networks.mlp_unet import MLPUNet
from scorelens.networks.preconditioned import PreconditionedDenoiser
from scorelens.networks.preconditioners import ALL

_FORMAT = "scorelens-denoiser-1"
_REMEDY = "give a file that scorelens wrote, or an undamaged copy of it"
NETWORKS: dict[str, type[MLPUNet]] = {"mlp-unet": MLPUNet}
_PRECONDITIONERS = {cls.name: cls for cls in ALL}


def encode(denoiser: PreconditionedDenoiser) -> bytes:
    """The file's content: weights, buffers and how to rebuild them.

    Raises ``ValueError`` for a network that is not one of `NETWORKS`.
    """
    network = denoiser.network
    name = next((name for name, cls in NETWORKS.items() if type(network) is cls), None)
    if name is None:
        raise ValueError(
            f"a {type(network).__name__} cannot be rebuilt from a file; use one of {', '.join(NETWORKS)}"
        )
    header = {
        "format": _FORMAT,
        "network": name,
        "settings": json.dumps(network.settings),
        "preconditioner": denoiser.preconditioner.name,
    }
    state = {key: value.detach().contiguous() for key, value in denoiser.state_dict().items()}
    return save(state, metadata=header)


def load(path: str | Path) -> PreconditionedDenoiser:
    """Rebuild the denoiser that `encode` made, on the CPU, in evaluation mode.

    Raises ``ValueError`` naming the file and the remedy if it is missing, truncated or of another kind.
    """
    try:
        state, header = _read(path)
        return _rebuilt(state, header).eval()
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} is not a whole denoiser file ({reason}); {_REMEDY}") from error


def _read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        if header.get("format") != _FORMAT:
            raise ValueError(f"its format is {header.get('format')!r}, not {_FORMAT!r}")
        # Cloned: tensors read from a file lie at addresses on which vectorised sums may round differently.
        return {key: file.get_tensor(key).clone() for key in file.keys()}, header  # noqa: SIM118


def _rebuilt(state: dict[str, Tensor], header: dict[str, str]) -> PreconditionedDenoiser:
    network_class = NETWORKS[checks.choice("network", header["network"], NETWORKS)]
    preconditioner_class = _PRECONDITIONERS[
        checks.choice("preconditioner", header["preconditioner"], _PRECONDITIONERS)
    ]
    settings: dict[str, Any] = json.loads(header["settings"])
    settings["event_shape"] = tuple(settings["event_shape"])
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = network_class(**settings)
    buffers = {k.split(".", 1)[1]: v for k, v in state.items() if k.startswith("preconditioner.")}
    denoiser = PreconditionedDenoiser(network, preconditioner_class(**buffers))
    denoiser.to(next(v for k, v in state.items() if k.startswith("network.")).dtype)
    denoiser.load_state_dict(state)
    return denoiser
