"""Streaming moments against two-pass NumPy, for any split of the data and any mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorelens.core import blocks
from scorelens.core.blocks import row_blocks
from scorelens.core.feature_moments import FeatureMoments
from scorelens.core.moments import Moments

RNG = np.random.default_rng(3)


def moments_of(*parts: np.ndarray) -> Moments:
    moments = Moments(parts[0].shape[1])
    for part in parts:
        moments.update(part)
    return moments


def assert_same(found: Moments, expected: Moments, rtol: float = 1e-11) -> None:
    assert found.n_samples == expected.n_samples
    scale = np.abs(expected.covariance()).max() + 1e-300
    np.testing.assert_allclose(found.mean, expected.mean, rtol=rtol, atol=rtol * scale**0.5)
    np.testing.assert_allclose(found.covariance(), expected.covariance(), atol=rtol * scale)


arrays = st.builds(
    lambda n, d, seed, mean: mean + np.random.default_rng(seed).standard_normal((n, d)),
    st.integers(3, 60),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, -7.0, 1e6]),
)


@given(arrays, st.data())
@settings(max_examples=60, deadline=None)
def test_any_split_gives_numpys_covariance(x, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(x)), max_size=5)))
    moments = moments_of(*np.split(x, cuts))
    np.testing.assert_allclose(moments.mean, x.mean(axis=0), rtol=1e-12, atol=1e-12)
    centred = x - x.mean(axis=0)
    np.testing.assert_allclose(moments.covariance(), centred.T @ centred / len(x), atol=1e-9)


@given(arrays, st.data())
@settings(max_examples=60, deadline=None)
def test_merging_is_associative_and_symmetric_up_to_rounding(x, data):
    low = data.draw(st.integers(0, len(x)))
    high = data.draw(st.integers(low, len(x)))
    a, b, c = (moments_of(part) for part in (x[:low], x[low:high], x[high:]))
    whole = moments_of(x)
    tolerance = 1e-9  # a mean of 1e6 leaves ten digits of the spread
    assert_same(a.merge(b).merge(c), whole, tolerance)
    assert_same(a.merge(b.merge(c)), whole, tolerance)
    assert_same(c.merge(a).merge(b), whole, tolerance)


def test_merging_leaves_the_parts_alone():
    a, b = moments_of(RNG.standard_normal((5, 3))), moments_of(RNG.standard_normal((7, 3)))
    before = a.covariance(), b.covariance()
    merged = a.merge(b)
    merged.update(RNG.standard_normal((4, 3)))
    Moments(3).merge(a).update(RNG.standard_normal((4, 3)))
    np.testing.assert_array_equal(a.covariance(), before[0])
    np.testing.assert_array_equal(b.covariance(), before[1])
    with pytest.raises(ValueError, match="dimension 3 and 4"):
        a.merge(Moments(4))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_mean_far_larger_than_the_spread_costs_no_accuracy(dtype):
    spread = np.round(RNG.standard_normal((4000, 5)) * 64) / 64  # exact after adding the mean
    mean = 2.0**40 if dtype is np.float64 else 2.0**14
    x = (mean + spread).astype(dtype)
    moments = moments_of(*np.split(x, [10, 1500, 1501]))
    truth = np.cov(spread.T, bias=True)
    np.testing.assert_allclose(moments.covariance(), truth, atol=1e-12)
    np.testing.assert_allclose(moments.mean - mean, spread.mean(axis=0), atol=4e-16 * mean + 1e-12)
    # Sums of squares without the shift would have lost everything here.
    naive = (x.astype(np.float64) ** 2).mean(axis=0) - x.astype(np.float64).mean(axis=0) ** 2
    assert np.abs(naive - np.diag(truth)).max() > 1e3 * np.abs(np.diag(moments.covariance() - truth)).max()


def test_a_drifting_mean_costs_no_accuracy():
    x = RNG.standard_normal((3000, 4)) + np.repeat([[0.0], [1e7], [-1e7]], 1000, axis=0)
    moments = moments_of(*np.split(x, 30))
    centred = x - x.mean(axis=0)
    np.testing.assert_allclose(moments.covariance(), centred.T @ centred / 3000, rtol=1e-13)


def test_constant_features_are_named_through_blocks_and_merges():
    x = RNG.standard_normal((900, 4))
    x[:, 1], x[:, 3] = 0.1, 1e9 / 3
    halves = moments_of(*np.split(x[:400], 7 * [50])), moments_of(x[400:])
    for moments in (moments_of(x), halves[0].merge(halves[1])):
        np.testing.assert_array_equal(moments.constant_features, [1, 3])
    np.testing.assert_array_equal(halves[0].merge(halves[1]).mean[[1, 3]], x[0, [1, 3]])


def test_large_blocks_are_cut_to_bounded_chunks(monkeypatch):
    x = RNG.standard_normal((1000, 16))
    expected = moments_of(x)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 8 * 16 * 100)
    assert {len(chunk) for chunk in row_blocks(x)} == {100}
    assert_same(moments_of(x), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16, ">f8"])
def test_dtypes_are_taken_as_numbers(dtype):
    x = (RNG.random((60, 3)) * 200).astype(dtype)
    np.testing.assert_allclose(moments_of(x).covariance(), np.cov(x.T.astype(float), bias=True), rtol=1e-12)


def test_events_of_any_shape_and_layout():
    images = np.asfortranarray(RNG.standard_normal((20, 3, 2, 2)))
    moments = Moments(12)
    moments.update(images)
    moments.update(images[::-1])
    assert moments.n_samples == 40
    np.testing.assert_allclose(moments.mean, images.reshape(20, 12).mean(axis=0), atol=1e-15)


def test_first_bad_number_is_named_over_all_blocks():
    moments = moments_of(RNG.standard_normal((10, 3)))
    bad = RNG.standard_normal((5, 3))
    bad[2, 1], bad[4, 0] = -np.inf, np.nan
    with pytest.raises(ValueError, match=r"sample 12 holds -inf at feature 1.*remove or repair"):
        moments.update(bad)
    assert moments.n_samples == 10
    with pytest.raises(ValueError, match="sample 0 holds nan"):
        Moments(1).update(np.array([[np.nan], [1.0]]))


def test_numbers_too_large_are_refused_not_turned_into_infinity():
    with pytest.raises(ValueError, match="too large"):
        Moments(1).update(np.array([[1.7e308], [-1.7e308]]))
    moments = moments_of(np.array([[1e200], [-1e200]]))
    with pytest.raises(ValueError, match="rescale"):
        moments.spectrum((1,))


@pytest.mark.parametrize(
    ("block", "error", "message"),
    [
        (np.zeros((2, 4)), ValueError, r"events of 3 numbers each, got shape \(2, 4\)"),
        (np.zeros(3), ValueError, "events of 3 numbers"),
        (np.zeros((2, 3), dtype=complex), TypeError, "dtype complex128"),
        (np.array([["a", "b", "c"]]), TypeError, "must be real numbers"),
        (np.array([[None, 1, 2]]), TypeError, "dtype object"),
        (np.zeros((2, 3), dtype=bool), TypeError, "dtype bool"),
    ],
)
def test_wrong_blocks_are_refused(block, error, message):
    with pytest.raises(error, match=message):
        Moments(3).update(block)


def test_too_few_samples_and_modes_are_refused():
    with pytest.raises(ValueError, match=r"at least 2, got 1; one sample has no covariance"):
        moments_of(np.zeros((1, 3))).spectrum((3,))
    with pytest.raises(ValueError, match="between 1 and the dimension 3, got 4"):
        moments_of(np.eye(3)).spectrum((3,), n_modes=4)
    with pytest.raises(ValueError, match="mean must have shape"):
        moments_of(np.eye(3)).spectrum((4,))


def test_gather_in_one_process_is_a_copy():
    moments = moments_of(RNG.standard_normal((9, 3)))
    gathered = moments.gather()
    np.testing.assert_array_equal(gathered.covariance(), moments.covariance())
    gathered.update(np.ones((1, 3)))
    assert moments.n_samples == 9


@given(arrays, st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_feature_moments_are_numpys(x, rows):
    moments = FeatureMoments()
    for block in row_blocks(x * (1 + 2j), rows):
        moments.update(block)
    np.testing.assert_allclose(moments.mean, x.mean(axis=0) * (1 + 2j), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(moments.variance, 5 * x.var(axis=0), atol=1e-8)
