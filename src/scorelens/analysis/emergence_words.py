"""Sentences on when modes emerged, by which law, and what the law expects of the others."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.analysis import words
from scorelens.analysis.forecast import CRITERIA, LAW
from scorelens.analysis.measured_emergence import EARLIER
from scorelens.analysis.power_laws import BRANCHES, LEVEL
from scorelens.analysis.variance_words import leading, leading_sentence
from scorelens.dynamics.emergence.measured_emergence import CENSORED, GRAY
from scorelens.dynamics.emergence.times import AT_START, EMERGED

MEASURED = "measured"
DEFINITION = (
    f"A mode emerges when its variance crosses the {CRITERIA[0]} mean of where it starts and the data's "
    "variance."
)
#: A start that differs from the law's by more than this factor is not the one the forecast assumes.
SAME_START = 1.1
#: A forecast beyond so many times the steps of the run is not given as a number.
FAR = 100


def emergence_sentences(comparison: xr.Dataset, total_variance: float) -> list[str]:
    """When the leading modes and the others emerged, and which cannot be timed."""
    eigenvalues = comparison["eigenvalue"].values
    alive, most = eigenvalues > 0, np.zeros(len(eigenvalues), dtype=bool)
    most[leading(eigenvalues, total_variance)[0]] = True
    holds, about = leading_sentence(eigenvalues, total_variance), _emerged(comparison, most & alive)
    others = _emerged(comparison, ~most & alive)
    sentences = [DEFINITION, f"{holds}; of these, {about}." if about else f"{holds}."]
    sentences += [f"Of the other modes, {others}."] if others else []
    return sentences + _gray(comparison, alive) + _censored(comparison, alive) + _start(comparison)


def _emerged(comparison: xr.Dataset, chosen: np.ndarray) -> str:
    """How many of the chosen modes had emerged, and by which step; empty if none can be timed."""
    status, step = comparison["emergence_status"].values, comparison["emergence_step"].values
    emerged = chosen & np.isin(status, (EMERGED, EARLIER))
    timed = emerged | (chosen & (status == CENSORED))
    if not timed.any():
        return ""
    by = words.step(float(step[emerged].max() if emerged.any() else comparison["step"][-1]))
    count, whole = int(timed.sum()), "" if timed.sum() == chosen.sum() else " that can be timed"
    if count == 1:
        return f"the one{whole} had {'' if emerged.any() else 'not '}emerged by step {by}"
    if emerged.sum() == count:
        return f"all {count}{whole} had emerged by step {by}"
    some = "none" if not emerged.any() else f"{emerged.sum()}"
    return f"{some} of {'the ' if whole else ''}{count}{whole} had emerged by step {by}"


def _gray(comparison: xr.Dataset, alive: np.ndarray) -> list[str]:
    status = comparison["emergence_status"].values
    found = np.flatnonzero(alive & np.isin(status, (GRAY, AT_START)))
    if not found.size:
        return []
    start = words.verb(found, "starts", "start")
    return [
        f"{words.modes(found).capitalize()} {start} within a factor 2 of the data's variance (the gray "
        f"zone): when {words.verb(found, 'it emerges', 'they emerge')} says little."
    ]


def _censored(comparison: xr.Dataset, alive: np.ndarray) -> list[str]:
    found = np.flatnonzero(alive & (comparison["emergence_status"].values == CENSORED))
    if not found.size:
        return []
    last = words.step(float(comparison["step"][-1]))
    sentence = f"{words.modes(found).capitalize()} had not emerged by step {last}"
    return [f"{sentence}{_expected(comparison.isel(mode=found))}."]


def _expected(waiting: xr.Dataset) -> str:
    if "forecast_emergence_step" not in waiting:
        return ""
    expected = waiting["forecast_emergence_step"].values
    never = ~np.isfinite(expected)
    if never.all():
        return "; the law says that with this sampler they never will"
    rest = f", and {never.sum()} of them never" if never.any() else ""
    slowest = waiting.isel(mode=int(np.argmax(np.where(never, -1.0, expected))))
    step, last = float(slowest["forecast_emergence_step"]), float(slowest["emergence_step"])
    if step > FAR * last:
        return f"; the forecast expects the last of them after more than {FAR} times as many steps{rest}"
    return f"; the forecast expects the last of them at step {words.step(step)}{_interval(slowest)}{rest}"


def _interval(mode: xr.Dataset) -> str:
    if "forecast_emergence_high" not in mode:
        return ""
    low, high = (words.step(float(mode[f"forecast_emergence_{end}"])) for end in ("low", "high"))
    return f" ({LEVEL:.0%} interval {low} to {high})"


def _start(comparison: xr.Dataset) -> list[str]:
    first = comparison.isel(step=0)
    if int(first["step"]) != 0 or "limit_variance" not in first:
        return []
    apart = np.abs(np.log(first["measured"].values / first["start_variance"].values)).max()
    if apart <= np.log(SAME_START):
        return []
    return [
        "At step 0 the samples' variance differs from the law's start by up to a factor "
        f"{words.factor(float(np.exp(apart)))}: the model did not start as the forecast assumes."
    ]


def power_law_sentences(fitted: xr.Dataset) -> list[str]:
    """Exponents of emergence against variance, for the first criterion."""
    first = fitted.sel(criterion=CRITERIA[0])
    return [sentence for name in BRANCHES for sentence in _power_law(first.sel(branch=name), name)]


def _power_law(fitted: xr.Dataset, branch: str) -> list[str]:
    found = {str(source): fitted.sel(source=source) for source in fitted["source"].values}
    main = found.get(MEASURED, found.get(LAW))
    if main is None or int(main["n_fitted"]) == 0:
        return []
    low, high = (words.number(float(main[f"{end}_variance"])) for end in ("smallest", "largest"))
    what = "the emergence step" if MEASURED in found else "the dose at which the law lets a mode emerge"
    sentence = f"Along the {branch} modes (variances {low} to {high}) {what} {_trend(main)}"
    if MEASURED in found and LAW in found and int(found[LAW]["n_fitted"]):
        exponent = float(found[LAW]["exponent"])
        sentence += f"; for the same modes the law, which saw no training, gives {exponent:.2f}"
    return [f"{sentence}."]


def _trend(fit: xr.Dataset) -> str:
    exponent, low, high = (float(fit[name]) for name in ("exponent", "exponent_low", "exponent_high"))
    interval = f"{LEVEL:.0%} interval {low:.2f} to {high:.2f}, R² {float(fit['r_squared']):.2f}"
    if low <= 0 <= high:
        return f"shows no sure dependence on the variance (exponent {exponent:.2f}, {interval})"
    return f"goes as the variance to the power {exponent:.2f} ({interval})"


def calibration_sentences(comparison: xr.Dataset) -> list[str]:
    """Where the forecast's time scale comes from, and how well it then fits."""
    if "forecast" not in comparison:
        return []
    sentences = [str(comparison.attrs["note"])]
    if "forecast_emergence_step" not in comparison:
        return sentences
    expected = comparison["forecast_emergence_step"].values
    both = (comparison["emergence_status"].values == EMERGED) & np.isfinite(expected) & (expected > 0)
    if not both.any():
        return sentences
    apart = np.log(comparison["emergence_step"].values[both] / expected[both])
    typical = words.factor(float(np.exp(np.sqrt(np.mean(apart**2)))))
    modes = "1 mode" if both.sum() == 1 else f"{both.sum()} modes"
    return [
        *sentences,
        f"Measured and forecast emergence steps of {modes} then differ by a factor {typical} "
        "(root mean square of the logarithm).",
    ]
