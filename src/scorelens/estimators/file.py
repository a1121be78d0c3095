"""A fitted denoiser as one safetensors file that says how to rebuild it; nothing in the file is executed."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as encode
from torch import Tensor

from scorelens.core import checks, storage
from scorelens.estimators.around_network import AroundNetwork
from scorelens.estimators.base import FittedDenoiser
from scorelens.estimators.members import ALL, AROUND_NETWORKS

_FORMAT = "scorelens-estimator-1"
_REMEDY = "give a file that scorelens.estimators.save wrote, or fit the estimator again"


def save(denoiser: FittedDenoiser, path: str | os.PathLike[str]) -> None:
    """Write ``denoiser`` to ``path``, whole or not at all, with everything needed to rebuild it.

    Raises ``ValueError`` for a denoiser of no registered estimator, and ``OSError`` naming the file.

    >>> import tempfile, torch
    >>> from scorelens.estimators import Gaussian
    >>> path = Path(tempfile.mkdtemp(), "fit.safetensors")
    >>> save(Gaussian().fit(torch.eye(4)), path)
    >>> load(path).event_shape
    (4,)
    """
    checks.choice("fitted denoiser", denoiser.name, _classes())
    state = {name: value.detach().cpu().contiguous().clone() for name, value in denoiser.state_dict().items()}
    header = {
        "format": _FORMAT,
        "name": denoiser.name,
        "event_shape": json.dumps(denoiser.event_shape),
        "facts": json.dumps(denoiser.facts),
    }
    header["checksum"] = _checksum(state, header)
    storage.write_file(Path(path), encode(state, metadata=header))


def load(path: str | os.PathLike[str], network: torch.nn.Module | None = None) -> FittedDenoiser:
    """Rebuild the denoiser that `save` wrote, on the CPU.

    ``network``: for a denoiser that was fitted around one (`TangentDenoiser`), a network of the same
    architecture; its numbers are not used, the file holds them.

    Raises ``ValueError`` naming the file and the remedy if it is missing, damaged or of another kind, and
    if the network is missing, not needed, or another one.

    >>> load("no-such.safetensors")
    Traceback (most recent call last):
    ValueError: no-such.safetensors is not a whole estimator file ...
    """
    with _named(path):
        state, header = _read(path)
        cls = _classes()[checks.choice("fitted denoiser", header["name"], _classes())]
        facts = json.loads(header["facts"])
        arguments = {"event_shape": tuple(json.loads(header["event_shape"])), **state, **facts}
    if issubclass(cls, AroundNetwork):
        if network is None:
            raise ValueError(
                f"{os.fspath(path)} was fitted around a network, whose code no file holds; "
                "give it: load(path, network=...)"
            )
        cls.refuse_another(network, state, facts)
        arguments["network"] = network
    elif network is not None:
        raise ValueError(
            f"{os.fspath(path)} holds a {cls.name} denoiser, which needs no network; leave it out"
        )
    with _named(path):
        return cls(**arguments)


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Whatever goes wrong inside names the file and the remedy."""
    try:
        yield
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{os.fspath(path)} is not a whole estimator file ({reason}); {_REMEDY}") from error


def is_estimator(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is a readable file that `save` wrote (its content may still be damaged).

    >>> is_estimator("no-such.safetensors")
    False
    """
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") == _FORMAT
    except (SafetensorError, OSError):
        return False


def _classes() -> dict[str, type[FittedDenoiser]]:
    return {estimator.fitted.name: estimator.fitted for estimator in (*ALL, *AROUND_NETWORKS)}


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        if header.get("format") != _FORMAT:
            raise ValueError(f"its format is {header.get('format')!r}, not {_FORMAT!r}")
        # Cloned: tensors read from a file lie at addresses on which vectorised sums may round differently.
        state = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
    if header["checksum"] != _checksum(state, header):
        raise ValueError("its content does not match its checksum")
    return state, header


def _checksum(state: dict[str, Tensor], header: dict[str, str]) -> str:
    total = zlib.crc32("".join(header[entry] for entry in ("name", "event_shape", "facts")).encode())
    for name in sorted(state):
        total = zlib.crc32(state[name].numpy().data, zlib.crc32(name.encode(), total))
    return str(total)
