"""Whether samples, or a model, give their training data back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from scorelens import data as sources
from scorelens import report, training
from scorelens.analysis.memorization_words import copies_sentence
from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.data import Data
from scorelens.generalization.memorization import SampleMemorization, examine_denoiser, examine_samples
from scorelens.generalization.memorization.inputs import LEAST_SAMPLES
from scorelens.instruments.generation import generated
from scorelens.instruments.labels import PURE, sigma_coordinate, variable
from scorelens.instruments.memorization import (
    attraction_variables,
    copies_variables,
    each_sample,
    ratio_variables,
    shown_pairs,
)
from scorelens.results import Examination, kind_of
from scorelens.results.config import RunConfig
from scorelens.studies.checkpoint_measurement import configuration_of
from scorelens.studies.configure import changed
from scorelens.studies.folders import new_folder, slug
from scorelens.studies.memorization_spaces import Space, features_of_files, leading
from scorelens.studies.preparation import split

#: Samples that a model generates, noise levels and points of its attraction, and training points it goes to.
GENERATED, LEVELS, PROBES, MOST_TRAINING = 1024, 12, 64, 60_000


def memorization(
    given: str | Path,
    data: str,
    *,
    features: str = "pixel",
    generate: int = GENERATED,
    out: Path | str | None = None,
    **options: Any,
) -> Examination | None:
    """Compare samples with the ``data`` that a model was trained on, and write the page.

    ``given`` is a data specification of samples (a .npy, .npz or .parquet file, a folder), or a run, a
    checkpoint or an estimator's file, which then generates ``generate`` samples and whose attraction to the
    memorising denoiser is measured too. ``features``: "pixel"; "pca:50" for distances along 50 principal
    components; or two files, "samples.npy,data.npy", of features ``(n, m)`` computed elsewhere, a row for
    each sample and for each event of the data, in their order. ``options`` are those of the data and the
    sampler, and ``seed``; a run knows its own. Part of the data is held out as in training, to compare with.

    Where `torchrun` or `accelerate launch` start several processes, each searches its share of the training
    data; the first writes the page, and only there a result is returned.

    Raises ``ValueError`` for bad options, samples of another shape or range, too few of them, and features
    that do not fit them.
    """
    config = changed(configuration_of(Path(given)), data=data, **options)
    space = Space.parse(features)
    checks.whole("generate", generate, LEAST_SAMPLES)
    denoiser = _model(given, space)
    train, held_out = split(config.data, config.seed)
    folder = new_folder(f"memorization-{slug(str(given))}", out)
    with training.joined() as first:
        samples = _samples(given, denoiser, train, generate, config)
        found = _examined(samples, train, held_out, space, config)
        if not first:
            return None
        measured = _labelled(found, samples, train, held_out)
        if denoiser is not None:
            of_denoiser = _attraction(denoiser, train, held_out, config.sigmas(), config.seed)
            measured = measured.merge(of_denoiser).assign_attrs(of_denoiser.attrs)
        asked = {"features": features, **({"generate": generate} if denoiser else {}), **options}
        named = {"given": str(given), "data": str(data), "options": asked}
        return _written(folder, found, measured, train, named)


def _model(given: str | Path, space: Space) -> training.LoadedDenoiser | None:
    """The model in the file or folder; ``None`` for samples."""
    if not _is_model(given):
        return None
    if space.files is not None:
        raise ValueError(
            f"features: files hold rows for samples, but {given} is a model that makes its own; save its "
            "samples and their features, and give the samples"
        )
    return training.load_denoiser(given)


def _samples(
    given: str | Path,
    denoiser: training.LoadedDenoiser | None,
    train: Data,
    generate: int,
    config: RunConfig,
) -> np.ndarray:
    """Those in the file, or as many as asked from the model; the same on all processes."""
    if denoiser is None:
        return sources.load(str(given), seed=config.seed)[:]
    if training.event_shape(denoiser) != train.event_shape:
        raise ValueError(
            f"{given} was made for samples of shape {training.event_shape(denoiser)}, {config.data.spec} has "
            f"{train.event_shape}; give data of the model's shape"
        )
    made = generated(denoiser, generate, train.event_shape, config.sigmas(), config.seed)
    return training.from_first(np.concatenate([batch for _, batch in made]))


def _examined(
    samples: np.ndarray, train: Data, held_out: Data, space: Space, config: RunConfig
) -> SampleMemorization:
    if space.files is None:
        spectrum = space.spectrum(train)
        return examine_samples(samples, train, held_out[:], features=spectrum, seed=config.seed)
    sets = features_of_files(space.files, len(samples), config)
    return examine_samples(*sets, seed=config.seed, check_range=False)


def _written(
    folder: Path, found: SampleMemorization, measured: xr.Dataset, train: Data, named: dict[str, Any]
) -> Examination:
    """The folder with what was found, and its page."""
    result = Examination.create(
        folder,
        {"memorization": measured},
        spectrum=leading(train, 2) if len(train.event_shape) == 1 and train.dim > 2 else None,
        **named,
        verdict=(copies_sentence(measured), _copying_sentence(found)),
        remarks=(*found.remarks, *_training_set(found)),
        numbers=_numbers(found),
    )
    report.build_examination(result.path)
    return result


def _is_model(given: str | Path) -> bool:
    path = Path(given)
    parts = ("config.json", "state.json")
    if kind_of(path) is not None:  # no samples either: `load_denoiser` says what to give
        return True
    return path.suffix == ".safetensors" or any((path / part).is_file() for part in parts)


def _labelled(found: SampleMemorization, samples: np.ndarray, train: Data, held_out: Data) -> xr.Dataset:
    variables = ratio_variables(found.distance_ratio, float(np.median(found.distances[:, 0])))
    variables |= copies_variables(found.copies)
    variables |= each_sample(found.distances, found.indices, found.nearness, found.copies)
    variables |= shown_pairs(samples, train, found.indices, found.nearness)
    attrs = {
        "n_generated": len(samples),
        "n_train": len(train),
        "n_held_out": len(held_out),
        "calibration": found.copies.calibration.status,
    }
    return xr.Dataset(variables, attrs=attrs)


def _attraction(denoiser: Denoiser, train: Data, held_out: Data, grid: np.ndarray, seed: int) -> xr.Dataset:
    sigmas = np.geomspace(grid[-1], grid[0], LEVELS)
    points = train[:MOST_TRAINING]
    found = examine_denoiser(denoiser, points, held_out, sigmas, n_probes=PROBES, seed=seed)
    variables = attraction_variables(found.attraction)
    if found.unseen is not None:
        mean = found.unseen.coefficient.mean(axis=0)
        title = "Attraction towards the memorising denoisers of data that were not trained on"
        variables["unseen"] = variable(("sigma",), mean, title, PURE)
    attrs = {"n_probes": found.n_probes, "n_mixture": len(points)}
    return xr.Dataset(variables, sigma_coordinate(sigmas), attrs)


def _numbers(found: SampleMemorization) -> tuple[tuple[str, float], ...]:
    rows: list[tuple[str, float]] = []
    for name, one, unit in (
        ("distance ratio", found.distance_ratio, 1),
        ("nearest training over nearest held-out point", found.train_over_held_out, 1),
        ("samples nearer to training than to held-out points, %", found.closer_to_train, 100),
        ("near-copies, %", found.copies.share, 100),
        ("authentic samples, %", found.authenticity.share, 100),
        ("authentic held-out points, %", found.authenticity.held_out, 100),
    ):
        rows += [(name, unit * one.value), ("  lower end", unit * one.low), ("  upper end", unit * one.high)]
    rows += [("near-copies among fresh data, %", 100 * found.copies.false_alarm)]
    rows += [("chance of any among as many fresh data, %", 100 * found.copies.family_wise)]
    rows += [("p-value of the near-copies", found.copies.p_value)]
    rows += [("data-copying test C_T", found.copying.statistic), ("its z", found.copying.z)]
    return (*rows, ("samples that are training points", float(found.n_exact)))


def _copying_sentence(found: SampleMemorization) -> str:
    z = found.copying.z
    verdict = "closer than" if z < -3 else "farther than" if z > 3 else "as close as"
    return f"Over all, samples lie {verdict} held-out data to the training data (C_T test, z {z:.1f})."


def _training_set(found: SampleMemorization) -> tuple[str, ...]:
    n = len(found.distances)
    if not n > found.n_exact >= n / 2:
        return ()
    return ("most samples are training points: was the training set given as samples by mistake?",)
