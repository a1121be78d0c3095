"""Gaussian data have exactly the covariance they declare."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scorelens.data import load
from scorelens.data.gaussian import Gaussian, true_eigenvalues


@pytest.mark.parametrize("spectrum", ["lognormal", "powerlaw"])
@pytest.mark.parametrize("rotate", ["random", "none"])
def test_sample_variances_along_the_true_eigenvectors(spectrum: str, rotate: str) -> None:
    source = Gaussian(dim=12, spectrum=spectrum, rotate=rotate)
    samples = load(source.spec, seed=4)[:].astype(float)
    coordinates = samples @ source.eigenvectors(seed=4)
    exact = source.eigenvalues()
    standard_error = exact * np.sqrt(2 / len(samples))
    assert np.all(standard_error < 0.05 * exact)
    assert np.all(np.abs((coordinates**2).mean(axis=0) - exact) < 4.5 * standard_error)
    correlation = np.corrcoef(coordinates.T)[np.triu_indices(12, 1)]
    assert np.abs(correlation).max() < 4.5 / np.sqrt(len(samples))


def test_lognormal_eigenvalues_are_quantiles_of_the_declared_law() -> None:
    eigenvalues = Gaussian(dim=99, log_std=0.7).eigenvalues()
    logarithm = np.log(eigenvalues) - np.log(np.median(eigenvalues))
    quantile = stats.norm.cdf(logarithm, scale=0.7)
    np.testing.assert_allclose(quantile[::-1], (np.arange(99) + 0.5) / 99, rtol=1e-10)


def test_power_law_has_the_declared_exponent_and_mean() -> None:
    eigenvalues = true_eigenvalues("gaussian:dim=50,spectrum=powerlaw,exponent=2.5,variance=3")
    slope = np.diff(np.log(eigenvalues)) / np.diff(np.log(np.arange(1, 51)))
    np.testing.assert_allclose(slope, -2.5, rtol=1e-10)
    assert eigenvalues.mean() == pytest.approx(3, rel=1e-12)


@pytest.mark.parametrize("spectrum", ["lognormal", "powerlaw"])
def test_eigenvalues_descend(spectrum: str) -> None:
    assert np.all(np.diff(Gaussian(dim=300, spectrum=spectrum).eigenvalues()) < 0)


def test_eigenvectors_are_orthogonal_and_follow_the_seed() -> None:
    vectors = Gaussian(dim=40).eigenvectors(seed=1)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(40), atol=1e-12)
    assert not np.allclose(vectors, Gaussian(dim=40).eigenvectors(seed=2))


def test_more_samples_begin_with_the_same_ones() -> None:
    few, many = load("gaussian:dim=8,n=100")[:], load("gaussian:dim=8,n=300")[:]
    np.testing.assert_array_equal(many[:100], few)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("dims=3", "unknown option of gaussian 'dims'; choose from dim, .*; did you mean 'dim'?"),
        ("dim", "malformed option 'dim' of gaussian; write it as in gaussian:dim=256"),
        ("dim=", "malformed option 'dim='"),
        ("dim=3,,n=5", "malformed option ''"),
        ("dim=3,dim=4", "'dim' of gaussian is given twice"),
        ("dim=2.5", "dim must be an integer, got '2.5'"),
        ("dim=many", "dim must be an integer, got 'many'"),
        ("dim=inf", "dim must be an integer, got 'inf'"),
        ("dim=0", "dim must be at least 1, got 0"),
        ("n=1", "n must be at least 2, got 1; one sample has no variance"),
        ("variance=0", "variance must be finite and > 0, got 0"),
        ("variance=nan", "variance must be finite and > 0, got nan"),
        ("variance=big", "variance must be a number, got 'big'"),
        ("exponent=-1", "exponent must be finite and >= 0, got -1"),
        ("spectrum=lognorm", "unknown spectrum 'lognorm'; .*did you mean 'lognormal'"),
        ("rotate=yes", "unknown rotate 'yes'; choose from random, none"),
        (
            "dim=1000000",
            "n \\* dim must be at most 2,147,483,648 numbers .*, got 20,000,000,000",
        ),
        ("dim=100000,n=10", "dim \\* dim must be at most .*; use rotate=none"),
    ],
)
def test_wrong_options_are_refused(options: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(f"gaussian:{options}")


def test_integers_may_be_written_in_scientific_notation() -> None:
    assert Gaussian.parse("n=2e3,dim=4").n == 2000


def test_only_gaussian_data_have_a_known_spectrum() -> None:
    with pytest.raises(ValueError, match="unknown data with a known spectrum 'digits'"):
        true_eigenvalues("digits")
