"""Feature maps in the corners where digits are lost, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mpmath import mp

from scorelens.estimators.features import Bins, Fourier, Hermite, Monomials, base
from scorelens.estimators.features.appell import polynomials


def test_moments_of_a_gaussian_by_their_sum():
    a, std = 0.7, 0.4  # [S20]
    odd = [1, 1, 3, 15]
    found = polynomials(np.array([a]), 7, -(std**2))[0]
    for n in range(8):
        terms = (math.comb(n, 2 * j) * odd[j] * std ** (2 * j) * a ** (n - 2 * j) for j in range(n // 2 + 1))
        assert found[n] == pytest.approx(sum(terms), rel=1e-13)


@pytest.mark.parametrize("dim", [64, 784])
def test_sizes_beyond_all_memory_are_told_by_their_order_of_magnitude(dim):
    """At 784 dimensions the count is no float any more."""
    with pytest.raises(ValueError, match="fourier features would take") as refused:
        Fourier.lattice(dim, 3)
    said, count = str(refused.value), math.log10(7) * dim
    assert (
        f"about 10^{2 * count + math.log10(8):.0f} bytes (about 10^{count:.0f} x about 10^{count:.0f}" in said
    )
    assert said.endswith("more than 4 GiB; take random waves (Fourier.random; fourier:random=200)")
    assert len(said) < 200


def test_hermite_averages_under_variance_preserving_noise_shrink_by_alpha_to_the_degree():
    x0 = np.array([[0.4, -1.1]])
    features = Hermite([[3, 2], [5, 1]])  # [S22]
    got = features.mean_jacobian(x0, 0.6, 0.8)
    assert got == pytest.approx(features.jacobian(x0)[0] * 0.6 ** np.array([[4], [5]]), rel=1e-13)
    tiny = 1e-7
    late = Hermite([[2], [3]]).mean_jacobian([[0.5]], tiny, math.sqrt(1 - tiny**2))
    assert late[:, 0] == pytest.approx([2 * tiny * 0.5, 3 * tiny**2 * (0.25 - 1)], rel=1e-13, abs=0)


def test_hermite_features_of_a_standard_normal_have_a_diagonal_system():
    """Section 2.4 and erratum 000-8: the only non-zero coefficients are -1/2 at 2 e_l, not at e_l."""
    features = Hermite.of_degree(2, 3)
    x0 = np.zeros((1, 2))  # alpha 0, std 1: the noised law is standard normal
    matrix, vector = features.gradient_gram(x0, 0.0, 1.0), features.mean_laplacian(x0, 0.0, 1.0)
    factorial = np.array([math.prod(map(math.factorial, row)) for row in features.index.tolist()])
    assert matrix == pytest.approx(np.diag(features.index.sum(axis=1) * factorial), abs=1e-12)
    theta = -np.linalg.solve(matrix, vector)
    axis_squares = (features.index.max(axis=1) == 2) & (features.index.sum(axis=1) == 2)
    assert theta == pytest.approx(np.where(axis_squares, -0.5, 0.0), abs=1e-13)


@pytest.mark.parametrize("k", [1e-6, 0.3, 7.0])
@pytest.mark.parametrize("std", [1e-5, 0.6, 30.0])
def test_fourier_pairs_keep_their_digits(k, std):
    """[S18] by mpmath: C(k - k') - C(k + k') cancels for small frequencies; cosh overflows for large ones."""
    x0, other = [-0.3, 0.8], 1.5 * k
    got = Fourier([[k], [other]]).gradient_gram(np.array(x0)[:, None], 0.9, std)
    with mp.workdps(50):
        a, b = mp.mpf(k), mp.mpf(other)
        points = [mp.mpf(0.9) * mp.mpf(x) for x in x0]

        def characteristic(q):
            return mp.exp(-((mp.mpf(std) * q) ** 2) / 2) * sum(mp.expj(q * x) for x in points) / 2

        less, more = characteristic(a - b), characteristic(a + b)
        cc, ss = (a * b / 2 * mp.re(part) for part in (less - more, less + more))
        cs = -a * b / 2 * (mp.im(more) + mp.im(less))
        expected = [float(v) for v in (cc, ss, cs)]
    assert [got[0, 1], got[2, 3], got[0, 3]] == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_fourier_system_at_large_noise_knows_no_data():
    matrix = Fourier([[1.0], [2.0]]).gradient_gram([[0.3]], 1.0, 40.0)
    assert matrix == pytest.approx(np.diag([0.5, 2.0, 0.5, 2.0]), abs=1e-15)
    assert Fourier([[1.0]]).mean_laplacian([[0.3]], 1.0, 40.0) == pytest.approx([0.0, 0.0], abs=1e-15)


def test_a_lattice_holds_one_of_each_pair_of_opposite_frequencies():
    k = Fourier.lattice(2, 2).frequencies
    assert len(k) == (5**2 - 1) // 2
    assert len(np.unique(np.vstack([k, -k]), axis=0)) == 24
    assert Fourier.lattice(1, 1, period=4.0).frequencies == pytest.approx(np.pi / 2)
    assert Fourier([[1.0, 2.0]]).roughness(2) == pytest.approx([25.0, 25.0])


def test_random_frequencies_come_from_the_seed_and_have_the_length():
    k = Fourier.random(2, 4000, 0.5, seed=3).frequencies
    assert np.array_equal(k, Fourier.random(2, 4000, 0.5, seed=3).frequencies)
    assert not np.array_equal(k, Fourier.random(2, 4000, 0.5, seed=4).frequencies)
    standard_error = 4.0 * math.sqrt(2 / 8000)
    assert abs((k**2).mean() - 4.0) < 4.5 * standard_error < 0.1 * 4.0


def test_multi_indices_up_to_a_degree():
    assert Monomials.of_degree(2, 5).n_features == 20
    assert Monomials.of_degree(2, 2).index.tolist() == [[0, 1], [1, 0], [0, 2], [1, 1], [2, 0]]


@pytest.mark.parametrize("mean", [0.3, -30.0, 30.0])
def test_masses_of_bins_keep_their_digits_in_the_tails(mean):
    edges, std = [-1.0, 0.5, 2.0], 0.9
    got = np.diag(Bins(edges).second_moment([[mean]], 1.0, std))
    with mp.workdps(400):
        cdf = [mp.ncdf((mp.mpf(e) - mp.mpf(mean)) / mp.mpf(std)) for e in edges]
        tail = [mp.ncdf(-(mp.mpf(e) - mp.mpf(mean)) / mp.mpf(std)) for e in edges]
        expected = [cdf[0], cdf[1] - cdf[0], cdf[2] - cdf[1], tail[2]]
        expected = [float(v) for v in expected]
    assert got == pytest.approx(expected, rel=1e-10, abs=1e-300)


def test_the_slope_of_a_bin_is_the_density_at_its_edges():
    x0, std = np.array([[0.2], [-0.9]]), 0.4
    density = np.exp(-((0.8 * x0 - [-0.5, 0.7]) ** 2) / (2 * std**2)) / (std * np.sqrt(2 * np.pi))
    low, high = density.mean(axis=0)
    assert Bins([-0.5, 0.7]).mean_jacobian(x0, 0.8, std)[:, 0] == pytest.approx([-low, low - high, high])


def test_bins_say_which_are_empty_and_need_noise():
    bins = Bins([-1.0, 0.0, 1.0])
    assert bins.empty(np.array([[-0.5], [2.0]])).tolist() == [True, False, True, False]
    with pytest.raises(ValueError, match="slope needs noise"):
        bins.mean_jacobian([[0.3]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Monomials([1, 2]), "index must have shape"),
        (lambda: Monomials([[1.5]]), "whole numbers"),
        (lambda: Hermite([[-1]]), "index must be finite and >= 0"),
        (lambda: Hermite([[1], [1]]), "twice"),
        (lambda: Fourier([[1.0], [0.0]]), "row of zeros"),
        (lambda: Fourier([[np.inf]]), "non-finite"),
        (lambda: Fourier([1.0]), "frequencies must have shape"),
        (lambda: Bins([1.0, 1.0]), "edges must increase"),
        (lambda: Bins([]), "at least one number"),
        (
            lambda: Fourier.lattice(3, 50),
            "fourier features would take 7.72 TiB .* more than 4 GiB",
        ),
        (lambda: Fourier.random(2, 10**6, 1.0, 0), "would take"),
        (lambda: Hermite.of_degree(784, 4), "hermite features would take .* EiB"),
    ],
)
def test_bad_features_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_feature_that_overflows_is_named():
    with pytest.raises(ValueError, match=r"monomials features holds .* non-finite .* lower the degree"):
        Monomials([[3]]).value([[1e200]])


def test_gradients_that_do_not_fit_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr(base, "LARGEST_ARRAY", 100)
    with pytest.raises(ValueError, match="gradients of monomials features would take 120 B"):
        Monomials([[1], [2], [3]]).jacobian(np.zeros((5, 1)))
