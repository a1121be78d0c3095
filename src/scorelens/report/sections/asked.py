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


LOSSES = {
    "pixel": "EDM's weight",
    "target": "every mode weighed alike",
    "x0": "squared error of the clean data",
    "noise": "squared error of the noise",
    "v": "squared error of v",
    "velocity": "squared error of the velocity",
    "score": "squared error of the score",
    "likelihood": "likelihood weight",
}


def asked(evidence: Evidence) -> Section:
    """The section that says with which data, model, training and machine the numbers were made."""
    config = evidence.config
    asked_for = _law(evidence) if evidence.is_forecast else [*_model(config), *_training(config)]
    rows = [*_data(evidence), *asked_for, *_machine(evidence.environment)]
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


def _law(evidence: Evidence) -> list[tuple[str, str]]:
    """What a forecast alone was asked: its law, and for that of a configured network what counts of it."""
    config = evidence.config
    rows = [("learning law", config.law.spec), *law_rows(evidence)]
    if evidence.forecast is None or "assumed_variance" in evidence.forecast:
        rows += [_preconditioning(config), _loss(config), _noise(config)]
    exact = evidence.forecast is not None and evidence.forecast.attrs.get("sampler") == "exact"
    sampler = ("sampler", f"the exact probability-flow ODE, {_span(config)}") if exact else _sampler(config)
    return [*rows, sampler, ("seed", str(config.seed))]


def law_rows(evidence: Evidence) -> list[tuple[str, str]]:
    """What the law of the forecast is and assumes, as the forecast itself says it."""
    facts = {} if evidence.forecast is None else evidence.forecast.attrs
    names = {
        "law_means": "it describes",
        "notes": "it assumes",
        "law_clock": "dose",
        "law_equation": "equations",
        "law_reference": "source",
    }
    return [(label, str(facts[name])) for name, label in names.items() if name in facts]


def _model(config: RunConfig) -> list[tuple[str, str]]:
    network = config.network
    return [
        ("network", f"{network.name}, width {network.width}, depth {network.depth}"),
        _preconditioning(config),
    ]


def _training(config: RunConfig) -> list[tuple[str, str]]:
    training = config.training
    return [
        (
            "training",
            f"{text(training.steps)} steps of {training.batch_size} samples, Adam, learning rate "
            f"{training.learning_rate:g}",
        ),
        _loss(config),
        _noise(config),
        _sampler(config),
        ("seed", str(config.seed)),
    ]


def _preconditioning(config: RunConfig) -> tuple[str, str]:
    assumed = config.preconditioning.sigma_data
    scale = "from the data" if assumed is None else f"{assumed:g}"
    return "preconditioning", f"{PRECONDITIONERS[config.preconditioning.name]}; σ_data {scale}"


def _loss(config: RunConfig) -> tuple[str, str]:
    objective = config.training.objective
    if objective == "flow-matching":
        return "objective", objective
    matching = "denoising loss" if objective == "denoising" else f"{objective} score matching"
    return "loss" if objective == "denoising" else "objective", f"{matching}, {LOSSES[config.training.loss]}"


def _noise(config: RunConfig) -> tuple[str, str]:
    noise, name = config.noise, config.effective_noise
    if name == "lognormal":
        return "noise in training", f"{name}, P_mean {noise.p_mean:g}, P_std {noise.p_std:g}"
    if name == "flow-time":
        return "noise in training", "uniform in the time of the flow"
    return "noise in training", f"{name}, {_span(config)}"


def _sampler(config: RunConfig) -> tuple[str, str]:
    return "sampler", f"Heun, {config.sampler.n_sigmas} levels, {_span(config)}"


def _span(config: RunConfig) -> str:
    return f"σ from {config.sampler.sigma_max:g} down to {config.sampler.sigma_min:g}"


def _machine(environment: Any) -> list[tuple[str, str]]:
    rows = [
        (name, environment.get(name))
        for name in ("device", "threads", "precision", "system", "machine", "cpus")
    ]
    return [(name, text(value)) for name, value in rows if value is not None]
