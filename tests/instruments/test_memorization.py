"""The memorisation instrument on denoisers whose answer is known: by heart, linear, halfway, and mixed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.mode_spectrum import optimal_linear_denoiser
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.data import Data
from scorelens.estimators import Empirical
from scorelens.generalization.memorization.near_copies import near_copies
from scorelens.instruments import Memorization, between_floors, memorization
from scorelens.results.config import MeasurementConfig, RunConfig

CONFIG = RunConfig(measurement=MeasurementConfig(n_generated=200, n_probes=100, n_transfer_sigmas=9))


def _data(n: int, seed: int, name: str = "two clusters", dim: int = 6) -> Data:
    rng = np.random.default_rng(seed)
    sign = rng.choice([-1.0, 1.0], (n, 1))
    return Data(name, sign + 0.3 * rng.standard_normal((n, dim)), kind="vector")


@pytest.fixture(scope="module")
def setting():
    train, held_out = _data(60, 0), _data(300, 1)
    spectrum = fit_spectrum(train.blocks, train.event_shape)
    return train, held_out, spectrum


@pytest.fixture(scope="module")
def floors(setting):
    train, _, spectrum = setting
    return optimal_linear_denoiser(spectrum), Empirical().fit(train[:])


@pytest.fixture(scope="module")
def instrument(setting):
    return Memorization.for_run(*setting, CONFIG)


def _where_resolved(measured, name):
    return measured[name].values[measured["resolved"].values]


def test_a_denoiser_that_knows_the_training_data_by_heart(instrument, floors):
    measured = instrument.measure(floors[1])
    np.testing.assert_allclose(_where_resolved(measured, "attraction"), 1, atol=1e-6)
    np.testing.assert_allclose(_where_resolved(measured, "off_axis"), 0, atol=1e-6)
    assert measured["distance_ratio"] < 0.01
    assert measured["near_copy_share_low"] > 0.9
    assert measured["near_copy_p_value"] < 1e-6
    assert measured["resolved"].sum() >= 5


def test_a_linear_denoiser_knows_no_point(instrument, floors):
    measured = instrument.measure(floors[0])
    np.testing.assert_allclose(_where_resolved(measured, "attraction"), 0, atol=1e-6)
    assert measured["distance_ratio_low"] > 0.8
    assert measured["near_copy_share"] < 0.05
    assert measured["near_copy_p_value"] > 1e-3


def test_halfway_between_the_floors(instrument, floors):
    gaussian, memorising = floors
    measured = instrument.measure(lambda x, sigma: 0.7 * gaussian(x, sigma) + 0.3 * memorising(x, sigma))
    np.testing.assert_allclose(_where_resolved(measured, "attraction"), 0.3, atol=1e-6)


def test_fresh_points_are_no_copies_and_planted_ones_are_found(instrument, setting, monkeypatch):
    train, fresh = setting[0][:], _data(200, 5)[:]
    fresh[:10] = train[:10] + np.float32(1e-3)
    monkeypatch.setattr(memorization, "generated", lambda *_: [(fresh, fresh)])
    measured = instrument.measure(lambda x, sigma: x / (1 + sigma**2))
    flagged = measured["near_copy"].values
    assert flagged[:10].all()
    assert flagged[10:].mean() < 0.03
    assert measured["nearest_index"].values[:10].tolist() == list(range(10))
    assert measured["near_copy_p_value"] < 1e-3
    assert measured["near_copy_share_low"] < 0.05 < measured["near_copy_share_high"]
    assert sorted(measured["shown_sample"].values[:10]) == list(range(10))
    np.testing.assert_array_equal(measured["shown_image"].values, fresh[measured["shown_sample"].values])
    np.testing.assert_array_equal(
        measured["shown_neighbour"].values, train[measured["nearest_index"].values[measured["shown_sample"]]]
    )


def test_what_is_told_of_near_copies_is_of_all_samples_against_held_out_points(
    instrument, setting, monkeypatch
):
    """Distances by hand; a fifth of the samples lies near training points, so no two numbers are alike."""
    train, held_out, made = setting[0][:], setting[1][:], _data(200, 6)[:]
    made[:40] = train[:40] + 0.02 * (made[:40] - train[:40])
    monkeypatch.setattr(memorization, "generated", lambda *_: [(made, made)])
    measured = instrument.measure(lambda x, sigma: x / (1 + sigma**2))

    def two_nearest(x):
        apart = np.linalg.norm(x[:, None].astype(float) - train, axis=-1)
        return np.sort(apart, axis=1)[:, :2]

    ours, fresh = two_nearest(made), two_nearest(held_out)
    assert measured["median_distance"] == pytest.approx(np.median(ours[:, 0]), rel=1e-5)
    expected = np.median(ours[:, 0]) / np.median(fresh[:, 0])
    assert measured["distance_ratio"] == pytest.approx(expected, rel=1e-5)
    assert measured["distance_ratio_low"] < expected < measured["distance_ratio_high"]
    copies = near_copies(ours[:, 0] / ours[:, 1], fresh[:, 0] / fresh[:, 1])
    assert measured["near_copy_share"] == copies.share.value > 0.1
    assert measured["false_alarm_rate"] == pytest.approx(copies.false_alarm, rel=1e-5)
    assert measured["near_copy_threshold"] == pytest.approx(copies.threshold, rel=1e-4)
    assert measured["near_copy_p_value"] == pytest.approx(copies.p_value, rel=1e-3)
    counts = {key: measured.attrs[key] for key in ("n_generated", "n_train", "n_held_out", "n_probes")}
    assert counts == {"n_generated": 200, "n_train": 60, "n_held_out": 300, "n_probes": 100}


def test_the_ratio_of_fresh_data_is_one_and_its_interval_is_honest(instrument, monkeypatch):
    inside = 0
    for seed in range(10, 30):
        fresh = _data(200, seed)[:]
        monkeypatch.setattr(memorization, "generated", lambda *_, made=fresh: [(made, made)])
        measured = instrument.measure(lambda x, sigma: x / (1 + sigma**2))
        inside += bool(measured["distance_ratio_low"] <= 1 <= measured["distance_ratio_high"])
    assert inside >= 16


def test_large_data_take_fewer_samples_and_probes(instrument, monkeypatch):
    monkeypatch.setattr(memorization, "BUDGET", 1.0)
    monkeypatch.setattr(memorization, "HELD_OUT_BUDGET", 1.0)
    monkeypatch.setattr(between_floors, "BUDGET", 1.0)
    monkeypatch.setattr(between_floors, "MAX_NUMBERS", 60)
    small = Memorization(
        instrument.train,
        instrument.held_out,
        between_floors.BetweenFloors(
            instrument.train, instrument.between.probes, instrument.between.spectrum, np.array([0.1, 0.5])
        ),
        instrument.grid,
    )
    measured = small.measure(lambda x, sigma: x / (1 + sigma**2))
    facts = {key: measured.attrs[key] for key in ("n_generated", "n_held_out", "n_probes", "n_mixture")}
    assert facts == {"n_generated": 32, "n_held_out": 64, "n_probes": 16, "n_mixture": 10}


def test_held_out_points_that_are_training_points_leave_no_ratio(setting):
    train, _, spectrum = setting
    measured = Memorization.for_run(train, train, spectrum, CONFIG).measure(lambda x, s: x / (1 + s**2))
    assert not measured["comparable"]
    assert np.isnan(measured["distance_ratio"])


def test_one_held_out_point_is_enough_to_measure(setting):
    train, held_out, spectrum = setting
    alone = Data("one", held_out[:1], kind="vector")
    measured = Memorization.for_run(train, alone, spectrum, CONFIG).measure(lambda x, s: x / (1 + s**2))
    assert (measured["false_alarm_rate"], measured["near_copy_threshold"]) == (0, 0)
    assert np.isinf(measured["attraction_standard_error"].values[measured["resolved"].values]).all()


def test_data_and_generator_of_the_caller_are_left_alone(instrument, floors):
    before = torch.get_rng_state()
    instrument.measure(floors[0])
    assert torch.equal(torch.get_rng_state(), before)
