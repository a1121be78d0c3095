"""One network trained by every objective on data whose score is known: how wrong its score is."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from scorelens import data as sources
from scorelens import training
from scorelens.core.denoiser import Denoiser
from scorelens.core.mode_spectrum import optimal_linear_denoiser
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.data import Data
from scorelens.estimators import MixtureDenoiser
from scorelens.instruments.labels import PURE, sigma_coordinate, variable
from scorelens.objectives import EmpiricalScore
from scorelens.results import Run, RunConfig, schema
from scorelens.training.batches import derived_seed

PER_SCORE = "1 / squared data units"
MODES, SPREAD = 4, 0.2
SIGMA_MIN, SIGMA_MAX = 0.05, 5.0
NEVER = 10**9


@final
@dataclass(frozen=True)
class Trained:
    """One way to train: sections of a `RunConfig` under a name; ``family`` groups the names."""

    name: str
    family: str
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)


def _objective(name: str, **more: Any) -> Trained:
    return Trained(name, "objective", {"training": {"objective": name, **more}})


def _loss(name: str) -> Trained:
    return Trained(f"{name} error", "weight of denoising", {"training": {"loss": name}})


def _levels(name: str, loss: str, noise: str) -> Trained:
    return Trained(name, "noise levels", {"training": {"loss": loss}, "noise": {"name": noise}})


TRAINED: tuple[Trained, ...] = (
    _objective("denoising"),
    _objective("explicit"),
    _objective("projected"),
    _objective("implicit"),
    # With Rademacher directions it would be sliced-vr.
    _objective("hutchinson", projections="unit-sphere"),
    _objective("sliced"),
    _objective("sliced-vr"),
    _objective("finite-difference"),
    _objective("flow-matching"),
    _loss("x0"),
    _loss("noise"),
    _loss("v"),
    _loss("velocity"),
    _loss("score"),
    _loss("likelihood"),
    _levels("log-uniform", "pixel", "loguniform"),
    _levels("σ² as weight", "noise", "loguniform"),
    _levels("σ² as density", "score", "variance"),
)
"""Every objective with EDM's weight and levels, then denoising with other weights, then other levels."""


@final
@dataclass(frozen=True)
class Budget:
    """What every training may use: the same steps and samples, of the same draws for the same seed."""

    n_seeds: int = 5
    steps: int = 400
    batch_size: int = 128
    n_points: int = 1024
    n_test: int = 4096
    learning_rate: float = 3e-3
    sigmas: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)


def objective_scores(budget: Budget | None = None) -> xr.Dataset:
    """Score errors of every member of `TRAINED` on a mixture of four Gaussians on the unit circle.

    ``relative_error (objective, seed, sigma)`` is ``E |s_hat - s|^2 / E |s|^2`` over fresh noised points,
    ``s`` the exact score of the noised mixture; ``gaussian_error`` and ``training_set_error``, both ``(seed,
    sigma)``, are those of the best linear denoiser of the training set and of the training set's own noised
    score. ``seconds (objective, seed)`` is processor time, ``evaluations (objective)`` counts calls of the
    network per sample. Seeds draw the training set, the network and all batches.
    """
    asked = budget or Budget()
    seeds = [_Seed(asked, seed) for seed in range(asked.n_seeds)]
    _train(asked, seeds[0], TRAINED[0], steps=2)  # what is loaded once is nobody's time
    errors = np.empty((len(TRAINED), asked.n_seeds, len(asked.sigmas)))
    seconds, calls = np.empty(errors.shape[:2]), np.empty(len(TRAINED))
    for j, one in enumerate(seeds):
        for i, way in enumerate(TRAINED):
            made, seconds[i, j], calls[i] = _train(asked, one, way, steps=asked.steps)
            errors[i, j] = one.relative_errors(made)
    return _labelled(asked, seeds, errors, seconds, calls)


