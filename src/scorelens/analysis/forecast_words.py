"""Sentences on what a learning law alone expects: when modes emerge, which never do, and why."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.analysis import words
from scorelens.analysis.emergence_words import DEFINITION
from scorelens.analysis.variance_words import HIGH, LOW
from scorelens.dynamics.emergence.measured_emergence import GRAY
from scorelens.dynamics.emergence.times import AT_START, EMERGED, STUCK, UNREACHABLE

FREQUENCIES = (
    "This law follows spatial frequencies of the images, not the directions of their covariance: mode 1 is "
    "the frequency with the largest power."
)
#: A mode whose end is the best linear denoiser's to this factor is as right as this sampler lets it be.
AS_BEST = 1.05
#: Less than this factor between two doses is hardly an order.
LATER = 1.1


def law_sentences(forecast: xr.Dataset, about_data: list[str]) -> list[str]:
    """The sentences ``about_data``, and that what follows is a forecast, by which law and clock."""
    facts = forecast.attrs
    means, clock = facts.get("law_means", "the law of this run"), facts.get("law_clock", "")
    counted = f"T = {clock}" if clock else "T"
    said = (
        f"By the law {facts.get('law', '')!r}: {means}. Nothing was trained: time counts in doses {counted}."
    )
    if facts.get("law_kind") not in ("frequencies", "patch"):
        return [*about_data, said]
    dimensions = [sentence.partition(";")[0].rstrip(".") + "." for sentence in about_data[:1]]
    return [*dimensions, said, FREQUENCIES]


def forecast_sentences(forecast: xr.Dataset) -> list[str]:
    """What the law expects of emergence, in doses."""
    alive, status = forecast["eigenvalue"].values > 0, forecast["emergence_status"].values
    rising = forecast["rising"].values.astype(bool)
    sentences = [DEFINITION]
    for branch, side in (("rising", rising), ("falling", ~rising)):
        sentences += _order(forecast, np.flatnonzero(alive & side & (status == EMERGED)), branch)
    return (
        sentences + _gray(alive, status) + _stuck(forecast, alive, status) + _never(forecast, alive, status)
    )


def _order(forecast: xr.Dataset, timed: np.ndarray, branch: str) -> list[str]:
    """Which of the ``timed`` modes of a branch comes first and which last, if there is an order."""
    if timed.size < 2:
        return []
    dose = forecast["emergence_time"].values
    first, last = timed[np.argmin(dose[timed])], timed[np.argmax(dose[timed])]
    ratio = float(dose[last] / dose[first])
    later = f"after {words.factor(ratio)} times as much training" if ratio >= LATER else "nearly together"
    return [
        f"By the law, of the {branch} modes mode {first + 1} emerges first and mode {last + 1} last, {later}."
    ]


def _gray(alive: np.ndarray, status: np.ndarray) -> list[str]:
    gray = np.flatnonzero(alive & np.isin(status, (GRAY, AT_START)))
    if not gray.size:
        return []
    start = words.verb(gray, "starts", "start")
    zone = "within a factor 2 of the data's variance (the gray zone)"
    return [f"{words.modes(gray).capitalize()} {start} {zone}."]


def _stuck(forecast: xr.Dataset, alive: np.ndarray, status: np.ndarray) -> list[str]:
    """Which modes the start keeps from ever being learned, and why."""
    mask = alive & (forecast["stuck"].values if "stuck" in forecast else status == STUCK)
    stuck, crossed = np.flatnonzero(mask), np.flatnonzero(mask & (status == EMERGED))
    if not stuck.size:
        return []
    why = forecast.attrs.get("law_stuck") or "this start never learns"
    be = words.verb(stuck, "is", "are")
    count = "1 mode" if stuck.size == 1 else f"{stuck.size} modes"
    sentences = [f"{count} {be} stuck ({words.modes(stuck)}): {why}."]
    if crossed.size:
        cross = words.verb(crossed, "crosses", "cross")
        name = words.modes(crossed).capitalize()
        sentences.append(f"{name} {cross} the threshold of emergence all the same, without being learned.")
    return sentences


def _never(forecast: xr.Dataset, alive: np.ndarray, status: np.ndarray) -> list[str]:
    """Which modes never emerge without being stuck: because of the sampler, or of the law."""
    never = alive & (status == UNREACHABLE)
    by_law = never & ~_as_good_as_best(forecast)
    sentences = []
    for chosen, cause in ((never & ~by_law, "With this sampler"), (by_law, "By this law")):
        found = np.flatnonzero(chosen)
        if found.size:
            sentences.append(f"{cause} {words.modes(found)} would never emerge.")
    return sentences


def limit_sentences(forecast: xr.Dataset) -> list[str]:
    """What infinite training ends at, and how much of what is wrong then is the law's fault."""
    data = forecast["eigenvalue"].values
    alive = data > 0
    if "optimal_variance" not in forecast or not alive.any():
        return []
    ratio = np.divide(forecast["limit_variance"].values, data, out=np.ones_like(data), where=alive)
    right = alive & (ratio >= LOW) & (ratio <= HIGH)
    sentences = [
        f"After infinite training the samples would have between {LOW} and {HIGH} times the data's variance "
        f"along {right.sum()} of {alive.sum()} modes."
    ]
    wrong = np.flatnonzero(alive & ~right & ~_as_good_as_best(forecast))
    if wrong.size:
        worst = words.factor(float(np.exp(np.abs(np.log(ratio[wrong])).max())))
        sentences.append(
            f"This law never gets {words.modes(wrong)} right, however long it trains: up to a factor {worst} "
            "off, where the best linear denoiser would be closer."
        )
    return sentences


def _as_good_as_best(forecast: xr.Dataset) -> np.ndarray:
    """Mask of the modes that end as the best linear denoiser does on the same sampler."""
    if "optimal_variance" not in forecast:
        return np.ones(forecast.sizes["mode"], dtype=bool)
    limit, best = forecast["limit_variance"].values, forecast["optimal_variance"].values
    return np.abs(np.log(limit / best)) <= np.log(AS_BEST)
