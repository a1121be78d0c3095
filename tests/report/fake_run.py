"""A run as its parts would be stored, from the closed form with a little noise: quick, for any spectrum."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from scorelens.core.noise_level import LogNormal
from scorelens.core.sigma_grid import karras
from scorelens.core.spectrum import Spectrum

SIGMA_DATA = 0.5
STEPS_PER_DOSE = 2.0


def eigenvalues(dim: int) -> np.ndarray:
    """A power law with mean 0.25."""
    values = np.arange(1, dim + 1.0) ** -1.5
    return 0.25 * dim * values / values.sum()


def spectrum(event_shape: tuple[int, ...], n_modes: int | None = None, seed: int = 0) -> Spectrum:
    """Power-law eigenvalues; image patterns are cosines of rising frequency."""
    dim = math.prod(event_shape)
    values = eigenvalues(dim)
    basis = _cosines(event_shape) if len(event_shape) == 3 else np.eye(dim)
    kept = n_modes or dim
    return Spectrum(np.zeros(dim), values[:kept], basis[:, :kept], 900, float(values.sum()), event_shape)


def _cosines(event_shape: tuple[int, ...]) -> np.ndarray:
    channels, height, width = event_shape
    rows, columns = (
        np.cos(np.pi * (np.arange(n) + 0.5)[None, :] * np.arange(n)[:, None] / n) for n in (height, width)
    )
    order = sorted(
        ((i, j, c) for i in range(height) for j in range(width) for c in range(channels)),
        key=lambda at: (at[0] ** 2 + at[1] ** 2, at),
    )
    patterns = []
    for i, j, c in order:
        pattern = np.zeros(event_shape)
        pattern[c] = np.outer(rows[i], columns[j])
        patterns.append(pattern.ravel() / np.linalg.norm(pattern))
    return np.array(patterns).T


def gain(values: np.ndarray, sigmas: np.ndarray, dose: float) -> np.ndarray:
    """Gain of the one-layer law under EDM preconditioning, shape (sigma, mode)."""
    noise, assumed = sigmas[:, None] ** 2, SIGMA_DATA**2
    optimum, start = values / (values + noise), assumed / (assumed + noise)
    density = LogNormal().density(np.log(sigmas))[:, None]
    return optimum + (start - optimum) * np.exp(-dose * density * (values + noise) / (assumed + noise))


def generated_variance(values: np.ndarray, dose: float) -> np.ndarray:
    """Variance that the gain generates, by the integral over a fine grid of noise levels, shape (mode,)."""
    sigmas = np.geomspace(0.002, 80, 400)
    slope = (1 - gain(values, sigmas, dose)) * np.gradient(np.log(sigmas))[:, None]
    return 80**2 * np.exp(-2 * slope.sum(axis=0))


def schedule(steps: int, count: int) -> np.ndarray:
    """Log-spaced steps with 0 in front."""
    return np.unique(np.concatenate([[0], np.geomspace(1, steps, count - 1).round()])).astype(int)


class FakeRun:
    """Datasets of one run on a power-law spectrum, deterministic."""

    def __init__(
        self, event_shape: tuple[int, ...], steps: int = 3000, count: int = 12, n_modes: int | None = None
    ):
        self.event_shape = event_shape
        self.steps = schedule(steps, count)
        self.spectrum = spectrum(event_shape, n_modes)
        self.values = self.spectrum.eigenvalues
        self.random = np.random.default_rng(0)
        self.sigmas = np.geomspace(0.002, 80, 16)

    def _modes(self) -> dict:
        return {"mode": np.arange(len(self.values)), "eigenvalue": _v(("mode",), self.values)}

    def generated_variance(self, step: int) -> xr.Dataset:
        exact = generated_variance(self.values, step / STEPS_PER_DOSE)
        measured = exact * (1 + 0.04 * self.random.standard_normal(len(exact)))
        each = ("mode",)
        return xr.Dataset(
            {
                "generated_variance": _v(each, measured),
                "generated_mean": _v(each, 0 * measured),
                "standard_error": _v(each, 0.04 * measured),
                "alignment": _v(each, np.full(len(measured), 0.9 - 0.5 / (1 + step / 20))),
                "alignment_ceiling": _v(each, np.full(len(measured), 0.95)),
            },
            self._modes(),
            {"n_generated": 1024},
        )

    def transfer_function(self, step: int) -> xr.Dataset:
        measured = gain(self.values, self.sigmas, step / STEPS_PER_DOSE)
        noisy = measured + 0.01 * self.random.standard_normal(measured.shape)
        optimal = self.values / (self.values + self.sigmas[:, None] ** 2)
        return xr.Dataset(
            {
                "transfer": _v(("sigma", "mode"), noisy),
                "optimal_transfer": _v(("sigma", "mode"), optimal),
                "implied_variance": _v(("mode",), generated_variance(self.values, step / STEPS_PER_DOSE)),
            },
            {**self._modes(), "sigma": self.sigmas},
        )

    def loss(self, step: int) -> xr.Dataset:
        noise = self.sigmas[:, None] ** 2
        made = gain(self.values, self.sigmas, step / STEPS_PER_DOSE)
        loss = (self.values * (1 - made) ** 2 + noise * made**2).sum(axis=1)
        floor = (noise * self.values / (self.values + noise)).sum(axis=1)
        return xr.Dataset(
            {
                "train_loss": _v(("sigma",), 0.9 * loss),
                "held_out_loss": _v(("sigma",), loss),
                "held_out_standard_error": _v(("sigma",), 0.03 * loss),
                "linear_floor": _v(("sigma",), floor),
                "linear_held_out_loss": _v(("sigma",), 1.05 * floor),
                "memorization_floor": _v(("sigma",), floor * np.exp(-1 / (10 * self.sigmas))),
                "train_edm_loss": _v((), 1 + 5 / (1 + step / 50)),
                "held_out_edm_loss": _v((), 1.2 + 5 / (1 + step / 50)),
                "train_edm_standard_error": _v((), 0.02),
                "held_out_edm_standard_error": _v((), 0.03),
                "linear_edm_loss": _v((), 2.0),
            },
            {"sigma": self.sigmas},
        )

    def images(self, step: int, count: int) -> xr.Dataset:
        random = np.random.default_rng(1)
        deviation = np.sqrt(generated_variance(self.values, step / STEPS_PER_DOSE))
        flat = (random.standard_normal((count, len(deviation))) * deviation) @ self.spectrum.eigenvectors.T
        dims = (
            ("sample", "channel", "height", "width") if len(self.event_shape) == 3 else ("sample", "feature")
        )
        return xr.Dataset({"image": _v(dims, flat.reshape(count, *self.event_shape).astype(np.float32))})

    def memorization(self, step: int) -> xr.Dataset:
        random = np.random.default_rng(step)
        n, shown, k = 40, 12, len(self.sigmas)
        dims = ("channel", "height", "width") if len(self.event_shape) == 3 else ("feature",)
        pair = random.standard_normal((2, shown, *self.event_shape)).astype(np.float32)
        far = 1 + 1 / (1 + step / 100)
        scalars = {
            "distance_ratio": far,
            "distance_ratio_low": 0.9 * far,
            "distance_ratio_high": 1.1 * far,
            "near_copy_share": 0.025,
            "near_copy_share_low": 0.001,
            "near_copy_share_high": 0.13,
            "near_copy_p_value": 0.5,
            "false_alarm_rate": 0.01,
            "comparable": True,
        }
        each = {
            "nearest_distance": random.uniform(1, 2, n),
            "nearness": np.sort(random.uniform(0.5, 1, n)),
            "nearest_index": np.arange(n),
            "near_copy": np.arange(n) < 1,
        }
        levels = {
            "attraction": 0.5 - 0.1 * np.log(self.sigmas),
            "attraction_standard_error": np.full(k, 0.05),
            "off_axis": np.where(self.sigmas > 30, 9.0, 0.5),
        }
        return xr.Dataset(
            {
                **{name: _v((), value) for name, value in scalars.items()},
                **{name: _v(("sample",), values) for name, values in each.items()},
                **{name: _v(("sigma",), values) for name, values in levels.items()},
                "shown_sample": _v(("shown",), np.arange(shown)),
                "shown_image": _v(("shown", *dims), pair[0]),
                "shown_neighbour": _v(("shown", *dims), pair[1]),
            },
            {"sigma": self.sigmas},
            {"n_generated": n, "n_train": 900, "n_held_out": 99, "n_probes": 64, "n_mixture": 900},
        )

    def geometry(self, step: int) -> xr.Dataset:
        random = np.random.default_rng(5)
        points, sigmas, k = 3, np.array([0.05, 0.25, 1.0]), min(8, self.spectrum.dim)
        made = gain(self.values, sigmas, step / STEPS_PER_DOSE)
        dims = ("channel", "height", "width") if len(self.event_shape) == 3 else ("feature",)
        clean = random.standard_normal((points, *self.event_shape)).astype(np.float32)
        noise = random.standard_normal((points, *self.event_shape)).astype(np.float32)
        level = sigmas.reshape(1, -1, *[1] * len(self.event_shape))
        noisy = clean[:, None] + level * noise[:, None]
        frame = self.spectrum.eigenvectors.T[:k].reshape(k, *self.event_shape).astype(np.float32)
        frames = np.broadcast_to(frame, (points, len(sigmas), *frame.shape))
        kept = np.broadcast_to(made[:, :k], (points, len(sigmas), k))
        ranks = np.broadcast_to(made.sum(axis=1), (points, len(sigmas)))
        squares = np.broadcast_to((made**2).sum(axis=1), ranks.shape)
        at, pairs = ("point", "sigma"), ("point", "sigma", "eigen")
        numbers = {
            "trace": ranks,
            "participation": ranks**2 / squares,
            "asymmetry": 0.3 / (1 + step / 10) + 0 * ranks,
            "offset_share": 0.1 + 0 * ranks,
            "flipd": ranks,
        }
        return xr.Dataset(
            {
                "clean": _v(("point", *dims), clean),
                "noisy": _v((*at, *dims), noisy),
                "denoised": _v((*at, *dims), noisy / (1 + level**2 + 1 / (1 + step / 10))),
                "eigenvector": _v((*pairs, *dims), frames),
                "eigenvalue": _v(pairs, kept),
                "eigenvalue_error": _v(pairs, 0.01 * kept),
                "converged": _v(pairs, np.ones(kept.shape, dtype=bool)),
                "coefficient": _v(pairs, 1 + 10 * kept),
                "denoised_coefficient": _v(pairs, (1 + 10 * kept) * kept),
                **{name: _v(at, values) for name, values in numbers.items()},
            },
            {"sigma": sigmas},
            {"n_points": points, "dim": self.spectrum.dim, "method": "exact", "way": "forward mode"},
        )

    def measurement(self, step: int) -> dict[str, xr.Dataset]:
        return {
            "generated_variance": self.generated_variance(step),
            "transfer_function": self.transfer_function(step),
            "loss": self.loss(step),
            "samples": self.images(step, 200 if self.spectrum.dim <= 3 else 16),
            "memorization": self.memorization(step),
            "geometry": self.geometry(step),
        }

    def grid(self) -> np.ndarray:
        return karras(40, 0.002, 80.0)


def _v(dims: tuple[str, ...], values: object) -> xr.Variable:
    return xr.Variable(dims, np.asarray(values), {"long_name": "synthetic", "units": "1"})
