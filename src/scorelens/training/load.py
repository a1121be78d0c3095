"""From what training stored back to a denoiser."""

from __future__ import annotations

from pathlib import Path

from scorelens import estimators
from scorelens.estimators import FittedDenoiser
from scorelens.networks import PreconditionedDenoiser
from scorelens.networks import file as denoiser_file
from scorelens.results import Run, is_estimation, kind_of, refuse_unfinished
from scorelens.results.result_folder import with_article
from scorelens.training import checkpoints

LoadedDenoiser = PreconditionedDenoiser | FittedDenoiser
"""What a file of a denoiser holds: a trained network, or a fitted estimator."""


def load_denoiser(path: str | Path) -> LoadedDenoiser:
    """The denoiser of a run folder, a checkpoint folder or a ``.safetensors`` file, on the CPU, evaluating.

    A run gives its latest undamaged checkpoint, a checkpoint its averaged weights if it has them; a file may
    also be that of a fitted estimator. Nothing in a file is executed. Raises ``ValueError`` naming the file
    and the remedy.
    """
    path = _checkpoint(Path(path))
    refuse_unfinished(path)
    if is_estimation(path):
        found = ", ".join(sorted(file.name for file in path.glob("*.safetensors") if file.stem != "spectrum"))
        raise ValueError(f"{path} holds estimators; give the file of one: {found}")
    kind = kind_of(path)
    if kind is not None:
        raise ValueError(
            f"{path} is the folder of {with_article(kind.noun)}; give a run, a checkpoint or a model's file"
        )
    if path.is_dir():
        checksums = checkpoints.verified_state(path)["checksums"]
        name = checkpoints.EMA if checkpoints.EMA in checksums else checkpoints.MODEL
        return denoiser_file.load(path / name)
    if not path.is_file():
        raise ValueError(f"{path} does not exist; give a run folder, a checkpoint folder or a file")
    return estimators.load(path) if estimators.is_estimator(path) else denoiser_file.load(path)


def event_shape(denoiser: LoadedDenoiser) -> tuple[int, ...]:
    """Shape of the samples that a loaded denoiser was made for."""
    made_by = denoiser if isinstance(denoiser, FittedDenoiser) else denoiser.network
    return tuple(made_by.event_shape)  # pyright: ignore[reportArgumentType]


def trained_steps(path: str | Path) -> int:
    """Steps that the denoiser at ``path`` (as `load_denoiser` takes it) was trained for.

    A file knows them while it lies in its checkpoint folder; 0 for a file that was taken out of it.
    Raises ``ValueError`` naming the file and the remedy.
    """
    path = _checkpoint(Path(path))
    folder = path if path.is_dir() else path.parent
    known = path.is_dir() or (folder / checkpoints.STATE).is_file()
    return checkpoints.verified_state(folder)["step"] if known else 0


def _checkpoint(path: Path) -> Path:
    """The latest undamaged checkpoint if ``path`` is a run folder, else ``path``."""
    if not (path / "config.json").is_file():
        return path
    folder = checkpoints.newest_good(Run.open(path))
    if folder is None:
        raise ValueError(f"{path} holds no undamaged checkpoint; train it, or continue with --resume")
    return folder
