"""The local geometry of a stored model at held-out events, on one page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
import xarray as xr

from scorelens import instruments, report, training
from scorelens.analysis.geometry_words import geometry_remarks
from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import stream_seed
from scorelens.instruments.dimension_levels import dimension_over_levels, dimension_sigmas
from scorelens.instruments.held_out_likelihood import held_out_likelihood
from scorelens.instruments.posterior_walks import posterior_walks
from scorelens.instruments.probes import Probes
from scorelens.instruments.risk_levels import risk_over_levels
from scorelens.results import LocalGeometry, RunConfig
from scorelens.results.dataset_store import require_empty
from scorelens.results.local_geometry import EVENTS, MODES, POINTS
from scorelens.studies.checkpoint_measurement import configuration_of
from scorelens.studies.configure import changed
from scorelens.studies.folders import new_folder, slug
from scorelens.studies.preparation import Prepared, prepare

#: Random products with the Jacobian that judge what eigenpairs leave out.
TRACE_PROBES = 16
#: Noise levels unless told otherwise, in units of the data's scale.
LEVELS = (0.1, 0.5, 2.0)


def geometry(
    given: str | Path,
    data: str,
    *,
    sigma: Sequence[float] | None = None,
    points: int = POINTS,
    modes: int | None = None,
    events: int = EVENTS,
    likelihood: int = 0,
    out: Path | str | None = None,
    **options: Any,
) -> LocalGeometry:
    """Look at the Jacobian of the model ``given`` at held-out events of ``data``, and write the page.

    ``given`` is a run, a checkpoint, or the file of a model or a fitted estimator. At ``points`` events and
    each of ``sigma`` (data units; 0.1, 0.5 and 2 times the data's scale unless given) the leading ``modes``
    eigenpairs are found (12, or all if there are fewer), with the posterior along them, effective ranks and
    local dimension; the risk is estimated on ``events`` held-out events, with and without their clean
    versions. ``likelihood``: of so many events the likelihood is computed, too (0: none). ``options`` are
    ``samples``, ``held_out`` and ``seed``; a run knows its own.

    Raises ``ValueError`` for bad input before any work.

    >>> found = geometry("runs/digits", "digits", sigma=[0.1, 0.5, 2])  # doctest: +SKIP
    >>> found.store.read("geometry")["eigenvalue"]  # doctest: +SKIP
    """
    _check_counts(points, events, likelihood)
    if sigma is not None:
        _check_levels(sigma)
    denoiser = training.load_denoiser(given)
    folder = new_folder(f"geometry-{slug(str(given))}", out)
    require_empty(folder)
    config = changed(configuration_of(Path(given)), data=data, **options)
    made_for = training.event_shape(denoiser)
    _check_modes(modes, math.prod(made_for))
    prepared = _prepared(config, given, made_for)
    scale = _scale(prepared)
    levels = LEVELS if sigma is None else sigma
    sigmas = np.unique([float(f"{s * scale:.2g}") if sigma is None else float(s) for s in levels])
    checks.positive("sigma", sigmas, "the data do not vary; name noise levels")
    count = min(points, len(prepared.held_out))
    kept = min(MODES, math.prod(made_for)) if modes is None else modes
    found = _measured(denoiser, prepared, Asked(sigmas, count, kept, events, likelihood, config.seed))
    found["examples"] = instruments.examples(prepared.train, config)
    made = LocalGeometry.create(
        folder,
        found,
        given=str(given),
        data=str(data),
        options=options,
        sigma=tuple(sigmas.tolist()),
        sigma_given=sigma is not None,
        points=count,
        modes=kept,
        events=found["risk"].attrs["n_events"],
        likelihood=found["likelihood"].sizes["event"] if likelihood else 0,
        seed=config.seed,
        dim=math.prod(made_for),
        scale=scale,
        remarks=geometry_remarks(found["geometry"], found["risk"]),
    )
    report.build_geometry(made.path)
    return made


@final
@dataclass(frozen=True, eq=False)
class Asked:
    """How much is measured: ascending ``sigmas``, numbers of points, eigenpairs and events, and the seed."""

    sigmas: np.ndarray
    points: int
    modes: int
    events: int
    likelihood: int
    seed: int


def _measured(denoiser: Denoiser, prepared: Prepared, asked: Asked) -> dict[str, xr.Dataset]:
    """The Datasets of the folder."""
    held_out, spectrum, sigmas, seed = prepared.held_out, prepared.spectrum, asked.sigmas, asked.seed
    own = stream_seed(seed, "geometry")
    chosen = torch.from_numpy(held_out[Probes.choose(held_out, asked.points, seed, "geometry").indices])
    measured = instruments.measure_geometry(
        denoiser,
        chosen,
        sigmas,
        asked.modes,
        seed=own,
        center=torch.from_numpy(spectrum.mean).float(),
        n_probes=TRACE_PROBES,
    )
    levels = dimension_sigmas(sigmas, _scale(prepared))
    found = {
        "geometry": measured,
        "dimension": dimension_over_levels(denoiser, chosen, levels, seed=own),
        "risk": risk_over_levels(
            denoiser, prepared.train, held_out, spectrum, sigmas, n_events=asked.events, seed=seed
        ),
    }
    walks = posterior_walks(denoiser, measured)
    if walks is not None:
        found["posterior"] = walks
    if asked.likelihood:
        n = min(asked.likelihood, len(held_out))
        found["likelihood"] = held_out_likelihood(
            denoiser, held_out, spectrum, float(sigmas[0]), n, seed=seed
        )
    return found


def _prepared(config: RunConfig, given: str | Path, made_for: tuple[int, ...]) -> Prepared:
    """The data, if they have the shape that the model was ``made_for``."""

    def check_shape(found: tuple[int, ...]) -> None:
        if found != made_for:
            raise ValueError(
                f"{given} was made for samples of shape {made_for}, {config.data.spec} has {found}; "
                "give data of the model's shape"
            )

    prepared = prepare(config.data, config.seed, check_shape)
    checks.whole("the number of held-out events", len(prepared.held_out), 2, "raise held_out")
    return prepared


def _scale(prepared: Prepared) -> float:
    """Root mean variance of the numbers of the data."""
    return math.sqrt(prepared.spectrum.total_variance / prepared.spectrum.dim)


def _check_counts(points: int, events: int, likelihood: int) -> None:
    checks.whole("points", points, 1)
    checks.whole("events", events, 2, "a standard error needs two")
    checks.whole("likelihood", likelihood, 0)


def _check_levels(sigma: Sequence[float]) -> None:
    if not len(sigma):
        raise ValueError("sigma must name at least one noise level, got none; leave it out for the default")
    checks.positive("sigma", np.asarray(sigma, dtype=float), "a denoiser is differentiated at positive noise")


def _check_modes(modes: int | None, dim: int) -> None:
    if modes is None:
        return
    checks.whole("modes", modes, 1)
    if modes > dim:
        raise ValueError(f"modes: got {modes} eigenpairs, but the model's samples have only {dim} dimensions")
