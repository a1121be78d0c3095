"""Shrinkage against scikit-learn, against its definition, and against what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf as reference

from scorelens.core.spectrum import Spectrum
from scorelens.networks import AssumedCovariance, shrinkage

TRUE = np.linspace(5.0, 0.05, 20)


def samples(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, len(TRUE))) * TRUE**0.5 + 3.0


def fitted(x: np.ndarray, n_modes: int | None = None) -> Spectrum:
    centred = x - x.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
    kept = slice(None, n_modes)
    order = np.argsort(values)[::-1][kept]
    clipped = np.maximum(values, 0)
    return Spectrum(
        x.mean(axis=0), clipped[order], vectors[:, order], len(x), float(clipped.sum()), (x.shape[1],)
    )


@pytest.mark.parametrize("n", [8, 30, 400])
def test_ledoit_wolf_agrees_with_scikit_learn(n):
    x = samples(n)
    spectrum = fitted(x)
    found = shrinkage.ledoit_wolf(spectrum, [x[: n // 2], x[n // 2 :]])
    expected = np.linalg.eigvalsh(reference(x)[0])[::-1]
    np.testing.assert_allclose(found.modes, expected, rtol=1e-8)


def test_held_out_is_the_mean_square_along_each_mode():
    x, fresh = samples(50), samples(300, seed=1)
    spectrum = fitted(x, n_modes=6)
    modes, rest = shrinkage.held_out(spectrum, [fresh[:100], fresh[100:]])
    np.testing.assert_allclose(modes, np.mean(spectrum.project(fresh) ** 2, axis=0))
    total = np.mean(np.sum((fresh - spectrum.mean) ** 2, axis=1))
    assert rest == pytest.approx((total - modes.sum()) / 14)


@pytest.mark.parametrize("name", ["held-out", "ledoit-wolf"])
def test_shrinkage_comes_closer_to_the_truth(name):
    """Squared error to the population variance along the estimated eigenvectors, the oracle of [E26]."""
    errors = {"none": 0.0, name: 0.0}
    for seed in range(10):
        x, fresh = samples(25, seed), samples(400, seed + 100)
        spectrum = fitted(x)
        oracle = np.einsum("dk,d,dk->k", spectrum.eigenvectors, TRUE, spectrum.eigenvectors)
        for method in errors:
            given = [fresh] if method == "held-out" else [x]
            errors[method] += np.sum((shrinkage.ALL[method](spectrum, given).modes - oracle) ** 2)
    assert errors[name] < 0.7 * errors["none"]


@pytest.mark.parametrize("name", ["held-out", "ledoit-wolf"])
def test_missing_samples_are_refused(name):
    with pytest.raises(ValueError, match=f"shrinkage '{name}' needs samples"):
        AssumedCovariance.from_spectrum(fitted(samples(30)), floor=1e-4, shrinkage=name)


def test_empty_held_out_is_refused():
    with pytest.raises(ValueError, match="needs held-out samples, got none"):
        shrinkage.held_out(fitted(samples(30)), [])


def test_floor_rank_and_rest():
    spectrum = fitted(samples(10))
    covariance = AssumedCovariance.from_spectrum(spectrum, floor=0.01)
    assert covariance.variances.min() == 0.01
    low = AssumedCovariance.from_spectrum(spectrum, floor=0.01, rank=3)
    assert low.eigenvectors.shape == (20, 3)
    assert low.rest == pytest.approx(spectrum.eigenvalues[3:].sum() / 17)
    assert low.mean_variance == pytest.approx(spectrum.total_variance / 20)
    partial = AssumedCovariance.from_spectrum(fitted(samples(10), n_modes=5), floor=0.01, rank=3)
    assert partial.rest == pytest.approx(low.rest)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"floor": 0.0}, "floor must be finite and > 0"),
        ({"floor": 0.1, "rank": 21}, "rank must be between 1 and 20"),
        ({"floor": 0.1, "shrinkage": "ledoitwolf"}, "did you mean 'ledoit-wolf'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AssumedCovariance.from_spectrum(fitted(samples(30)), **options)
