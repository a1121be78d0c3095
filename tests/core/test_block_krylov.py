"""Block Krylov iteration against operators whose spectrum is known."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core.block_krylov import block_krylov

D = 400
INDEX = np.arange(1, D + 1)
SPECTRA = {
    "1/k": INDEX**-1.0,
    "k^-1.5": INDEX**-1.5,
    "exponential": np.exp(-INDEX / 15),
    "one spike": np.r_[1.0, np.full(D - 1, 1e-4)],
    "slow": INDEX**-0.2,
    "linear": np.linspace(1, 0, D),
    "cluster": np.r_[1 + 1e-5 * np.linspace(1, 0, 30), np.linspace(0.9, 0, D - 30)],
    "low rank": np.r_[np.linspace(2, 1, 5), np.zeros(D - 5)],
    "equal": np.ones(D),
    "lognormal": np.sort(np.exp(1.5 * np.random.default_rng(0).standard_normal(D)))[::-1],
}


def rotated(eigenvalues: np.ndarray):
    frame = np.linalg.qr(np.random.default_rng(5).standard_normal((D, D)))[0]
    return (lambda v: frame @ (eigenvalues[:, None] * (frame.T @ v))), frame


@pytest.mark.parametrize("n_modes", [1, 20])
@pytest.mark.parametrize("name", SPECTRA)
def test_error_estimate_bounds_the_true_error_once_converged(name, n_modes):
    operator, _ = rotated(SPECTRA[name])
    pairs = block_krylov(operator, D, n_modes, tolerance=1e-3)
    error = np.abs(pairs.values - SPECTRA[name][:n_modes])
    assert pairs.converged.all()
    assert (error <= pairs.errors).all()
    assert (pairs.errors >= D * np.finfo(float).eps * pairs.values[0]).all()
    assert (pairs.errors <= 1e-3 * pairs.values + 1e-12).all()
    np.testing.assert_allclose(pairs.vectors.T @ pairs.vectors, np.eye(n_modes), atol=1e-11)


@pytest.mark.parametrize("max_passes", [3, 4, 6])
@pytest.mark.parametrize("name", SPECTRA)
def test_error_estimate_holds_when_stopped_early(name, max_passes):
    operator, _ = rotated(SPECTRA[name])
    for seed in range(3):
        pairs = block_krylov(operator, D, 20, tolerance=1e-12, max_passes=max_passes, seed=seed)
        assert pairs.n_passes <= max_passes
        assert (np.abs(pairs.values - SPECTRA[name][:20]) <= pairs.errors).all()


def test_estimate_is_not_vacuous():
    operator, _ = rotated(SPECTRA["1/k"])
    pairs = block_krylov(operator, D, 20, tolerance=1e-3)
    assert pairs.errors[-1] > 1e-6 * pairs.values[-1]
    assert pairs.errors.max() < 1e-2


def test_values_approach_from_below_and_improve_with_passes():
    operator, _ = rotated(SPECTRA["linear"])
    values = [block_krylov(operator, D, 5, tolerance=1e-14, max_passes=p).values for p in (3, 4, 5, 8, 12)]
    assert (np.diff(values, axis=0) > -1e-13).all()
    assert (values[-1] <= SPECTRA["linear"][:5] + 1e-13).all()


def test_eigenvectors_are_found_where_they_are_separated():
    operator, frame = rotated(SPECTRA["exponential"])
    pairs = block_krylov(operator, D, 10, tolerance=1e-6)
    np.testing.assert_allclose(np.abs(frame[:, :10].T @ pairs.vectors), np.eye(10), atol=1e-4)


@pytest.mark.parametrize("dim", [1, 2, 9])
def test_all_modes_of_a_small_operator(dim):
    matrix = np.diag(np.arange(1.0, dim + 1))
    pairs = block_krylov(lambda v: matrix @ v, dim, dim)
    np.testing.assert_allclose(pairs.values, np.arange(dim, 0, -1), rtol=1e-12)


def test_a_lone_large_eigenvalue_is_found_however_loose_the_tolerance():
    operator, _ = rotated(SPECTRA["one spike"])
    pairs = block_krylov(operator, D, 1, tolerance=10.0)
    np.testing.assert_allclose(pairs.values, 1.0, rtol=1e-3)


def test_zero_operator():
    pairs = block_krylov(np.zeros_like, 50, 3)
    np.testing.assert_array_equal(pairs.values, 0)
    assert pairs.converged.all()


def test_seed_decides_everything():
    operator, _ = rotated(SPECTRA["slow"])
    first, second = (block_krylov(operator, D, 3, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.vectors, second.vectors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_modes": 0}, "between 1 and the dimension 4, got 0"),
        ({"n_modes": 5}, "between 1 and the dimension 4, got 5"),
        ({"n_modes": 1, "tolerance": 0.0}, "tolerance must be"),
        ({"n_modes": 1, "max_passes": 2}, "at least 3, got 2; fewer can miss"),
    ],
)
def test_impossible_requests_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        block_krylov(lambda v: v, 4, **arguments)


INDEFINITE = {
    "symmetric about 0": np.linspace(1, -1, D),
    "largest are negative": -(np.linspace(1, 5, D) ** 2),
    "below is larger": np.r_[np.linspace(1, 0.1, 40), np.zeros(D - 60), np.linspace(-3, -5, 20)],
    "repeated": np.r_[np.ones(25), np.linspace(0.5, -0.5, D - 25)],
    "cluster": np.r_[1 + 1e-6 * np.linspace(1, 0, 25), np.linspace(0.8, -1, D - 25)],
    "a positive few": np.r_[3.0, 2.0, -np.linspace(0.1, 1, D - 2)],
}


@pytest.mark.parametrize("name", INDEFINITE)
def test_largest_of_an_indefinite_operator(name):
    operator, _ = rotated(INDEFINITE[name])
    pairs = block_krylov(operator, D, 20, semidefinite=False, max_passes=400)
    error = np.abs(pairs.values - INDEFINITE[name][:20])
    assert pairs.converged.all()
    assert (error <= pairs.errors).all()
    assert (pairs.errors <= 1e-3 * np.abs(pairs.values) + 1e-11).all()


@pytest.mark.parametrize("name", ["1/k", "exponential", "slow", "lognormal", "linear"])
def test_narrow_blocks_need_fewer_columns(name):
    operator, _ = rotated(SPECTRA[name])
    columns = {}
    for block in (None, 4):
        seen: list[int] = []

        def counted(v, seen=seen):
            seen.append(v.shape[1])
            return operator(v)

        pairs = block_krylov(counted, D, 20, block=block, max_passes=400)
        assert pairs.converged.all()
        assert (np.abs(pairs.values - SPECTRA[name][:20]) <= pairs.errors).all()
        columns[block] = sum(seen)
    assert columns[4] < 0.8 * columns[None]


def test_narrow_blocks_of_an_operator_that_leaves_nothing_new():
    pairs = block_krylov(np.zeros_like, 50, 12, block=3)
    np.testing.assert_array_equal(pairs.values, 0)
    low_rank = np.r_[np.linspace(2, 1, 5), np.zeros(D - 5)]
    pairs = block_krylov(rotated(low_rank)[0], D, 20, block=2, max_passes=100)
    np.testing.assert_allclose(pairs.values, low_rank[:20], atol=1e-11)


def test_the_accuracy_of_the_operator_enters_the_errors():
    exact, _ = rotated(SPECTRA["exponential"])
    pairs = block_krylov(lambda v: exact(v.astype(np.float32)).astype(np.float32), D, 20, accuracy=3e-6)
    assert pairs.converged.all()
    assert (np.abs(pairs.values - SPECTRA["exponential"][:20]) <= pairs.errors).all()
    assert (pairs.errors >= 3e-6 * 0.99).all()


def test_stopped_early_says_so():
    operator, _ = rotated(INDEFINITE["symmetric about 0"])
    pairs = block_krylov(operator, D, 20, semidefinite=False, tolerance=1e-9, max_passes=4)
    assert not pairs.converged.any()
    assert (np.abs(pairs.values - INDEFINITE["symmetric about 0"][:20]) <= pairs.errors).all()
