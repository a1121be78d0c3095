"""Measure a trained model against data: what has it learned?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scorelens import instruments, report, training
from scorelens.results import Run, RunConfig
from scorelens.studies.closed_form import foretell, refuse_other_law
from scorelens.studies.configure import changed
from scorelens.studies.folders import new_folder
from scorelens.studies.preparation import prepare


def measure(model: Path | str, data: str, *, out: Path | str | None = None, **options: Any) -> Run:
    """Every instrument on the model at ``model`` and ``data``.

    ``model`` is a run, a checkpoint, or the ``.safetensors`` file of a model or a fitted estimator. The run
    that is written holds the measurement at the model's step, and its page. The model's own configuration
    counts where it lies in a run folder; ``options`` (names of `studies.OPTIONS`) change it.

    Raises ``ValueError`` for bad options, data or files, or data of another shape than the model's.
    """
    denoiser = training.load_denoiser(model)
    config = changed(configuration_of(Path(model)), data=data, **options)
    refuse_other_law(config)
    prepared = prepare(config.data, config.seed)
    made_for = training.event_shape(denoiser)
    if made_for != prepared.train.event_shape:
        raise ValueError(
            f"{model} was made for samples of shape {made_for}, {data} has {prepared.train.event_shape}; "
            "give data of the model's shape"
        )
    watching = instruments.standard(prepared.train, prepared.held_out, prepared.spectrum, config)
    measured = instruments.measure_all(watching, denoiser)
    run = Run.create(new_folder(f"{data}-measured", out), config)
    run.record_environment(model=str(model))
    foretell(run, prepared)
    run.write_measurement(training.trained_steps(model), measured)
    report.build(run.path)
    return run


def configuration_of(model: Path) -> RunConfig:
    """That of the run the model lies in, or the default one for a model from elsewhere."""
    for folder in (model, *model.resolve().parents):
        if (folder / "config.json").is_file() and (folder / "checkpoints").is_dir():
            return Run.open(folder).config
    return RunConfig()
