"""The summary: true, and silent about what the run does not hold."""

from __future__ import annotations

import re

import numpy as np
import pytest

from scorelens.analysis import compare, summary
from scorelens.results import RunConfig
from scorelens.results.config import PreconditioningConfig

EIGENVALUES = np.geomspace(20.0, 0.01, 24)
LOSSES = {
    "train_edm_loss": 5.0,
    "held_out_edm_loss": 6.0,
    "train_edm_standard_error": 0.1,
    "held_out_edm_standard_error": 0.2,
    "linear_edm_loss": 8.0,
}


def _one(sentences: list[str], part: str) -> str:
    found = [sentence for sentence in sentences if part in sentence]
    assert len(found) == 1, sentences
    return found[0]


def test_a_whole_run(make_run):
    run = make_run(EIGENVALUES, losses=LOSSES)
    said, found = summary(run), compare(run)
    assert said[0].startswith("The data have 24 dimensions")
    held = _one(said, "of the variance; of these")
    last = int(re.match(r"Modes 1-(\d+) hold (\d+)% of the variance; of these, all", held).group(1))
    share = np.cumsum(EIGENVALUES) / EIGENVALUES.sum()
    assert share[last - 1] >= 0.9 > share[last - 2]
    timed = (found.emergence_status.values == "emerged") & (np.arange(24) < last)
    step = int(re.search(r"had emerged by step ([\d,]+)", held).group(1).replace(",", ""))
    assert step == pytest.approx(found.emergence_step.values[timed].max(), abs=0.51)
    gray = np.flatnonzero(found.emergence_status.values == "gray")
    assert _one(said, "gray zone").startswith(f"Modes {gray[0] + 1}-{gray[-1] + 1} start")
    for branch in ("rising", "falling"):
        fit = found.sel(criterion="harmonic", branch=branch).exponent
        sentence = _one(said, f"Along the {branch} modes")
        assert f"to the power {float(fit.sel(source='measured')):.2f} (90% interval" in sentence
        assert f"gives {float(fit.sel(source='law')):.2f}." in sentence
    _one(said, "was then calibrated on this run")
    assert "25% below that of the best linear denoiser, 8: it knows more" in _one(
        said, "EDM loss on held-out"
    )
    assert "lower by 17% (4.5 standard errors)" in _one(said, "On training data")
    assert not any("nan" in sentence or "inf " in sentence for sentence in said)


def test_modes_that_are_too_strong_are_named_with_their_factor(make_run):
    run = make_run(EIGENVALUES, steps=(0, 1, 3, 10, 30, 100))
    found, said = compare(run).isel(step=-1), summary(run)
    ratio = (found.measured / found.eigenvalue).values
    sure = ratio - 2 * (found.standard_error / found.eigenvalue).values > 1.25
    strong = np.flatnonzero(sure & (found.limit_variance / found.eigenvalue <= 1.25).values)
    sentence = _one(said, "too strong")
    assert sentence.startswith(f"Modes {strong[0] + 1}-{strong[-1] + 1} are still")
    times = float(re.search(r"still ([\d.]+) times too strong", sentence).group(1))
    assert times == pytest.approx(np.median(ratio[strong]), rel=0.05)
    within = ((ratio >= 0.8) & (ratio <= 1.25)).sum()
    assert f"along {within} of 24 modes" in _one(said, "At step 100 the samples")


def test_modes_that_are_late_are_named_with_what_is_expected_of_them(make_run):
    run = make_run(EIGENVALUES, steps=(0, 1, 3, 10, 30, 100, 300, 1000))
    found, sentence = compare(run), _one(summary(run), "had not emerged by step 1,000")
    waiting = np.flatnonzero(found.emergence_status.values == "censored")
    assert sentence.startswith(f"Modes {waiting[0] + 1}-{waiting[-1] + 1} had")
    told = re.search(r"the last of them at step ([\d,]+) \(90% interval", sentence).group(1)
    expected = float(found.forecast_emergence_step[waiting[-1]])
    assert float(told.replace(",", "")) == pytest.approx(expected, rel=0.01)
    early = make_run(EIGENVALUES, steps=(0, 1, 2, 3), steps_per_dose=1000.0)
    assert "after more than 100 times as many steps" in _one(summary(early), "had not emerged by step 3")


