"""Sentences on fitted scores: which part is named, and what is said of a prediction that is off."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.analysis.generalization_words import generalization_sentences


def said(z: float = 1.0, status: str = "reached", correction: float = 0.02, **changes) -> str:
    parts = {"predicted": 1.0, "measured": 1.21, "rule_of_thumb": 4.84, "if_gaussian": np.nan, "power": 0.2}
    parts |= {"misfit": 0.1, "score_size": 100.0, "z": z, "correction": correction}
    levels = xr.Dataset(
        {name: (("features", "sigma"), np.full((1, 2), value)) for name, value in parts.items()},
        {"features": ["affine"], "sigma": [1.0, 0.1]},
    )
    levels["misfit"] = (("features", "sigma"), [[0.1, 25.0]])
    numbers = {"data": 2.0, "free": 1.8, "measured": 0.1, "measured_error": 0.01, "predicted": 0.09}
    numbers |= {"if_gaussian": np.nan, **changes}
    moments = xr.Dataset(
        {name: (("features", "entry"), [[value]]) for name, value in numbers.items()},
        {"features": ["affine"], "entry": ["mean of all"]},
    )
    moments["status"], moments["correction"] = ("features", [status]), ("features", [correction])
    return " ".join(generalization_sentences(levels, moments, 200))


def test_the_larger_part_is_named_per_level() -> None:
    text = said()
    assert "the features, which cannot hold the score, at σ 0.1;" in text
    assert "the variance of fits to 200 draws, at σ 1." in text
    assert "11% of the true score" in text


def test_agreement_is_told_with_its_power() -> None:
    assert "1.10 times the predicted ones, none more than 4.5 standard errors off" in said()
    assert "20% of the variance would be seen" in said()
    assert "2 of 2 more than 4.5 standard errors off" in said(z=-6.0)
    assert "(not tested)" in said(z=np.nan)
    assert "0.50 times the rule of thumb" in said()


def test_outside_the_regime_it_is_said() -> None:
    assert "misses about 40% here" in said(correction=0.4)
    assert "misses about 40% of the variance" in said(correction=0.4, status="few-samples")
    text = said(status="ran-away", measured=np.nan, predicted=np.nan)
    assert text.endswith("Samples: more than a tenth of the trajectories ran away: no moments are told.")


def test_samples_are_told_in_shares_of_the_data() -> None:
    assert "90% of the variance of the data" in said()
    assert "by +5.0% ± 1.0%, predicted +4.5%" in said()
