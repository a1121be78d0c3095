"""Emergence of spatial frequencies from a local filter."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.dynamics import (
    ExactSampler,
    OneLayer,
    PatchConvolution,
    emergence_time,
    patch_emergence_time,
    square_patch,
)

RANGE = ExactSampler(0.01, 20.0)


def _power(size):
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    return 0.2 / (frequency + 0.05) ** 2


@pytest.mark.parametrize("criterion", ["harmonic", "geometric", "arithmetic", "band"])
def test_a_filter_as_large_as_the_image_emerges_like_one_layer_at_the_pace_of_all_pixels(criterion):
    power = np.array([3.0, 1.0, 0.2, 0.05, 0.05, 0.2, 1.0])
    offsets = np.arange(-3, 4)
    law = PatchConvolution.of_power(power, offsets, 0.1 * (offsets == 0))
    found = patch_emergence_time(law, criterion=criterion, sampler=RANGE)
    single = emergence_time(OneLayer(0.1), power, criterion=criterion, sampler=RANGE)
    np.testing.assert_allclose(found.flow_time, single.flow_time / 7, rtol=1e-9)
    assert found.status.tolist() == single.status.tolist()


def test_at_its_emergence_the_variance_is_the_mean_of_start_and_target():
    law = PatchConvolution.of_power(_power(8), square_patch(3))
    frequencies = np.array([0, 3, 20])
    found = patch_emergence_time(
        law, frequencies=frequencies, criterion="geometric", target="asymptote", sampler=RANGE
    )
    start, limit = (
        value.ravel()[frequencies]
        for value in (law.log_start_variance(*RANGE.ends), law.log_limit_variance(*RANGE.ends))
    )
    reached = law.trajectory(*RANGE.ends, frequencies).growth(found.flow_time) + start
    np.testing.assert_allclose(reached, 0.5 * (start + limit), atol=1e-12)


def test_what_a_small_filter_cannot_learn_is_unreachable():
    power = np.full(64, 1e-4)
    power[[7, 57]] = 5.0
    law = PatchConvolution.of_power(power, [-1, 0, 1])
    limit = law.log_limit_variance(*RANGE.ends)[7]
    found = patch_emergence_time(law, frequencies=np.array([7]), criterion="band", sampler=RANGE)
    assert limit < np.log(5.0 / 1.25)
    assert found.status.tolist() == ["unreachable"]
    assert found.flow_time[0] == np.inf


def test_an_unknown_target_is_refused():
    with pytest.raises(ValueError, match=r"unknown target 'date'.*did you mean 'data'"):
        patch_emergence_time(PatchConvolution([1.0, 0.0], [0]), target="date")


def test_any_order_and_repetition_of_frequencies():
    law = PatchConvolution.of_power(_power(6), square_patch(3), 0.1 * (square_patch(3) == 0).all(axis=1))
    whole = patch_emergence_time(law, sampler=RANGE)
    some = np.array([35, 7, 7, 0, 12])
    part = patch_emergence_time(law, frequencies=some, sampler=RANGE)
    np.testing.assert_allclose(part.flow_time, whole.flow_time[some], rtol=1e-12)
    each = law.trajectory(*RANGE.ends, np.arange(36)).growth(whole.flow_time)
    start, power = law.log_start_variance(*RANGE.ends).ravel(), law.fourier_variance.ravel()
    harmonic = np.log(2.0) - np.logaddexp(-start, -np.log(power))
    emerged = whole.status == "emerged"
    assert emerged.sum() > 30
    np.testing.assert_allclose((each + start)[emerged], harmonic[emerged], atol=1e-9)
