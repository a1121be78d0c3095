"""Explained variance: its ratio, its errors, and the sentences made of it."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.analysis.explained import HELD_OUT, TRAINING, Errors, explained
from scorelens.analysis.explained_words import (
    comparable,
    is_best,
    is_worse_than_linear,
    levels_worth_showing,
    memorised_level,
    sentences,
)

SIGMAS = np.array([0.1, 0.5, 1.0, 10.0])
N, DIM = 400, 3


@pytest.fixture(scope="module")
def known():
    """Errors of Gaussian data, variance 1: the best denoiser, one that memorises, and one that is bad."""
    random = np.random.default_rng(0)
    spread = Errors(*(random.chisquare(DIM, size=N) for _ in range(2)))
    shape = [s**2 / (1 + s**2) for s in SIGMAS]
    linear = Errors(*(np.array([share * random.chisquare(DIM, size=N) for share in shape]) for _ in range(2)))
    copy = Errors(1.5 * linear.held_out, np.array([0.01, 0.2, 0.9, 1.0])[:, None] * linear.training)
    bad = Errors(*(np.array([1.0, 1.0, 3.0, 1.0])[:, None] * part for part in linear))
    made = {"best": linear, "copy": copy, "bad": bad}
    return explained(made, linear, spread, 0.01 * linear.training.mean(axis=1), SIGMAS), made, spread


def test_the_mean_explains_nothing_and_the_truth_everything(known):
    _, made, spread = known
    mean = Errors(*(np.tile(part, (4, 1)) for part in spread))
    right = Errors(np.zeros((4, N)), np.zeros((4, N)))
    found = explained({"mean": mean, "right": right}, made["best"], spread, np.zeros(4), SIGMAS)
    np.testing.assert_allclose(found["explained_variance"].sel(estimator="mean"), 0.0, atol=1e-15)
    np.testing.assert_allclose(found["standard_error"].sel(estimator="mean"), 0.0, atol=1e-15)
    np.testing.assert_allclose(found["explained_variance"].sel(estimator="right"), 1.0)
    np.testing.assert_allclose(found["empirical_floor"], 1.0)


def test_the_share_is_that_of_the_posterior(known):
    found, _, _ = known
    expected = 1 / (1 + SIGMAS**2)
    held = found.sel(estimator="best", part=HELD_OUT)
    z = (held["explained_variance"].values - expected) / held["standard_error"].values
    assert (np.abs(z) < 4.5).all()
    assert (held["standard_error"].values[:3] < 0.1 * expected[:3]).all()


def test_the_standard_error_is_the_spread_of_repeated_draws():
    random = np.random.default_rng(1)
    shares, errors = [], []
    for _ in range(300):
        spread = random.chisquare(DIM, size=(2, 50))
        each = [0.3 * part[None] + random.chisquare(1, size=(1, 50)) for part in spread]
        one = Errors(*each)
        found = explained({"a": one}, one, Errors(*spread), np.zeros(1), SIGMAS[:1]).sel(part=HELD_OUT)
        shares.append(found["explained_variance"].item())
        errors.append(found["standard_error"].item())
    assert np.std(shares) == pytest.approx(np.mean(errors), rel=0.15)


def test_gains_and_lags_are_paired(known):
    found, made, spread = known
    held = found.sel(part=HELD_OUT)
    np.testing.assert_allclose(held["gain"].sel(estimator="best"), 0.0, atol=1e-15)
    np.testing.assert_allclose(held["gain_standard_error"].sel(estimator="best"), 0.0, atol=1e-15)
    loss = made["best"].held_out.mean(axis=1) / spread.held_out.mean()
    np.testing.assert_allclose(held["gain"].sel(estimator="copy"), -0.5 * loss)
    np.testing.assert_allclose(held["behind"].sel(estimator="copy"), 0.5 * loss)
    np.testing.assert_allclose(held["behind"].sel(estimator="best"), 0.0, atol=1e-15)


def test_verdicts(known):
    found, _, _ = known
    assert is_best(found).tolist() == [[True] * 4, [False] * 4, [True, True, False, True]]
    assert is_worse_than_linear(found).tolist() == [[False] * 4, [True] * 4, [False, False, True, False]]
    assert memorised_level(found, "copy") == 1
    assert memorised_level(found, "best") is None
    assert levels_worth_showing(found) == [0, 2, 3]
    assert comparable(found).sizes["sigma"] in (3, 4)


def test_sentences_hold_the_verdicts_and_the_numbers(known):
    found, _, _ = known
    best, half_way, worse, memorises = sentences(found)
    assert best.startswith(
        "Best on held-out data, within error: best at every noise level; bad at σ up to 0.5"
    )
    share = 100 * found["explained_variance"].sel(estimator="best", part=HELD_OUT).isel(sigma=2).item()
    assert f"at σ 1, where the best linear denoiser explains {share:.1f}%: best {share:.1f}% ±" in half_way
    assert worse == "Explains less than the best linear denoiser: copy at every noise level; bad at σ 1."
    seen = 100 * found["explained_variance"].sel(estimator="copy", part=TRAINING).isel(sigma=1).item()
    assert memorises.startswith("copy memorises: at σ 0.5 its held-out loss is ")
    assert f"{seen:.1f}% of the training data" in memorises


def test_one_held_out_point_has_no_error(known):
    _, made, spread = known
    few = {name: Errors(one.held_out[:, :1], one.training) for name, one in made.items()}
    found = explained(few, few["best"], Errors(spread.held_out[:1], spread.training), np.zeros(4), SIGMAS)
    assert np.isinf(found["standard_error"].sel(part=HELD_OUT)).all()
    assert np.isfinite(found["standard_error"].sel(part=TRAINING)).all()
    assert "±" not in sentences(found)[1]
