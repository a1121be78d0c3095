"""Attraction to the empirical denoiser, and agreement of two halves, of denoisers whose place is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from scorelens.core.denoiser import Denoiser
from scorelens.data import load
from scorelens.estimators import Empirical, Gaussian
from scorelens.generalization.memorization import compare_halves, examine_denoiser
from scorelens.generalization.memorization.attraction import projection
from scorelens.generalization.memorization.noised_points import NoisedPoints

SIGMAS = np.array([0.1, 0.5, 1.0])
SCALE = np.array([1.5, 1.0, 0.7, 0.4, 0.2], dtype=np.float32)


def events(n: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((n, 5)) * SCALE + 1).astype(np.float32)


@pytest.fixture(scope="module")
def sets() -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out events."""
    return events(60, 0), events(500, 1)


def of_the_law(x: Tensor, sigma: float) -> Tensor:
    """The denoiser of the law itself."""
    gain = torch.tensor(SCALE**2 / (SCALE**2 + sigma**2))
    return 1 + gain * (x - 1)


def between(train: np.ndarray, share: float, beside: float = 0.0) -> Denoiser:
    """On the line from the Gaussian to the empirical denoiser, and ``beside`` it."""
    gaussian, empirical = Gaussian().fit(train), Empirical().fit(train)
    return lambda x, sigma: (1 - share) * gaussian(x, sigma) + share * empirical(x, sigma) + beside


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 1.4])
def test_the_coefficient_is_the_place_on_the_line(sets, share: float) -> None:
    train, held_out = sets
    found = examine_denoiser(between(train, share), train, held_out, SIGMAS, n_probes=100).attraction
    np.testing.assert_allclose(found.coefficient, share, atol=2e-5)
    np.testing.assert_allclose(found.off_axis, 0, atol=1e-4)
    assert (found.standard_error < 2e-5).all()
    assert found.status == ("resolved",) * 3
    assert found.resolved.all()


def test_what_lies_beside_the_line_is_said(sets) -> None:
    train, held_out = sets
    found = examine_denoiser(between(train, 0.5, 0.2), train, held_out, SIGMAS, n_probes=400).attraction
    np.testing.assert_allclose(found.coefficient, 0.5, atol=5 * found.standard_error.max())
    # The shift is nearly orthogonal to the line, and 0.2 against the gap.
    np.testing.assert_allclose(found.off_axis, 0.2 / found.gap, rtol=0.05)


def test_the_projection_is_that_of_least_squares() -> None:
    draws = np.random.default_rng(0)
    denoised, gaussian, empirical = draws.standard_normal((3, 40, 4))
    found = projection(denoised, gaussian, empirical)
    way = (empirical - gaussian).ravel()[:, None]
    fit, rest, *_ = np.linalg.lstsq(way, (denoised - gaussian).ravel(), rcond=None)
    assert found.coefficient == pytest.approx(fit[0])
    assert found.off_axis == pytest.approx(np.sqrt(rest[0] / (way**2).sum()))
    assert found.gap == pytest.approx(np.sqrt((way**2).mean()))


def test_the_standard_error_is_the_spread_over_probes() -> None:
    draws = np.random.default_rng(1)
    found = []
    for _ in range(600):
        way = draws.standard_normal((50, 3)) * draws.exponential(size=(50, 1))
        moved = 0.4 * way + 0.5 * draws.standard_normal((50, 3))
        found.append(projection(moved, np.zeros((50, 3)), way))
    spread = np.std([each.coefficient for each in found])
    stated = np.sqrt(np.mean([each.standard_error**2 for each in found]))
    assert abs(stated / spread - 1) < 0.2
    assert abs(np.mean([each.coefficient for each in found]) - 0.4) < 4 * spread / np.sqrt(600)


def test_floors_that_rounding_cannot_tell_apart_are_named(sets) -> None:
    train, held_out = sets
    found = examine_denoiser(of_the_law, train, held_out, [1.0, 3000.0], n_probes=50)
    assert found.attraction.status == ("resolved", "floors coincide")
    assert np.isfinite(found.attraction.coefficient).tolist() == [True, False]
    assert np.isfinite(found.attraction.gap).all()
    assert found.unseen is not None
    assert np.isfinite(found.unseen.p_value).tolist() == [True, False]


def test_only_the_training_set_attracts_a_memorising_denoiser(sets) -> None:
    train, held_out = sets
    found = examine_denoiser(between(train, 0.8), train, held_out, SIGMAS, n_probes=100, n_unseen=6)
    assert found.unseen is not None
    assert found.unseen.n_sets == 6
    assert (found.unseen.p_value < 5e-3).all()
    assert (found.unseen.excess > 0.3).all()
    np.testing.assert_allclose(
        found.unseen.excess, found.attraction.coefficient - found.unseen.coefficient.mean(0)
    )


def test_a_denoiser_that_met_no_set_is_not_accused() -> None:
    """p-values of the law's own denoiser are uniform; the probes' standard error alone would be too small."""
    p_values, apart = [], []
    for seed in range(60):
        held_out = events(50 + 6 * 40, 2 * seed + 50)
        found = examine_denoiser(
            of_the_law, events(40, 2 * seed + 51), held_out, [0.3], n_probes=50, n_unseen=6, seed=seed
        )
        assert found.unseen is not None
        p_values.append(found.unseen.p_value[0])
        apart.append(found.unseen.excess[0] / found.attraction.standard_error[0])
    low = np.mean(np.array(p_values) < 0.25)
    assert abs(low - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 60)
    assert abs(np.mean(p_values) - 0.5) < 4 / np.sqrt(12 * 60)
    assert np.std(apart) > 1.15


