"""The eigensystem of a diagonal plus a rank-one matrix against 60 digits, deflation and large means
included."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from scorelens.dynamics import moment_eigensystem

RNG = np.random.default_rng(7)


def exact_values(eigenvalues, overlaps, noise_variance):
    """Eigenvalues of ``diag(eigenvalues + noise, 0) + q q^T`` to 60 digits, ascending."""
    with mp.workdps(60):
        q = [mp.mpf(float(m)) for m in overlaps] + [mp.mpf(1)]
        diagonal = [mp.mpf(float(k)) + mp.mpf(float(noise_variance)) for k in eigenvalues] + [mp.mpf(0)]
        n = len(q)
        matrix = mp.matrix(n, n)
        for i in range(n):
            for j in range(n):
                matrix[i, j] = q[i] * q[j] + (diagonal[i] if i == j else 0)
        return sorted(mp.eigsy(matrix, eigvals_only=True))


def random_problem(index):
    d = int(RNG.integers(1, 7))
    lam = 10.0 ** RNG.uniform(-12, 6, d)
    mean = RNG.standard_normal(d) * 10.0 ** RNG.uniform(-8, 6, d)
    if index % 3 == 0:
        lam[RNG.integers(d)] = 0.0
        mean[RNG.integers(d)] = 0.0
    if d > 2:
        lam[1] = lam[0] if index % 2 else lam[1]
        lam[2] = lam[1] * (1 + 3e-16) if index % 5 == 0 else lam[2]
    return lam, mean, 10.0 ** RNG.uniform(np.log10(4e-6), np.log10(6400.0))


def test_every_eigenvalue_is_right_relative_to_itself():
    for index in range(60):
        lam, mean, noise = random_problem(index)
        values, vectors = moment_eigensystem(lam, mean, noise)
        exact = exact_values(lam, mean, noise)
        worst = max(abs(mp.mpf(float(v)) / e - 1) for v, e in zip(values, exact, strict=True))
        assert worst < 1e-14
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(values)), atol=1e-14)


def test_vectors_diagonalise():
    lam, mean = np.array([2.0, 2.0, 0.3, 0.0, 1.0]), np.array([1.0, -0.5, 0.2, 3.0, 0.0])
    values, vectors = moment_eigensystem(lam, mean, 0.25)
    q = np.append(mean, 1.0)
    matrix = np.diag(np.append(lam + 0.25, 0.0)) + np.outer(q, q)
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, matrix, atol=1e-14)


def test_interlacing_and_invariants():
    lam, mean, noise = np.array([0.1, 1.0, 30.0]), np.array([0.4, 2.0, -1.0]), 0.09
    values = moment_eigensystem(lam, mean, noise).values
    poles = np.concatenate([[0.0], lam + noise, [lam[-1] + noise + mean @ mean + 1.0]])
    assert np.all((poles[:-1] < values) & (values <= poles[1:]))
    assert np.prod(values) == pytest.approx(np.prod(lam + noise), rel=1e-13)
    assert values.sum() == pytest.approx((lam + noise).sum() + mean @ mean + 1.0, rel=1e-13)
    assert values[0] < 1.0 / (1.0 + (mean**2 / (lam + noise)).sum())


def test_modes_without_overlap_and_repeated_variances_keep_their_rate():
    values, vectors = moment_eigensystem(np.array([2.0, 2.0, 0.7]), np.array([1.0, 1.0, 0.0]), 0.25)
    assert np.isclose(values, 2.25, rtol=1e-15).sum() == 1
    alone = int(np.flatnonzero(values == 0.95)[0])
    np.testing.assert_array_equal(np.abs(vectors[:, alone]), [0.0, 0.0, 1.0, 0.0])
    still = vectors[:, np.argmin(np.abs(values - 2.25))]
    np.testing.assert_allclose(np.abs(still), [np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0], atol=1e-15)


def test_a_large_mean_slows_the_slowest_direction():
    lam = np.array([1.0, 0.5])
    slow = [moment_eigensystem(lam, m * np.ones(2), 0.01).values[0] for m in (0.0, 1.0, 1e3, 1e6)]
    assert np.all(np.diff(slow) < 0)
    bound = 1.0 / (1.0 + 1e12 * (1 / (lam + 0.01)).sum())
    assert slow[-1] == pytest.approx(bound, rel=1e-10)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        moment_eigensystem(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="eigenvalues must be"):
        moment_eigensystem(np.array([1.0, -1.0]), np.ones(2))
    with pytest.raises(ValueError, match="noise_variance must be"):
        moment_eigensystem(np.ones(2), np.ones(2), -1.0)
    with pytest.raises(ValueError, match="non-finite"):
        moment_eigensystem(np.ones(1), np.array([np.nan]))