def test_a_forecast_alone_speaks_of_doses(make_run):
    said = summary(make_run(EIGENVALUES, steps=()))
    assert "Nothing was trained: time counts in doses T = 2 x learning rate x training time" in _one(
        said, "By the law 'preconditioned'"
    )
    assert "of the rising modes mode 1 emerges first" in _one(said, "of the rising modes")
    assert "of the falling modes mode 9 emerges first and mode 24 last" in _one(said, "of the falling modes")
    assert "the dose at which the law lets a mode emerge goes as" in _one(said, "Along the falling modes")
    assert not any("step" in sentence for sentence in said)


def test_a_single_measurement_says_how_things_stand(make_run):
    said = summary(make_run(EIGENVALUES, steps=(2000,), losses=LOSSES))
    _one(said, "At step 2,000 the samples have")
    _one(said, "EDM loss on held-out data is 6")
    assert not any("emerge" in sentence or "calibrated" in sentence for sentence in said)


def test_all_gray_modes_have_no_emergence_to_speak_of(make_run):
    config = RunConfig(preconditioning=PreconditioningConfig(name="spectral"))
    said = summary(make_run(EIGENVALUES, config=config))
    assert _one(said, "gray zone").startswith("Modes 1-24 start")
    assert "along 24 of 24 modes" in _one(said, "the samples have")
    _one(said, "needs no time scale")
    assert not any("Along the" in sentence or "had emerged" in sentence for sentence in said)


def test_all_censored_modes_are_not_said_to_have_emerged(make_run):
    said = summary(make_run(EIGENVALUES, steps=(0, 1, 2), steps_per_dose=1000.0))
    assert "none of the" in _one(said, "hold 9")
    assert not any(re.search(r"(all|\d+ of the) .*had emerged", sentence) for sentence in said)
    assert not any("Along the" in sentence for sentence in said)


def test_directions_without_variance_and_out_of_the_samplers_reach_are_named(make_run):
    said = summary(make_run([*EIGENVALUES, 1e-7, 0.0]))
    _one(said, "Mode 26 has no variance in the data.")
    assert _one(said, "cannot be right with this sampler").startswith("Mode 25 ")
    assert "of 25 modes" in _one(said, "the samples have")


def test_another_start_than_the_laws_is_noticed(make_run, monkeypatch):
    run = make_run(EIGENVALUES, steps=())
    longer = make_run(EIGENVALUES, config=_sigma_data(1.0), with_forecast=False, with_spectrum=False)
    for step in longer.measured_steps:
        one = longer.measurement("generated_variance").sel(step=step, drop=True)
        run.write_measurement(step, {"generated_variance": one})
    assert "did not start as the forecast assumes" in _one(summary(run), "At step 0")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"held_out_edm_loss": 8.2}, "not distinguishable from that of the best linear denoiser"),
        ({"held_out_edm_loss": 9.0}, "still 11% above that of the best linear denoiser, 8."),
        ({"held_out_edm_loss": 5.1}, "no sign of memorisation"),
        ({"train_edm_loss": 7.0}, "higher than on held-out data: no memorisation"),
    ],
)
def test_losses_are_told_with_their_errors(make_run, changes, sentence):
    _one(summary(make_run(EIGENVALUES, steps=(0, 9), losses=LOSSES | changes)), sentence)


def test_an_empty_run_says_nothing(make_run):
    assert summary(make_run(EIGENVALUES, steps=(), with_forecast=False, with_spectrum=False)) == []


def _sigma_data(value: float) -> RunConfig:
    return RunConfig(preconditioning=PreconditioningConfig(sigma_data=value))
