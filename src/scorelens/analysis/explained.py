"""How much of the variance of the data each denoiser explains, against floors and against the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from scorelens.instruments.labels import PURE, VARIANCE, sigma_coordinate, variable

HELD_OUT, TRAINING = "held-out", "training"
PARTS = (HELD_OUT, TRAINING)
_EACH, _FLOOR = ("estimator", "part", "sigma"), ("part", "sigma")


class Errors(NamedTuple):
    """Squared errors of one denoiser at the same probes, by part of the data, each ``(sigma, n_points)``."""

    held_out: np.ndarray
    training: np.ndarray

    def of(self, part: str) -> np.ndarray:
        """Those of a part in `PARTS`."""
        return self.held_out if part == HELD_OUT else self.training


def explained(
    errors: Mapping[str, Errors],
    linear: Errors,
    spread: Errors,
    memorising_loss: np.ndarray,
    sigmas: np.ndarray,
) -> xr.Dataset:
    """``explained_variance(estimator, part, sigma) = 1 - E|D - x_0|^2 / E|x_0 - mean|^2`` and its floors.

    ``errors`` are those of each estimator, ``linear`` those of the best linear denoiser of the training
    data, ``spread`` the squared distances of the probed points from the training mean (``(n_points,)``);
    ``memorising_loss (sigma,)`` is the training loss of the denoiser that knows all training data. Both means
    are over the same probes, so that a denoiser that always answers the mean explains 0.

    ``gain`` is what an estimator explains beyond the best linear denoiser, ``behind`` what it lacks to the
    best estimator of that noise level and part. Standard errors over points, of the paired differences.

    >>> error, half = np.array([[1.0, 3.0]]), np.array([[4.0, 4.0]])
    >>> spread = Errors(np.array([8.0, 8.0]), np.array([8.0, 8.0]))
    >>> made = explained({"a": Errors(error, error)}, Errors(half, half), spread, np.array([0.5]), [1.0])
    >>> made["explained_variance"].values.ravel(), made["gain"].values.ravel()
    (array([0.75, 0.75]), array([0.25, 0.25]))
    """
    stacked = {part: np.stack([one.of(part) for one in errors.values()]) for part in PARTS}
    each = {part: _compared(stacked[part], linear.of(part), spread.of(part)) for part in PARTS}
    floor = {part: _share(linear.of(part), spread.of(part)) for part in PARTS}
    coordinates = {"estimator": list(errors), "part": list(PARTS), **sigma_coordinate(np.asarray(sigmas))}
    variables = {
        name: variable(_EACH, np.stack([each[part][name] for part in PARTS], axis=1), *label)
        for name, label in _LABELS.items()
    }
    variables["gaussian_floor"] = variable(
        _FLOOR, np.stack([floor[part] for part in PARTS]), "Explained by the best linear denoiser", PURE
    )
    variables["gaussian_loss"] = variable(
        _FLOOR,
        np.stack([linear.of(part).mean(axis=-1) for part in PARTS]),
        "Denoising loss of the best linear denoiser",
        VARIANCE,
    )
    variables["empirical_floor"] = variable(
        ("sigma",),
        1 - memorising_loss / spread.training.mean(),
        "Most that can be explained of the training data: by the denoiser that knows them by heart",
        PURE,
    )
    variables["empirical_loss"] = variable(
        ("sigma",), memorising_loss, "Training loss of the denoiser that knows the data by heart", VARIANCE
    )
    counts = {"n_held_out": linear.held_out.shape[-1], "n_training": linear.training.shape[-1]}
    return xr.Dataset(variables, coordinates, counts)


_LABELS = {
    "explained_variance": ("Share of the variance of the data that the denoiser explains", PURE),
    "standard_error": ("Standard error of the explained variance", PURE),
    "loss": ("Denoising loss", VARIANCE),
    "loss_standard_error": ("Standard error of the denoising loss", VARIANCE),
    "gain": ("Explained beyond the best linear denoiser", PURE),
    "gain_standard_error": ("Standard error of the gain over the best linear denoiser", PURE),
    "behind": ("Explained less than by the best estimator of this noise level", PURE),
    "behind_standard_error": ("Standard error of the distance to the best estimator", PURE),
}


def _compared(each: np.ndarray, linear: np.ndarray, spread: np.ndarray) -> dict[str, np.ndarray]:
    """All of `_LABELS` for the errors ``each (estimator, sigma, n)``, as ``(estimator, sigma)``."""
    best = np.take_along_axis(each, each.mean(axis=-1).argmin(axis=0)[None, :, None], axis=0)
    total = spread.mean()
    return {
        "explained_variance": _share(each, spread),
        "standard_error": _error(each - (each.mean(axis=-1, keepdims=True) / total) * spread) / total,
        "loss": each.mean(axis=-1),
        "loss_standard_error": _error(each),
        "gain": (linear - each).mean(axis=-1) / total,
        "gain_standard_error": _error(linear - each) / total,
        "behind": (each - best).mean(axis=-1) / total,
        "behind_standard_error": _error(each - best) / total,
    }


def _share(errors: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return 1 - errors.mean(axis=-1) / spread.mean()


def _error(each: np.ndarray) -> np.ndarray:
    """Standard error of the mean over points (last axis); infinite if there is one point only."""
    n = each.shape[-1]
    return each.std(axis=-1, ddof=1) / np.sqrt(n) if n > 1 else np.full(each.shape[:-1], np.inf)
