"""Scores fitted to draws of a data set: theory and an ensemble of fits, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scorelens import data as sources
from scorelens import report
from scorelens.analysis.named_features import DEFAULT, features_named
from scorelens.core import checks
from scorelens.results import Generalization
from scorelens.results.dataset_store import require_empty
from scorelens.studies.fitted_scores.asked import HIGHEST, LEAST_FOR_ERRORS, LEVELS, LOWEST, Asked
from scorelens.studies.fitted_scores.levels import Ensemble, NoisedData, labelled_levels, level_errors
from scorelens.studies.fitted_scores.places import variance_places
from scorelens.studies.fitted_scores.runs import sampled
from scorelens.studies.folders import new_folder, slug


def generalize(
    data: str = "moons",
    features: str | Sequence[str] = DEFAULT,
    *,
    samples: int = 200,
    models: int = 200,
    sigma: Sequence[float] | None = None,
    resample: str = "fresh",
    components: int | None = None,
    steps: int = 30,
    seed: int = 0,
    out: Path | str | None = None,
) -> Generalization:
    """Fit scores of ``features`` to draws of ``data``, compare with what is predicted, and write the page.

    The data set is the population: training sets are ``samples`` draws of a data point and noise, at each
    noise level of its own. ``features`` are written as `scorelens.analysis.named_features.FEATURES` says;
    several are compared. ``models`` fits are made at each of ``sigma`` (data units; 0.1 to 2 standard
    deviations if not given), to fresh draws or to resamples of one training set (``resample="bootstrap"``).
    ``components``: look at so many leading principal components of the data only. The sampler has ``steps``
    Euler steps, each with a fit of its own.

    Raises ``ValueError`` for bad input before any work.

    >>> found = generalize("moons", "affine,gmm:4", samples=100, out="runs/two")  # doctest: +SKIP
    >>> found.store.read("levels")["measured"]  # doctest: +SKIP
    """
    chosen = features_named(features if isinstance(features, str) else ",".join(features))
    checks.whole("samples", samples, 2)
    points, share = _population(data, components, seed)
    scale = float(np.sqrt(points.var(axis=0).mean()))
    levels = tuple(float(f"{s * scale:.2g}") for s in LEVELS) if sigma is None else tuple(map(float, sigma))
    checks.at_least("the number of sigma", len(levels), 1)
    asked = Asked(
        points, tuple(chosen), samples, models, tuple(sorted(levels, reverse=True)), resample, steps, seed
    )
    folder = new_folder(f"generalize-{slug(data)}", out)
    require_empty(folder)
    asked.check()
    made = Generalization.create(
        folder,
        _datasets(asked),
        data=str(data),
        features=tuple(one.spec for one in chosen),
        samples=samples,
        models=models,
        resample=resample,
        components=components,
        share=share,
        sigma=asked.sigmas,
        sigma_given=sigma is not None,
        steps=steps,
        sampler=(HIGHEST * scale, LOWEST * scale),
        seed=seed,
        dim=asked.dim,
        n_points=len(points),
        scale=scale,
        remarks=_remarks(asked),
    )
    report.build_generalization(made.path)
    return made


def _population(spec: str, components: int | None, seed: int) -> tuple[np.ndarray, float]:
    """The points ``(m, d)`` of the data, or their leading components, and the share of variance of these."""
    loaded = sources.load(spec, seed=seed)
    points = np.asarray(loaded[:], dtype=float).reshape(len(loaded), -1)
    if components is None:
        return points, 1.0
    checks.whole("components", components, 1)
    if components > points.shape[1]:
        raise ValueError(
            f"components must be at most the {points.shape[1]} numbers of one sample, got {components}"
        )
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(points.T, bias=True)))
    leading = vectors[:, ::-1][:, :components]
    leading = leading * np.where(leading.sum(axis=0) < 0, -1.0, 1.0)  # a sign that does not depend on LAPACK
    share = float(values[::-1][:components].sum() / max(values.sum(), 1e-300))
    return (points - points.mean(axis=0)) @ leading, share


def _datasets(asked: Asked) -> dict[str, object]:
    rng = np.random.default_rng((asked.seed, 0))
    levels = [NoisedData.of(asked, sigma, rng) for sigma in asked.sigmas]
    ensembles, rows = [], []
    for i, one in enumerate(asked.chosen):
        draws = np.random.default_rng((asked.seed, 1, i))
        row = [Ensemble.of(asked, one, fit, draws) for fit in asked.fits(one, asked.sigmas)]
        rows.append([level_errors(asked, at, ensemble) for at, ensemble in zip(levels, row, strict=True)])
        ensembles.append(row)
    samples, moments = sampled(asked)
    return {
        "levels": labelled_levels(asked, rows),
        "places": variance_places(asked, levels, ensembles),
        "samples": samples,
        "moments": moments,
    }


def _remarks(asked: Asked) -> tuple[str, ...]:
    if asked.models < LEAST_FOR_ERRORS:
        return (
            f"{asked.models} models are too few for standard errors: nothing is tested; "
            f"take at least {LEAST_FOR_ERRORS}.",
        )
    return ()
