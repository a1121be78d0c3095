"""What was asked: the configuration of the run, in words."""

from __future__ import annotations

from typing import Any

from scorelens.report.evidence import Evidence
from scorelens.report.panel import Section
from scorelens.report.table import Table, text
from scorelens.results import RunConfig

PRECONDITIONERS = {
    "edm": "EDM: one scalar per noise level",
    "spectral": "spectral: operators of the data's covariance",
    "spectral-skip": "spectral skip: the data's covariance in the skip, scalars elsewhere",
}


LOSSES = {"pixel": "denoising loss with EDM's weight", "target": "denoising loss, every mode weighed alike"}


def asked(evidence: Evidence) -> Section:
    """The section that says with which data, model, training and machine the numbers were made."""
    rows = [*_data(evidence), *_model(evidence.config), *_training(evidence), *_machine(evidence.environment)]
    return Section(
        name="asked",
        short_title="Asked",
        title="What was asked",
        lead="Everything here was made from these settings; the run folder's config.json holds all of them.",
        tables=(Table("Settings of the run", ("setting", "value"), tuple(rows)),),
    )


def _data(evidence: Evidence) -> list[tuple[str, str]]:
    config, spectrum = evidence.config.data, evidence.spectrum
    rows = [("data", config.spec)]
    if spectrum is not None:
        shape = " × ".join(map(str, spectrum.event_shape))
        form = f" ({shape})" if len(spectrum.event_shape) > 1 else ""
        rows += [
            ("training samples", f"{text(spectrum.n_samples)} ({config.held_out:.0%} of the data held out)"),
            ("one sample", f"{text(spectrum.dim)} numbers{form}"),
            ("modes followed", f"{text(spectrum.n_modes)} of {text(spectrum.dim)}"),
        ]
    return rows


def _model(config: RunConfig) -> list[tuple[str, str]]:
    network, preconditioning = config.network, config.preconditioning
    assumed = preconditioning.sigma_data
    scale = "from the data" if assumed is None else f"{assumed:g}"
    return [
        ("network", f"{network.name}, width {network.width}, depth {network.depth}"),
        ("preconditioning", f"{PRECONDITIONERS[preconditioning.name]}; σ_data {scale}"),
    ]


def _training(evidence: Evidence) -> list[tuple[str, str]]:
    config = evidence.config
    training, noise, sampler = config.training, config.noise, config.sampler
    law = f"{noise.name}, P_mean {noise.p_mean:g}, P_std {noise.p_std:g}"
    span = f"σ from {sampler.sigma_max:g} down to {sampler.sigma_min:g}"
    return [
        (
            "training",
            f"{text(training.steps)} steps of {training.batch_size} samples, Adam, learning rate "
            f"{training.learning_rate:g}",
        ),
        ("loss", LOSSES[training.loss]),
        ("noise in training", law if noise.name == "lognormal" else f"{noise.name}, {span}"),
        ("sampler", f"Heun, {sampler.n_sigmas} levels, {span}"),
        ("seed", str(config.seed)),
    ]


def _machine(environment: Any) -> list[tuple[str, str]]:
    rows = [
        (name, environment.get(name))
        for name in ("device", "threads", "precision", "system", "machine", "cpus")
    ]
    return [(name, text(value)) for name, value in rows if value is not None]
