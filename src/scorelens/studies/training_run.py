"""Train a model with the instruments watching, in a run folder that can be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scorelens import instruments, training
from scorelens.results import Run
from scorelens.studies.closed_form import foretell, refuse_other_law
from scorelens.studies.configure import changed, configure
from scorelens.studies.folders import folder_to_resume, new_folder
from scorelens.studies.preparation import prepare


def train(
    data: str = "digits",
    *,
    out: Path | str | None = None,
    resume: bool = False,
    quiet: bool = False,
    on_memorization: training.OnMemorization | None = None,
    **options: Any,
) -> Run:
    """Forecast, train and measure; returns the run, without its page.

    ``data`` is a data specification, ``options`` are names of `studies.OPTIONS` and ``seed``. With ``resume``
    the run at ``out`` (or the newest of this data) continues from its last checkpoint, with the options it
    began with. As soon as the model learns its training data by heart, ``on_memorization`` is called with
    the warning, once; without it this is a Python warning.

    Raises ``ValueError`` for bad options or data, before anything is written.
    """
    run = _resumed(data, out, options) if resume else None
    config = run.config if run else configure(data, **options)
    refuse_other_law(config)
    prepared = prepare(config.data, config.seed)
    denoiser = training.build_denoiser(config, prepared.spectrum, prepared.held_out, prepared.train)
    run = run or Run.create(new_folder(data, out), config)
    foretell(run, prepared)
    training.train(
        config,
        run,
        prepared.train,
        denoiser,
        instruments.standard(prepared.train, prepared.held_out, prepared.spectrum, config),
        resume=resume,
        progress=not quiet,
        on_memorization=on_memorization,
    )
    return run


def _resumed(data: str, out: Path | str | None, options: dict[str, Any]) -> Run:
    run = Run.open(folder_to_resume(data, out))
    asked = changed(run.config, data=data, **options)
    if asked != run.config:
        raise ValueError(
            f"the run at {run.path} began with other options; resume it without options, or start a new run"
        )
    return run
