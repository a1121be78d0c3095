"""Closed-form score estimators of one data set: fitted, kept, measured against floors and each other."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from scorelens import report
from scorelens.analysis.named_estimators import DEFAULT, About, ChosenEstimator, estimators_named
from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.results import EstimateConfig, Estimation, refuse_unfinished
from scorelens.results.dataset_store import require_empty
from scorelens.results.options import OPTIONS
from scorelens.studies.configure import configure
from scorelens.studies.estimator_fits import FAILURES, Fitted, fit_all, reason
from scorelens.studies.estimator_measurement import Measurement
from scorelens.studies.estimator_progress import EstimateProgress
from scorelens.studies.estimator_views import views
from scorelens.studies.folders import new_folder, slug
from scorelens.studies.preparation import Prepared, spectrum_of, split

#: Sections of a run's configuration that an estimate has too.
SECTIONS = ("data", "sampler")
#: The data's standard deviation should be this many times inside of the range of noise levels.
WITHIN = 5.0


def estimate(
    data: str = "digits",
    estimators: str | Sequence[str] = DEFAULT,
    *,
    out: Path | str | None = None,
    quiet: bool = False,
    **options: Any,
) -> Estimation:
    """Fit ``estimators`` to ``data``, save and measure each, sample from it, and write the page.

    ``estimators`` are written as `scorelens.analysis.named_estimators.ESTIMATORS` says, in a list or
    separated by commas; ``options`` are those names of `studies.OPTIONS` that concern data and sampler, and
    ``seed``. Unless ``quiet``, standard error says how long each step of each estimator took. An estimator
    that cannot be fitted is named with its reason (here as a ``UserWarning``, and on the page) while the
    others go on.

    Raises ``ValueError`` for bad input before any work, and if not one estimator can be fitted.

    >>> found = estimate("moons", "gaussian,gmm:10", out="runs/two")  # doctest: +SKIP
    >>> found.report_path  # doctest: +SKIP
    PosixPath('runs/two/report.html')
    """
    chosen = estimators_named(estimators if isinstance(estimators, str) else list(estimators))
    config = _configured(data, chosen, options)
    folder = new_folder(f"estimate-{slug(data)}", out)
    refuse_unfinished(folder)
    require_empty(folder)
    prepared = _prepared(config, chosen)
    about = _about(prepared, config.seed)
    _warn_of_scale(about.scale, config)
    progress = EstimateProgress(shown=not quiet)
    fitted = fit_all(chosen, prepared.train[:], about, folder, progress)
    solved_by = {one.spec: one.solved_by or "" for one in chosen}
    made = _measured(config, folder, prepared, fitted, solved_by, progress)
    report.build_estimation(made.path)
    return made


def _configured(data: str, chosen: Sequence[ChosenEstimator], options: dict[str, Any]) -> EstimateConfig:
    allowed = [name for name, (section, _) in OPTIONS.items() if section in SECTIONS]
    for name in options:
        checks.choice("option of an estimate", name, [*allowed, "seed"])
    run = configure(data, **options)
    return EstimateConfig(
        estimators=tuple(one.spec for one in chosen),
        seed=run.seed,
        data=run.data,
        sampler=run.sampler,
        measurement=run.measurement,
    )


def _prepared(config: EstimateConfig, chosen: Sequence[ChosenEstimator]) -> Prepared:
    """The data, once every estimator has agreed to take them."""
    train, held_out = split(config.data, config.seed)
    about = About(train.event_shape, len(train), seed=config.seed)
    for one in chosen:
        one.check_data(about)
    return Prepared(train, held_out, spectrum_of(train, config.data))


def _about(prepared: Prepared, seed: int) -> About:
    scale = math.sqrt(prepared.spectrum.total_variance / prepared.train.dim)
    return About(prepared.train.event_shape, len(prepared.train), scale, seed)


def _warn_of_scale(scale: float, config: EstimateConfig) -> None:
    """Say so if the noise levels, which do not follow the data, hardly reach above or below their scale."""
    least, most = config.sampler.sigma_min, config.sampler.sigma_max
    if 0 < scale < WITHIN * least or scale > most / WITHIN:
        warnings.warn(
            f"the noise levels, {least:g} to {most:g}, do not suit data of standard deviation {scale:.2g}; "
            "rescale the data, or set sigma_min and sigma_max (--sigma-min, --sigma-max) around it",
            UserWarning,
            stacklevel=3,
        )


def _measured(
    config: EstimateConfig,
    folder: Path,
    prepared: Prepared,
    fitted: Sequence[Fitted],
    solved_by: Mapping[str, str],
    progress: EstimateProgress,
) -> Estimation:
    measurement = Measurement.of(prepared, config.run)
    fits, errors, samples = [], {}, {}
    for one in fitted:
        problems = [one.fit.problem]
        if one.denoiser is not None:
            measured = _kept(one, ("measuring", "measured"), measurement.errors, errors, progress)
            sampled = _kept(one, ("sampling", "sampled from"), measurement.samples, samples, progress)
            problems += [measured, sampled]
        fits.append(one.fit.model_copy(update={"problem": "; ".join(filter(None, problems))}))
    if not errors:
        raise ValueError(f"no estimator could be measured: {'; '.join(fit.problem for fit in fits)}")
    datasets: dict[str, Any] = {
        "explained": measurement.explained(errors),
        "data_examples": measurement.examples,
    }
    if samples:
        datasets["samples"] = xr.concat(
            list(samples.values()), dim=xr.IndexVariable("estimator", list(samples)), combine_attrs="override"
        )
    denoisers = {one.fit.spec: one.denoiser for one in fitted if one.fit.spec in errors}
    datasets |= views(denoisers, prepared.train, solved_by)  # pyright: ignore[reportArgumentType]
    _warn_of_unbounded(datasets)
    return Estimation.create(
        folder,
        datasets,
        spectrum=prepared.spectrum,
        config=config,
        sigmas=measurement.sigmas.tolist(),
        fits=fits,
    )


def _warn_of_unbounded(datasets: Mapping[str, Any]) -> None:
    """Say which estimators minimised a loss that has no minimum ([S8])."""
    for name, bounded in _solved(datasets):
        if not bounded.all():
            warnings.warn(
                f"the loss of estimator {name} has no minimum at {int((~bounded).sum())} of {len(bounded)} "
                "noise levels looked at: its solver alone decides how far it goes; take matching=denoising",
                UserWarning,
                stacklevel=4,
            )


def _solved(datasets: Mapping[str, Any]) -> list[tuple[str, np.ndarray]]:
    if "normal_spectrum" not in datasets:
        return []
    bounded = datasets["normal_spectrum"]["bounded"]
    return [(str(name), bounded.sel(estimator=name).values) for name in bounded["estimator"].values]


def _kept(
    one: Fitted,
    words: tuple[str, str],
    measure: Callable[[Denoiser], Any],
    found: dict[str, Any],
    progress: EstimateProgress,
) -> str:
    """Put what ``measure`` finds in ``found``; if it fails, warn and return why."""
    try:
        with progress.step(one.fit.spec, *words):
            found[one.fit.spec] = measure(one.denoiser)  # pyright: ignore[reportArgumentType]
    except FAILURES as error:
        problem = f"could not be {words[1]}: {reason(error).partition(':')[0]}"
        warnings.warn(f"estimator {one.fit.spec} {problem}", UserWarning, stacklevel=2)
        return problem
    return ""
