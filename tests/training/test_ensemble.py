"""Ensembles of small networks: reproducible, resampled, and as variable as few samples make them."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from scorelens.core.processes import VariancePreserving
from scorelens.generalization.ensembles import averaged_law, model_variance
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.memorization import compare_halves
from scorelens.generalization.schedules import ProcessSchedule
from scorelens.results import RunConfig
from scorelens.training import DenoiserEnsemble, NetworkFit, NonFiniteLoss, network_ensemble, small_network

TWO = DataLaw.mixture([1.0, 1.0], [[-1.0], [1.0]], [[[0.01]], [[0.01]]])
TINY = NetworkFit(TWO, 16, small_network(4, width=4, batch_size=8))
GRID = np.linspace(-1.5, 1.5, 61)[:, None]
EVENTS = np.random.default_rng(0).standard_normal((40, 1, 2, 2)).astype(np.float32)


def states(ensemble: DenoiserEnsemble) -> list[np.ndarray]:
    """All weights and buffers of each member, in one vector."""
    parts = [[value.flatten() for value in one.state_dict().values()] for one in ensemble.denoisers]  # pyright: ignore[reportAttributeAccessIssue]
    return [torch.cat(of_one).numpy() for of_one in parts]


@cache
def trained(n_samples: int) -> DenoiserEnsemble:
    config = small_network(250, width=24, batch_size=64)
    return network_ensemble(NetworkFit(TWO, n_samples, config), members=5, seed=0)


class TestTrainingSets:
    def test_fresh_from_a_law(self) -> None:
        made = replace(TINY, n_samples=50_000).training_set(np.random.default_rng(0))
        assert made.shape == (50_000, 1)
        assert made.dtype == np.float32
        assert made.var() == pytest.approx(1.01, rel=0.02)

    def test_fresh_from_events_has_no_repeats(self) -> None:
        fit = NetworkFit(EVENTS, 30, TINY.config)
        made = fit.training_set(np.random.default_rng(0))
        assert len(np.unique(made.reshape(30, -1), axis=0)) == 30
        assert fit.event_shape == (1, 2, 2)

    def test_a_bootstrap_has_repeats(self) -> None:
        """About ``1 - 1/e`` of the events."""
        fit = NetworkFit(EVENTS, 40, TINY.config, drawn="bootstrap")
        rng = np.random.default_rng(0)
        kept = [len(np.unique(fit.training_set(rng).reshape(40, -1), axis=0)) / 40 for _ in range(200)]
        assert np.mean(kept) == pytest.approx(1 - (1 - 1 / 40) ** 40, abs=0.02)


class TestReproduction:
    @pytest.mark.slow
    def test_workers_change_nothing(self) -> None:
        alone, together = (states(network_ensemble(TINY, 3, seed=5, workers=w)) for w in (1, 2))
        np.testing.assert_array_equal(alone, together)

    def test_members_have_their_own_seeds(self) -> None:
        first, second = states(network_ensemble(TINY, 2, seed=5))
        assert (first != second).any()
        np.testing.assert_array_equal(states(network_ensemble(TINY, 1, seed=5))[0], first)
        assert (states(network_ensemble(TINY, 1, seed=6))[0] != first).any()

    def test_what_members_share(self) -> None:
        """The same events: one network with one seed, several with their own."""
        all_of_them = NetworkFit(EVENTS, 40, TINY.config, network_seed=3)
        first, second = states(network_ensemble(all_of_them, 2, seed=0))
        np.testing.assert_array_equal(first, second)
        own = states(network_ensemble(replace(all_of_them, network_seed=None), 2, seed=0))
        assert (own[0] != own[1]).any()
        resampled = states(network_ensemble(replace(all_of_them, drawn="bootstrap"), 2, seed=0))
        assert (resampled[0] != resampled[1]).any()

    def test_the_global_random_state_and_threads_are_left_alone(self) -> None:
        torch.manual_seed(0)
        expected, threads = torch.rand(1), torch.get_num_threads()
        torch.manual_seed(0)
        network_ensemble(TINY, 1, seed=0)
        assert torch.rand(1) == expected
        assert torch.get_num_threads() == threads


class TestScores:
    @pytest.mark.parametrize("schedule", [ProcessSchedule(VariancePreserving()), None])
    def test_the_score_of_a_known_denoiser(self, schedule: ProcessSchedule | None) -> None:
        """Of ``N(0, 1)``: ``-x / (alpha^2 + sigma^2)``, whatever the schedule."""
        known = DenoiserEnsemble((lambda x, sigma: x / (1 + sigma**2),), (2, 1))
        known = known if schedule is None else replace(known, schedule=schedule)
        x, t = np.array([[0.3, -1.0], [2.0, 0.5]]), 0.4
        noised = known.schedule.alpha(t) ** 2 + known.schedule.variance(t)
        np.testing.assert_allclose(known.score_on(x, t)[0], -x / noised, rtol=1e-5)
        np.testing.assert_allclose(known.score(x[None], t)[0], -x / noised, rtol=1e-5)

    def test_samples_of_a_known_denoiser(self) -> None:
        """The reverse ODE maps ``N(0, 1 + T^2)`` to the data's law: ``x sqrt((1 + t^2) / (1 + T^2))``."""
        known = DenoiserEnsemble((lambda x, sigma: x / (1 + sigma**2),), (1,))
        path = known.sample([[3.0], [-1.0]], np.linspace(0.1, 3.0, 60), method="heun")
        np.testing.assert_allclose(path[0, 0, :, 0], np.array([3.0, -1.0]) * np.sqrt(1.01 / 10), rtol=2e-3)

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="t must be finite and > 0, got 0; a denoiser is defined"):
            DenoiserEnsemble((lambda x, sigma: x,), (1,)).score_on([[0.0]], 0.0)


