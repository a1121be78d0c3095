"""The peak of implicit score matching at m = N d, where the text says and with what the text says."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.analysis.overparametrisation import SOLVERS, overparametrisation
from scorelens.estimators import MixtureDenoiser
from scorelens.results import schema

CENTRES = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0]])
RATIOS = (0.25, 0.5, 0.8, 0.9, 1.0, 1.1, 1.25, 2.0, 4.0)


def gaussian_case():
    law = MixtureDenoiser.of_covariances([1.0], np.zeros((1, 2)), [np.eye(2)])
    return np.random.default_rng(0).standard_normal((600, 2)), law


def mixture_case():
    generator = np.random.default_rng(1)
    draws = CENTRES[generator.integers(0, 3, 1060)] + 0.4 * generator.standard_normal((1060, 2))
    return draws, MixtureDenoiser.of_covariances([1.0, 1.0, 1.0], CENTRES, [0.16 * np.eye(2)] * 3)


@pytest.fixture(scope="module", params=[gaussian_case, mixture_case], ids=["gaussian", "mixture"])
def found(request):
    draws, law = request.param()
    return overparametrisation(draws, reference=law, ratios=RATIOS, n_seeds=4)


def test_the_peak_is_where_features_and_equations_are_equally_many(found):
    # Counting N equations instead of N d would put it at 2.
    assert 0.9 <= float(found["peak"]) <= 1.12
    median = found["error_median"].sel(solver=SOLVERS[0]).values
    assert median.max() > 1e3 * median[[RATIOS.index(0.5), RATIOS.index(4.0)]].max()


def test_rank_and_existence_are_those_of_the_text(found):
    equations = int(found["n_events"]) * int(found["dim"])
    expected = np.minimum(found["n_features"].values, equations)
    np.testing.assert_array_equal(
        found["rank"].values, np.broadcast_to(expected, found["rank"].shape)
    )  # [S7]
    beyond = found["ratio"].values > 1  # [S8]
    assert found["residual"].values[:, beyond].min() > 1e-6
    assert found["residual"].values[:, ~beyond].max() < 1e-6


def test_ridge_and_exact_noise_have_no_peak(found):
    for solver in SOLVERS[1:]:
        median = found["error_median"].sel(solver=solver).values
        near = median[RATIOS.index(0.8) : RATIOS.index(1.25) + 1]
        assert near.max() < 5 * near.min()
        assert median.max() < 2 * float(found["error_of_zero"].mean())


def test_labels_and_quantiles(found):
    schema.check(found, theory=["error", "rank", "residual", "peak"])
    assert (found["error_low"] <= found["error_median"]).all()
    assert (found["error_median"] <= found["error_high"]).all()
    np.testing.assert_allclose(found["ratio"].values, RATIOS)


def test_error_of_a_score_of_zero_is_the_mean_square_of_the_true_one():
    draws, law = gaussian_case()
    found = overparametrisation(draws, reference=law, sigma=0.5, ratios=(0.1,), n_seeds=20)
    # sigma^2 E|x / (1 + sigma^2)|^2 / d over the noise, for the second moment of these very events
    expected = 0.25 * ((draws**2).mean() + 0.25) / 1.25**2
    errors = found["error_of_zero"].values
    standard_error = errors.std() / 20**0.5
    assert errors.mean() == pytest.approx(expected, abs=4.5 * standard_error)
    assert standard_error < 0.01 * expected


def test_a_known_law_and_the_law_of_many_events_agree():
    draws, law = mixture_case()
    known, held_out = (
        overparametrisation(draws, reference=one, ratios=(0.5,), n_seeds=2) for one in (law, None)
    )
    exact = [one["error"].sel(solver=SOLVERS[2]).values for one in (known, held_out)]
    np.testing.assert_allclose(*exact, rtol=0.25)


def test_images_of_many_values_take_few_events():
    events = np.random.default_rng(0).standard_normal((40, 1, 4, 4))
    found = overparametrisation(events, ratios=(0.8, 1.0, 1.25), n_seeds=2)
    assert int(found["n_events"]) * 16 == pytest.approx(120, abs=16)
    assert float(found["peak"]) == 1.0


@pytest.mark.parametrize(
    ("events", "settings", "message"),
    [
        (np.zeros((10, 2)), {}, "all alike"),
        (np.zeros((3, 2)), {}, "at least 4"),
        (np.zeros(10), {}, "must have shape"),
        (np.full((10, 2), np.nan), {}, "non-finite"),
        (np.ones((10, 301)), {}, "301 values each"),
        (np.eye(10), {"sigma": -1.0}, "sigma must be"),
        (np.eye(10), {"n_seeds": 0}, "n_seeds must be"),
    ],
)
def test_bad_input(events, settings, message):
    with pytest.raises(ValueError, match=message):
        overparametrisation(events, **settings)