class _Seed:
    """Training set and test points of one seed."""

    def __init__(self, budget: Budget, seed: int) -> None:
        self.seed, self.budget = seed, budget
        self.data = _points(budget.n_points, 2 * seed)
        self.spectrum = fit_spectrum(self.data.blocks, self.data.event_shape)
        self._test = _whole(_points(budget.n_test, 2 * seed + 1)).double()
        self._law = mixture()
        self._generator = torch.Generator().manual_seed(derived_seed(seed, "score error"))
        self._noise = torch.randn(self._test.shape, generator=self._generator, dtype=torch.float64)

    def relative_errors(self, denoiser: Denoiser) -> np.ndarray:
        """``E |s_hat - s|^2 / E |s|^2`` at each level."""
        return np.array([self._relative(denoiser, sigma) for sigma in self.budget.sigmas])

    def of_training_set(self) -> np.ndarray:
        """The same of the noised training set's score."""
        score = EmpiricalScore(_whole(self.data).double())
        return self.relative_errors(lambda x, sigma: x + sigma**2 * score(x, sigma))

    @torch.no_grad()
    def _relative(self, denoiser: Denoiser, sigma: float) -> float:
        x = self._test + sigma * self._noise
        true = self._law.score(x, sigma)
        found = (denoiser(x, sigma) - x) / sigma**2
        return float((found - true).square().sum() / true.square().sum())


def mixture() -> MixtureDenoiser:
    """The law of the data: four Gaussians of standard deviation 0.2 on the unit circle."""
    angle = 2 * np.pi * np.arange(MODES) / MODES
    means = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    covariances = np.broadcast_to(SPREAD**2 * np.eye(2), (MODES, 2, 2))
    return MixtureDenoiser.of_covariances(np.full(MODES, 1 / MODES), means, covariances)


def _points(n: int, seed: int) -> Data:
    return sources.load(f"gaussians:modes={MODES},noise={SPREAD},n={n}", seed=seed)


def _whole(data: Data) -> Tensor:
    return torch.from_numpy(np.concatenate(list(data.blocks())))


def _train(budget: Budget, one: _Seed, way: Trained, steps: int) -> tuple[Denoiser, float, float]:
    """The trained denoiser in float64, its processor seconds, and the network's calls per sample."""
    config = _configuration(budget, one.seed, way, steps)
    denoiser = training.build_denoiser(config, one.spectrum)
    calls: list[int] = []
    counted = denoiser.network.register_forward_hook(lambda _, given, __: calls.append(len(given[0])))
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", config)
        began = time.process_time()
        made = training.train(config, run, one.data, denoiser, progress=False)
        spent = time.process_time() - began
    counted.remove()
    return made.double(), spent, sum(calls) / (steps * budget.batch_size)


def _configuration(budget: Budget, seed: int, way: Trained, steps: int) -> RunConfig:
    sections = {name: dict(given) for name, given in way.sections.items()}
    fixed = {
        "steps": steps,
        "batch_size": budget.batch_size,
        "learning_rate": budget.learning_rate,
        "ema_decay": 0.99,
        "checkpoint_every": NEVER,
    }
    return RunConfig.model_validate(
        sections
        | {
            "seed": seed,
            "training": fixed | sections.get("training", {}),
            "network": {"width": 48, "depth": 1, "embedding": 16},
            "sampler": {"sigma_min": SIGMA_MIN, "sigma_max": SIGMA_MAX},
            "measurement": {"n_measurements": 2},
        }
    )


def _labelled(
    budget: Budget, seeds: list[_Seed], errors: np.ndarray, seconds: np.ndarray, calls: np.ndarray
) -> xr.Dataset:
    linear = [one.relative_errors(optimal_linear_denoiser(one.spectrum)) for one in seeds]
    known = [one.of_training_set() for one in seeds]
    full, plane, share = ("objective", "seed", "sigma"), ("seed", "sigma"), "score error over score power"
    variables = {
        "relative_error": variable(full, errors, f"Trained network: {share}", PURE),
        "gaussian_error": variable(plane, np.array(linear), f"Best linear denoiser: {share}", PURE),
        "training_set_error": variable(plane, np.array(known), f"Noised training set: {share}", PURE),
        "seconds": variable(full[:2], seconds, "Processor time of the training", "s"),
        "evaluations": variable(full[:1], calls, "Calls of the network per sample", PURE),
        "family": variable(full[:1], [way.family for way in TRAINED], "What is varied", PURE),
    }
    coordinates = sigma_coordinate(np.array(budget.sigmas))
    coordinates |= {"objective": np.array([way.name for way in TRAINED]), "seed": np.arange(len(seeds))}
    facts = {"steps": budget.steps, "batch_size": budget.batch_size, "n_points": budget.n_points}
    facts |= {"n_test": budget.n_test, "learning_rate": budget.learning_rate}
    return schema.labelled(xr.Dataset(variables, coordinates, facts))
