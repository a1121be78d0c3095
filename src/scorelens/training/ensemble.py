"""Many small networks, each trained on its own draw of the data: how much their scores vary."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.processes import VarianceExploding
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.data import Data
from scorelens.generalization.ensembles import each_in_parallel
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.reverse import ScoreEnsemble
from scorelens.generalization.schedules import ProcessSchedule, Schedule
from scorelens.networks import PreconditionedDenoiser
from scorelens.results import Run, RunConfig
from scorelens.training.build import build_denoiser
from scorelens.training.loop import train

Drawn = Literal["fresh", "bootstrap"]
DRAWN: tuple[Drawn, ...] = ("fresh", "bootstrap")
SIGMA_AS_TIME = ProcessSchedule(VarianceExploding())
NEVER = 10**9


def small_network(
    steps: int = 400, *, width: int = 32, depth: int = 1, objective: str = "denoising", **training: Any
) -> RunConfig:
    """The configuration of a network that trains in seconds; ``training`` as in `TrainingConfig`.

    >>> small_network(50, objective="implicit", learning_rate=1e-3).training.objective
    'implicit'
    """
    settings = {"batch_size": 128, "learning_rate": 3e-3} | training
    return RunConfig.model_validate(
        {
            "network": {"width": width, "depth": depth, "embedding": 16},
            "training": settings | {"steps": steps, "objective": objective},
        }
    )


@final
@dataclass(frozen=True, eq=False)
class NetworkFit:
    """A small network trained on ``n_samples`` drawn from ``population``: a task of `each_in_parallel`.

    Every member draws its training set: from a `DataLaw`; or from events ``(N, *event)``, each at most once
    (``"fresh"``; members then share events, all of them at ``n_samples = N``) or with repeats
    (``"bootstrap"``). Its preconditioner is that of its own training set. Initial weights and batches are its
    own too, unless one ``network_seed`` is given for all: then members differ by their data alone.

    ``config`` says what is trained and how (`small_network`); its data, sampler grid, measurements and seed
    are not used. Nothing predicts the variance of networks ([G32]): compare with other numbers of samples.

    >>> law = DataLaw.gaussian([0.0], [[1.0]])
    >>> fit = NetworkFit(law, n_samples=32, config=small_network(5, width=4))
    >>> networks = network_ensemble(fit, members=2, seed=0)
    >>> networks.score_on([[0.5], [1.0]], t=0.3).shape
    (2, 2, 1)
    """

    population: DataLaw | np.ndarray
    n_samples: int
    config: RunConfig
    drawn: Drawn = "fresh"
    network_seed: int | None = None

    def __post_init__(self) -> None:
        checks.choice("drawn", self.drawn, DRAWN)
        checks.whole("n_samples", self.n_samples, 2)
        if self.network_seed is not None:
            checks.whole("network_seed", self.network_seed, 0)
        if self.config.preconditioning.shrinkage == "held-out":
            raise ValueError("shrinkage held-out needs held-out data, which no member has; use ledoit-wolf")
        if not isinstance(self.population, DataLaw):
            object.__setattr__(self, "population", np.asarray(self.population))
            _check_events(self.population, self.n_samples, self.drawn)
        elif self.drawn == "bootstrap":
            raise ValueError("a bootstrap resamples events; give them in place of the law, or drawn='fresh'")

    @property
    def event_shape(self) -> tuple[int, ...]:
        if isinstance(self.population, DataLaw):
            return (self.population.dim,)
        return tuple(self.population.shape[1:])

    def training_set(self, rng: np.random.Generator) -> np.ndarray:
        """Events of one member, float32 ``(n_samples, *event)``; of a population in its order."""
        if isinstance(self.population, DataLaw):
            return self.population.sample(self.n_samples, rng).astype(np.float32)
        repeats = self.drawn == "bootstrap"
        chosen = rng.choice(len(self.population), self.n_samples, replace=repeats)
        return self.population[np.sort(chosen)].astype(np.float32)

    def __call__(self, rng: np.random.Generator) -> PreconditionedDenoiser:
        """The trained denoiser of one member, evaluating, on the CPU."""
        events = self.training_set(rng)
        seed = int(rng.integers(2**32)) if self.network_seed is None else self.network_seed
        return self.trained(events, seed)

    def trained(self, events: np.ndarray, seed: int) -> PreconditionedDenoiser:
        """The denoiser trained on ``events (n, *event)``; the same for the same events and ``seed``."""
        data = Data("events", events, kind="vector" if events.ndim == 2 else "image")
        config = self._of_seed(seed)
        # How many threads share a sum decides its last digits.
        with _one_thread(), tempfile.TemporaryDirectory() as folder:
            denoiser = build_denoiser(config, fit_spectrum(data.blocks, data.event_shape), train=data)
            run = Run.create(Path(folder) / "run", config)
            return train(config, run, data, denoiser, progress=False).cpu().requires_grad_(False)

    def _of_seed(self, seed: int) -> RunConfig:
        training = self.config.training.model_copy(update={"checkpoint_every": NEVER})
        measurement = self.config.measurement.model_copy(update={"n_measurements": 2})
        changed = {"seed": seed, "training": training, "measurement": measurement}
        return self.config.model_copy(update=changed)


@final
@dataclass(frozen=True, eq=False)
class DenoiserEnsemble(ScoreEnsemble):
    """Scores ``(alpha D_m(x / alpha, sigma / alpha) - x) / sigma^2`` of ``denoisers``, one per member.

    What holds for fields linear in their weights holds here: `sample` runs the reverse ODE of each member,
    for `averaged_law`; `model_variance` takes it; and any two of ``denoisers`` go into `compare_halves`.
    Points are flat, ``d = prod(event_shape)``. The default ``schedule`` has ``t = sigma``; times must be > 0.

    >>> half = DenoiserEnsemble((lambda x, sigma: x / 2, lambda x, sigma: 0 * x), (1,))
    >>> half.score_on([[1.0]], t=1.0).ravel()
    array([-0.5, -1. ])
    """

    denoisers: tuple[Denoiser, ...]
    event_shape: tuple[int, ...]
    schedule: Schedule = SIGMA_AS_TIME

    @property
    def members(self) -> int:
        return len(self.denoisers)

    @property
    def dim(self) -> int:
        return int(np.prod(self.event_shape))

    def score(self, x: np.ndarray, t: float) -> np.ndarray:
        pairs = zip(self.denoisers, x, strict=True)
        return np.stack([self._score(denoiser, points, t) for denoiser, points in pairs])

    def score_on(self, x: ArrayLike, t: float) -> np.ndarray:
        points = np.asarray(x, dtype=float)
        return np.stack([self._score(denoiser, points, t) for denoiser in self.denoisers])

    @torch.no_grad()
    def _score(self, denoiser: Denoiser, x: np.ndarray, t: float) -> np.ndarray:
        checks.positive("t", t, "a denoiser is defined at positive noise only")
        alpha, std = float(self.schedule.alpha(t)), float(self.schedule.std(t))
        noisy = torch.from_numpy(x / alpha).float().reshape(-1, *self.event_shape)
        denoised = denoiser(noisy, std / alpha).double().flatten(1).numpy()
        return (alpha * denoised - x) / std**2


def network_ensemble(
    fit: NetworkFit, members: int, seed: int, workers: int = 1, schedule: Schedule = SIGMA_AS_TIME
) -> DenoiserEnsemble:
    """``members`` trained networks; the same for any number of ``workers`` (processes of one thread each).

    Raises `NonFiniteLoss` if one of them diverges.
    """
    denoisers = each_in_parallel(fit, members, seed, workers)
    return DenoiserEnsemble(tuple(denoisers), fit.event_shape, schedule)


def _check_events(events: np.ndarray, n_samples: int, drawn: Drawn) -> None:
    if events.ndim < 2 or len(events) < 2:
        raise ValueError(f"population must be (N, *event) with N >= 2, got {events.shape}")
    checks.finite("population", events)
    if drawn == "fresh" and n_samples > len(events):
        raise ValueError(
            f"n_samples must be at most the {len(events)} events, got {n_samples}; "
            "give more events, or drawn='bootstrap' for repeats"
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
