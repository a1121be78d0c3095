"""Checkpoints: safetensors and JSON (nothing that could run code), whole or absent, sealed by checksums."""

from __future__ import annotations

import json
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from safetensors.torch import load_file
from safetensors.torch import save as encode
from torch import Tensor

from scorelens.core import storage
from scorelens.networks import PreconditionedDenoiser
from scorelens.networks import file as denoiser_file
from scorelens.results import Run

MODEL, EMA, OPTIMIZER, STATE = "model.safetensors", "ema.safetensors", "optimizer.safetensors", "state.json"


class CorruptCheckpoint(ValueError):
    """A checkpoint is damaged or incomplete; the message names the file and the remedy."""

    def __init__(self, file: Path, found: str) -> None:
        super().__init__(f"{file}: {found}; delete {file.parent} and continue with --resume")
        self.path = file


@final
@dataclass(frozen=True)
class Checkpoint:
    """What training needs to go on from ``step`` as if it had never stopped."""

    step: int
    denoiser: PreconditionedDenoiser
    ema: PreconditionedDenoiser | None
    optimizer: dict[str, Tensor]
    loss_record: dict[str, float]


def save(run: Run, checkpoint: Checkpoint, *, keep: int) -> None:
    """Store a checkpoint by one rename, then delete all but the latest ``keep``. Raises `StorageError`."""
    files = {MODEL: denoiser_file.encode(checkpoint.denoiser), OPTIMIZER: encode(checkpoint.optimizer)}
    if checkpoint.ema is not None:
        files[EMA] = denoiser_file.encode(checkpoint.ema)
    state = {
        "step": checkpoint.step,
        "loss_record": checkpoint.loss_record,
        "checksums": {name: _checksum(content) for name, content in files.items()},
    }
    files[STATE] = json.dumps({"state": state, "checksum": _state_checksum(state)}, indent=1).encode()
    storage.write_folder(run.checkpoint_path(checkpoint.step), files)
    for step in run.checkpoints[:-keep]:
        storage.remove(run.checkpoint_path(step))


def load(folder: Path) -> Checkpoint:
    """Read a checkpoint folder. Raises `CorruptCheckpoint` naming the damaged file and the remedy."""
    state = verified_state(folder)
    return Checkpoint(
        step=state["step"],
        denoiser=denoiser_file.load(folder / MODEL),
        ema=denoiser_file.load(folder / EMA) if EMA in state["checksums"] else None,
        # Cloned: a tensor inside a file's bytes lies at an address on which sums may round differently.
        optimizer={key: value.clone() for key, value in load_file(folder / OPTIMIZER).items()},
        loss_record=state["loss_record"],
    )


def newest_good(run: Run) -> Path | None:
    """The latest undamaged checkpoint folder of ``run``; damaged ones are passed over with a warning."""
    for step in reversed(run.checkpoints):
        folder = run.checkpoint_path(step)
        try:
            verified_state(folder)
        except CorruptCheckpoint as error:
            warnings.warn(f"passed over a checkpoint: {error}", RuntimeWarning, stacklevel=2)
        else:
            return folder
    return None


def verified_state(folder: Path) -> dict[str, Any]:
    """The parsed ``state.json`` of a checkpoint all of whose files match their checksums."""
    file = folder / STATE
    try:
        stored = json.loads(file.read_bytes())
        state, expected = stored["state"], stored["checksum"]
    except OSError as error:
        raise CorruptCheckpoint(file, "is missing or cannot be read") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptCheckpoint(file, "is not a complete checkpoint state") from error
    if _state_checksum(state) != expected:
        raise CorruptCheckpoint(file, "is damaged (its checksum does not match)")
    for name, expected in state["checksums"].items():
        if not (folder / name).is_file():
            raise CorruptCheckpoint(folder / name, "is missing")
        if _checksum((folder / name).read_bytes()) != expected:
            raise CorruptCheckpoint(folder / name, "is truncated or damaged (its checksum does not match)")
    return state


def flat_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's per-parameter state as named tensors, ``<parameter index>.<name>``."""
    state = optimizer.state_dict()["state"]
    return {
        f"{i}.{name}": torch.as_tensor(value) for i, item in state.items() for name, value in item.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, flat: dict[str, Tensor]) -> None:
    """Put back what `flat_optimizer` took out."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _state_checksum(state: dict[str, Any]) -> str:
    return _checksum(json.dumps(state, sort_keys=True).encode())


def _checksum(content: bytes) -> str:
    return f"{len(content)}-{zlib.crc32(content):08x}"