class TestVariance:
    @pytest.mark.slow
    def test_more_samples_less_variance(self) -> None:
        """Averaged over the places where the noised data are."""
        few, many = (model_variance(trained(n), GRID[None], [0.5]).mean() for n in (8, 512))
        assert few > 3 * many

    @pytest.mark.slow
    def test_the_variance_sits_between_the_points(self) -> None:
        at = np.array([[-1.0], [0.0], [1.0]])
        left, middle, right = model_variance(trained(512), at[None], [0.3]).ravel()
        assert middle > 3 * max(left, right)

    @pytest.mark.slow
    def test_the_averaged_law_is_wider_than_a_model(self) -> None:
        """The law of total variance, which is what widens it; and its part between members falls with n."""
        start = 5 * np.random.default_rng(0).standard_normal((100, 1))
        times = np.geomspace(0.05, 5.0, 25)
        laws = []
        for n in (8, 512):
            samples = trained(n).sample(start, times)[0]
            laws.append(averaged_law(samples))
            assert laws[-1].covariance.item() > samples.var(axis=1).mean()
        assert laws[0].between.item() > 3 * laws[1].between.item() > 0

    def test_members_go_where_denoisers_go(self) -> None:
        """A network agrees with itself, not with one of other data and another seed."""
        halves = EVENTS[:20], EVENTS[20:]
        first, second = (TINY.trained(half, seed) for seed, half in enumerate(halves))
        held_out = np.random.default_rng(2).standard_normal((30, 1, 2, 2)).astype(np.float32)
        found = [compare_halves((first, other), halves, held_out, [0.3]) for other in (first, second)]
        assert found[0].disagreement.item() == 0 < found[1].disagreement.item()


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"drawn": "bootstrap"}, "resamples events; give them in place of the law"),
            ({"drawn": "boot"}, "unknown drawn 'boot'"),
            ({"n_samples": 1}, "n_samples must be at least 2"),
            ({"network_seed": -1}, "network_seed must be at least 0"),
            ({"population": EVENTS, "n_samples": 41}, "at most the 40 events, got 41"),
            ({"population": EVENTS[0, 0, 0]}, r"must be \(N, \*event\) with N >= 2, got \(2,\)"),
            ({"population": np.full((20, 1), np.nan)}, "20 non-finite"),
        ],
    )
    def test_before_work_starts(self, change: dict, match: str) -> None:
        with pytest.raises(ValueError, match=match):
            replace(TINY, **change)

    def test_held_out_shrinkage(self) -> None:
        config = RunConfig.model_validate({"preconditioning": {"name": "spectral", "shrinkage": "held-out"}})
        with pytest.raises(ValueError, match="needs held-out data, which no member has"):
            NetworkFit(TWO, 16, config)

    def test_a_failure_survives_the_way_between_processes(self) -> None:
        error = NonFiniteLoss(3, "the data", 0.1, None)
        again = pickle.loads(pickle.dumps(error))  # noqa: S301
        assert (str(again), again.step, again.cause) == (str(error), 3, "the data")