def test_too_few_held_out_events_are_said(sets) -> None:
    train, held_out = sets
    found = examine_denoiser(of_the_law, train, held_out[:150], SIGMAS, n_probes=50)
    assert found.unseen is None
    assert "two take 170 held-out events" in found.remarks[0]
    assert examine_denoiser(of_the_law, train, held_out, SIGMAS, n_unseen=0).remarks == ()


def test_digits_known_by_heart() -> None:
    data = load("digits")
    train, held_out = data.split(0.5, seed=0)
    few = train[:50]
    found = examine_denoiser(Empirical().fit(few), few, held_out, [0.1, 0.3], n_probes=60, n_unseen=4)
    np.testing.assert_allclose(found.attraction.coefficient, 1, atol=1e-5)
    assert found.unseen is not None
    assert (found.unseen.p_value < 0.01).all()


def test_halves_known_by_heart_disagree_and_one_law_agrees(sets) -> None:
    _, held_out = sets
    halves = events(60, 10), events(60, 11)
    by_heart = Empirical().fit(halves[0]), Empirical().fit(halves[1])
    found = compare_halves(by_heart, halves, held_out, SIGMAS)
    np.testing.assert_allclose(found.disagreement, 1, atol=1e-5)
    np.testing.assert_allclose(found.from_own, 0, atol=1e-5)
    np.testing.assert_allclose(found.standard_error, 0, atol=1e-5)
    one = compare_halves((of_the_law, of_the_law), halves, held_out, SIGMAS)
    assert (one.disagreement == 0).all()
    assert (one.standard_error == 0).all()
    assert (one.from_own > 0.3).all()
    fitted = Gaussian().fit(halves[0]), Gaussian().fit(halves[1])
    gaussians = compare_halves(fitted, halves, held_out, SIGMAS)
    assert (gaussians.disagreement > 5 * gaussians.standard_error).all()
    # Covariances of 60 events each: one function at small noise, still two where the prior counts.
    assert gaussians.disagreement[0] < 0.1 < gaussians.disagreement[2] < 1


def test_disagreement_is_the_ratio_of_distances(sets) -> None:
    _, held_out = sets
    halves = events(60, 10), events(60, 11)
    denoisers = between(halves[0], 0.5), between(halves[1], 0.7)
    found = compare_halves(denoisers, halves, held_out, SIGMAS, n_probes=80, seed=3)
    probes = NoisedPoints.choose(held_out, 80, SIGMAS, 3)
    x, own, known = torch.from_numpy(probes.noised(1)), [], []
    for denoiser, half in zip(denoisers, halves, strict=True):
        own.append(denoiser(x, 0.5).numpy().astype(float))
        known.append(Empirical().fit(half)(x, 0.5).numpy().astype(float))
    scale = np.linalg.norm(known[0] - known[1])
    assert found.disagreement[1] == pytest.approx(np.linalg.norm(own[0] - own[1]) / scale, rel=1e-5)
    expected = [np.linalg.norm(own[i] - known[i]) / scale for i in (0, 1)]
    np.testing.assert_allclose(found.from_own[1], expected, rtol=1e-5)
    assert found.apart[1] == pytest.approx(scale / np.sqrt(80 * 5), rel=1e-5)


def test_the_error_of_a_disagreement_is_its_spread() -> None:
    halves = events(40, 10), events(40, 11)
    fitted = between(halves[0], 0.4), between(halves[1], 0.4)
    found = [compare_halves(fitted, halves, events(50, 100 + i), [0.5], seed=i) for i in range(80)]
    spread = np.std([each.disagreement[0] for each in found], ddof=1)
    stated = np.sqrt(np.mean([each.standard_error[0] ** 2 for each in found]))
    assert abs(stated / spread - 1) < 4 / np.sqrt(2 * 80)


def test_a_network_is_left_as_it_was(sets) -> None:
    train, held_out = sets
    network = torch.nn.Sequential(torch.nn.Linear(5, 5), torch.nn.Dropout(0.5)).train()

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor, sigma: float) -> Tensor:
            return self.network(x)

    state = torch.random.get_rng_state()
    results = [examine_denoiser(Model(), train, held_out, SIGMAS).attraction.coefficient for _ in range(2)]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert network.training
    np.testing.assert_array_equal(*results)


def test_bad_input_is_refused(sets) -> None:
    train, held_out = sets
    with pytest.raises(ValueError, match=r"train must have events of shape \(5,\), got \(4,\)"):
        examine_denoiser(of_the_law, train[:, :4], held_out, SIGMAS)
    with pytest.raises(ValueError, match="held-out events must be at least 10"):
        examine_denoiser(of_the_law, train, held_out[:9], SIGMAS)
    with pytest.raises(ValueError, match="events in train must be at least 2"):
        examine_denoiser(of_the_law, train[:1], held_out, SIGMAS)
    with pytest.raises(ValueError, match="sigmas must be finite and > 0"):
        examine_denoiser(of_the_law, train, held_out, [0.0, 1.0])
    with pytest.raises(ValueError, match=r"the denoiser's output at sigma 0\.1 is not finite"):
        examine_denoiser(lambda x, sigma: x / 0, train, held_out, SIGMAS)
    with pytest.raises(ValueError, match=r"must return the shape of x, \(256, 5\), got \(256, 4\)"):
        examine_denoiser(lambda x, sigma: x[:, :4], train, held_out, SIGMAS)
    broken = train.copy()
    broken[2, 1] = np.nan
    with pytest.raises(ValueError, match="train holds 1 non-finite"):
        examine_denoiser(of_the_law, broken, held_out, SIGMAS)
    with pytest.raises(ValueError, match="the two training sets share 3 event"):
        compare_halves((of_the_law, of_the_law), (train, train[:3]), held_out, SIGMAS)
