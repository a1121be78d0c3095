"""The forecast alone: what a model will learn and in which order, without training one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scorelens import analysis, instruments, report
from scorelens.analysis.laws import CONFIGURED, ChosenLaw, law_named
from scorelens.core.fourier_spectrum import fourier_spectrum
from scorelens.results import Run, RunConfig
from scorelens.results.options import OPTIONS
from scorelens.studies.configure import configure
from scorelens.studies.folders import new_folder
from scorelens.studies.preparation import Prepared, prepare

_NETWORK_SECTIONS = ("preconditioning", "noise")
_OF_THE_LOSS = ("loss", "objective", "projections")


def forecast(
    data: str = "digits", *, law: str = CONFIGURED, out: Path | str | None = None, **options: Any
) -> Run:
    """Spectrum and closed-form forecast of ``data`` in a run folder with its page; seconds, no training.

    ``law`` is a law with its options, as ``deep:3,tied``; `scorelens.analysis.laws.LAWS` lists them.
    ``options`` are names of `studies.OPTIONS` and ``seed``. Raises ``ValueError`` for bad options or data,
    and for options of a preconditioned network with a law that has none.
    """
    chosen = law_named(law)
    refuse_unused([chosen], options)
    config = configure(data, law=chosen.spec, **options)
    prepared = prepare(config.data, config.seed, chosen.check_data)
    run = Run.create(new_folder(data, out), config)
    foretell(run, prepared)
    report.build(run.path)
    return run


def refuse_unused(laws: Sequence[ChosenLaw], options: dict[str, Any]) -> None:
    """Raise ``ValueError`` for options of the preconditioned network's law where no such law is asked for."""
    if any(law.is_configured for law in laws):
        return
    unused = [
        name for name in options if OPTIONS.get(name, ("",))[0] in _NETWORK_SECTIONS or name in _OF_THE_LOSS
    ]
    if unused:
        raise ValueError(
            f"law {laws[0].spec} has no {', '.join(unused)}; leave that out, or use the law {CONFIGURED}"
        )


def foretell(run: Run, prepared: Prepared) -> None:
    """Store what is known before training: the spectrum, examples of the data, and the forecast."""
    samples = prepared.shrinkage_samples(run.config.preconditioning.shrinkage)
    prepared.spectrum.save(run.spectrum_path)
    run.write_dataset("examples", instruments.examples(prepared.train, run.config))
    fourier = None
    if law_named(run.config.law.spec).named.of_images:
        fourier = fourier_spectrum(prepared.train.blocks, prepared.train.event_shape)
        fourier.save(run.fourier_path)
    known = analysis.forecast(prepared.spectrum, run.config, samples=samples, fourier=fourier)
    run.write_dataset("forecast", known)


def refuse_other_law(config: RunConfig) -> None:
    """Raise ``ValueError`` unless the forecast of ``config`` is that of the network it trains."""
    chosen: ChosenLaw = law_named(config.law.spec)
    if not chosen.is_configured:
        raise ValueError(
            f"law: got {chosen.spec!r}; a network that is trained or measured is compared with the law of "
            f"its own loss, {CONFIGURED!r}; leave the law out, or use scorelens forecast"
        )
