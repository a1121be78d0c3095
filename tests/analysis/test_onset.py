"""Onset of memorisation from curves of known shape, and the words for it."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from scorelens.analysis import memorization_words
from scorelens.analysis.onset import NONE, ONSET, UNCERTAIN, onset

STEPS = [0, 1, 5, 20, 80, 300, 1000, 4000]
LEARNS = [9.0, 8.0, 5.0, 3.0, 2.0, 1.9, 1.8, 1.8]
TURNS = [9.0, 8.0, 5.0, 3.0, 2.0, 2.5, 3.0, 4.0]
FALLS = [9.0, 8.0, 5.0, 3.0, 1.5, 1.0, 0.5, 0.2]


def _losses(*held_out, train=FALLS, error=0.05, train_error=0.05):
    held_out = np.array(held_out, dtype=float).T
    each = ("step", "sigma")
    return xr.Dataset(
        {
            "held_out_loss": (each, held_out),
            "held_out_standard_error": (each, np.full(held_out.shape, error)),
            "train_loss": (each, np.repeat(np.array(train)[:, None], held_out.shape[1], axis=1)),
            "train_standard_error": (each, np.full(held_out.shape, train_error)),
        },
        {"step": STEPS[: len(held_out)], "sigma": np.geomspace(0.1, 10, held_out.shape[1])},
    )


def _measured(p_value=0.5, ratio=0.31, comparable=True):
    numbers = {
        "distance_ratio": ratio,
        "distance_ratio_low": 0.28,
        "distance_ratio_high": 0.35,
        "near_copy_share": 0.125,
        "near_copy_share_low": 0.09,
        "near_copy_share_high": 0.17,
        "near_copy_p_value": p_value,
        "false_alarm_rate": 0.002,
        "comparable": comparable,
    }
    return xr.Dataset({k: ("step", [v]) for k, v in numbers.items()}, {"step": [4000]}, {"n_generated": 256})


def test_held_out_loss_that_turns_upwards_is_onset_at_its_minimum():
    found = onset(_losses(LEARNS, TURNS))
    assert found.status == (NONE, ONSET)
    assert (found.overall, found.first_step, found.leading) == (ONSET, 80.0, 1)
    assert found.rises.tolist() == [0, 3]
    np.testing.assert_allclose(found.rise, [0, 1])
    assert np.isnan(found.step[0])


@pytest.mark.parametrize("until", range(1, len(STEPS) + 1))
def test_it_is_said_at_the_third_rise_not_before(until):
    found = onset(_losses(TURNS[:until], train=FALLS[:until]))
    expected = {
        1: UNCERTAIN,
        2: UNCERTAIN,
        3: UNCERTAIN,
        4: NONE,
        5: NONE,
        6: UNCERTAIN,
        7: UNCERTAIN,
        8: ONSET,
    }
    assert found.overall == expected[until]


def test_a_rise_within_the_standard_errors_is_none():
    assert onset(_losses(TURNS, error=1.0)).overall == NONE
    assert onset(_losses(TURNS, error=0.1)).overall == ONSET


def test_the_error_of_the_minimum_counts_too():
    """A rise of 2.5 errors of either, which is 1.8 of their difference, is none; one of 3.5 is."""
    small = [9.0, 8.0, 5.0, 3.0, 2.0, 2.25, 2.25, 2.25]
    assert onset(_losses(small, error=0.1)).overall == NONE
    assert onset(_losses([*small[:5], 2.35, 2.35, 2.35], error=0.1)).overall == ONSET


def test_of_several_onsets_the_first_and_the_largest_are_told():
    early = [9.0, 8.0, 5.0, 2.0, 2.4, 2.4, 2.4, 2.4]
    found = onset(_losses(TURNS, early))
    assert found.step.tolist() == [80.0, 20.0]
    assert (found.first_step, found.leading) == (20.0, 0)


def test_measurements_in_any_order_are_the_same():
    shuffled = _losses(LEARNS, TURNS).isel(step=[7, 0, 3, 1, 6, 2, 5, 4])
    found = onset(shuffled)
    assert (found.status, found.first_step, found.last_step) == ((NONE, ONSET), 80.0, 4000)


def test_a_rise_that_is_undone_is_none():
    assert onset(_losses([9.0, 3.0, 2.0, 3.0, 4.0, 3.0, 2.5, 2.0])).overall == NONE


def test_a_rise_of_both_losses_is_uncertain():
    assert onset(_losses(TURNS, train=[9.0, 8.0, 5.0, 3.0, 1.5, 1.6, 1.7, 1.8])).overall == UNCERTAIN


def test_a_start_that_both_losses_leave_upwards_is_no_onset_yet():
    held_out = [1.0, 3.0, 3.5, 3.0, 2.0, 2.1, 2.2, 2.3]
    found = onset(_losses(held_out, train=[1.0, 3.0, 3.5, 3.0, 2.0, 0.9, 0.5, 0.2]))
    assert (found.overall, found.first_step) == (ONSET, 80.0)


def test_losses_that_rise_together_are_none():
    both = [1.0, 3.0, 3.5, 3.0, 2.0, 2.1, 2.2, 2.3]
    assert onset(_losses(both, train=both)).overall == NONE


def test_a_rise_without_a_gap_is_none():
    assert onset(_losses(TURNS, train_error=5.0)).overall == NONE


def test_patience_counts_measurements():
    assert onset(_losses(TURNS), patience=4).overall == UNCERTAIN
    assert onset(_losses(TURNS[:6], train=FALLS[:6]), patience=1).overall == ONSET


def test_no_false_onset_in_noise_about_a_plateau():
    rng = np.random.default_rng(0)
    curves = [np.array(LEARNS) + 0.05 * rng.standard_normal(len(STEPS)) for _ in range(300)]
    found = onset(_losses(*curves))
    assert sum(status == ONSET for status in found.status) <= 6


def test_the_warning_names_level_count_and_ratio():
    text = memorization_words.memorization_warning(_losses(LEARNS, TURNS), _measured())
    assert text == (
        "The model is learning its training data by heart: held-out loss at σ 10 has risen for 3 "
        "measurements, since step 80; nearest-neighbour ratio 0.31."
    )


def test_near_copies_alone_are_enough_for_a_warning():
    text = memorization_words.memorization_warning(None, _measured(p_value=1e-6))
    assert "12.5% of the samples are near-copies of training points (0.2% of fresh data would be)" in str(
        text
    )


@pytest.mark.parametrize("losses", [None, _losses(LEARNS)])
@pytest.mark.parametrize("measured", [None, _measured()])
def test_nothing_to_warn_of(losses, measured):
    assert memorization_words.memorization_warning(losses, measured) is None


def test_sentences_are_true_of_the_numbers():
    quiet = memorization_words.memorization_sentences(_losses(LEARNS), _measured())
    assert quiet[0] == (
        "The model does not memorise its training data: held-out loss has not turned upwards and its samples "
        "hold no more near-copies than fresh data."
    )
    assert quiet[1] == "Held-out loss has not turned upwards at any noise level: no onset of memorisation."
    assert quiet[2].endswith("times as far from the training data as held-out data do (95%: 0.28 to 0.35).")
    assert "12.5% of 256 samples are near-copies of training points (95%: 9.0% to 17.0%)" in quiet[2]
    assert "no more than chance explains" in quiet[2]
    loud = memorization_words.memorization_sentences(_losses(LEARNS, TURNS), _measured(p_value=1e-9))
    assert "Training turned to memorising at step 80" in loud[1]
    assert "rises at σ 10, while" in loud[1]
    assert "copies of training data" in loud[2]
    unsure = memorization_words.memorization_sentences(_losses(TURNS[:7], train=FALLS[:7]), None)
    assert unsure[0] == "Whether the model memorises its training data is uncertain."
    assert "uncertain" in unsure[1]
    assert loud[0] == (
        "The model memorises its training data: held-out loss has turned upwards and its samples hold copies."
    )


@pytest.mark.parametrize(
    ("losses", "p_value", "said"),
    [
        (_losses(LEARNS, TURNS), 0.5, "memorises its training data: held-out loss has turned upwards."),
        (_losses(LEARNS), 1e-9, "memorises its training data: its samples hold copies."),
        (_losses(LEARNS), 0.003, "Whether the model memorises"),
        (None, 0.5, "does not memorise its training data: its samples hold no more near-copies"),
        (_losses(LEARNS), None, "does not memorise its training data: held-out loss has not turned upwards."),
    ],
)
def test_the_verdict_is_said_plainly(losses, p_value, said):
    measured = None if p_value is None else _measured(p_value=p_value)
    assert said in str(memorization_words.verdict_sentence(losses, measured))
    assert memorization_words.verdict_sentence(None, None) is None


def test_the_chance_of_any_near_copy_is_said():
    measured = _measured().assign(false_alarm_rate=("step", [0.05 / 256]))
    said = memorization_words.copies_sentence(measured.isel(step=0))
    assert "the chance of even one among as many fresh data is at most 5%" in said


def test_without_a_ratio_that_is_said():
    said = memorization_words.copies_sentence(_measured(ratio=np.nan, comparable=False).isel(step=0))
    assert "there is no ratio of distances" in said
    assert "nan" not in said


def test_of_several_measurements_the_last_is_told():
    early = _measured(p_value=1e-9, ratio=0.9).assign_coords(step=[10])
    both = xr.concat([early, _measured(p_value=0.5, ratio=0.31)], "step")
    assert memorization_words.memorization_warning(None, both) is None
    assert "0.31 times as far" in " ".join(memorization_words.memorization_sentences(None, both))
    loud = memorization_words.memorization_warning(_losses(TURNS), both)
    assert "nearest-neighbour ratio 0.31" in str(loud)
