"""Sentences on which modes hold the variance, and which are too strong or too weak."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.analysis import words
from scorelens.core.spectrum import Spectrum

#: Share of the variance that makes a mode one of the leading ones.
MOST = 0.9
LOW, HIGH = 0.8, 1.25
#: A mode is called too strong or too weak only if it stays so after this many standard errors.
ERRORS = 2.0


def leading(eigenvalues: np.ndarray, total: float) -> tuple[np.ndarray, float]:
    """The fewest largest modes that hold `MOST` of ``total``, and their share; all modes if they hold less.

    >>> leading(np.array([8.0, 1.5, 0.5]), 10.0)
    (array([0, 1]), 0.95)
    """
    share = np.cumsum(eigenvalues) / total
    enough = share >= MOST * (1 - 1e-12)
    last = int(np.argmax(enough)) if enough.any() else len(share) - 1
    return np.arange(last + 1), float(share[last])


def leading_sentence(eigenvalues: np.ndarray, total: float) -> str:
    """Which modes hold most of the variance ``total`` > 0.

    >>> leading_sentence(np.array([8.0, 1.5, 0.5]), 10.0)
    'Modes 1-2 hold 95% of the variance'
    """
    held, share = leading(eigenvalues, total)
    name = words.modes(held).capitalize()
    return f"{name} {words.verb(held, 'holds', 'hold')} {share:.0%} of the variance"


def data_sentences(spectrum: Spectrum) -> list[str]:
    """What the spectrum alone says."""
    sentences = [f"The data have {spectrum.dim} dimensions; mode 1 is the direction in which they vary most."]
    still = np.flatnonzero(spectrum.eigenvalues == 0)
    if still.size:
        has = words.verb(still, "has", "have")
        sentences.append(f"{words.modes(still).capitalize()} {has} no variance in the data.")
    return sentences


def final_sentences(comparison: xr.Dataset) -> list[str]:
    """How close the last measurement is to the data, mode by mode."""
    last = comparison.isel(step=-1)
    data = last["eigenvalue"].values
    alive = data > 0
    if not alive.any():
        return []
    variance, error = last["measured"].values, ERRORS * last["standard_error"].values
    ratio = np.divide(variance, data, out=np.ones_like(data), where=alive)
    beyond = _out_of_reach(last, alive)
    within = alive & (ratio >= LOW) & (ratio <= HIGH)
    step = words.step(float(last["step"]))
    sentences = [
        f"At step {step} the samples have between {LOW} and {HIGH} times the data's variance along "
        f"{within.sum()} of {alive.sum()} modes."
    ]
    strong = alive & ~beyond & (variance - error > HIGH * data)
    weak = alive & ~beyond & (variance + error < LOW * data)
    sentences += _too(strong, ratio, "strong") + _too(weak, 1 / np.where(ratio > 0, ratio, 1.0), "weak")
    return sentences + _sampler(last, beyond)


def _too(chosen: np.ndarray, times: np.ndarray, kind: str) -> list[str]:
    found = np.flatnonzero(chosen)
    if not found.size:
        return []
    middle, most = float(np.median(times[found])), float(times[found].max())
    spread = f" (the median; at most {words.factor(most)})" if most > 1.1 * middle else ""
    be = words.verb(found, "is", "are")
    return [f"{words.modes(found).capitalize()} {be} still {words.factor(middle)} times too {kind}{spread}."]


def _out_of_reach(last: xr.Dataset, alive: np.ndarray) -> np.ndarray:
    """Modes that even the optimal linear denoiser would not bring into the band with this sampler."""
    if "limit_variance" not in last:
        return np.zeros_like(alive)
    limit, data = last["limit_variance"].values, last["eigenvalue"].values
    return alive & ((limit > HIGH * data) | (limit < LOW * data))


def _sampler(last: xr.Dataset, beyond: np.ndarray) -> list[str]:
    found = np.flatnonzero(beyond)
    if not found.size:
        return []
    limit, data = last["limit_variance"].values[found], last["eigenvalue"].values[found]
    worst = words.factor(float(np.exp(np.abs(np.log(limit / data))).max()))
    return [
        f"{words.modes(found).capitalize()} cannot be right with this sampler: on its noise levels even the "
        f"optimal linear denoiser is up to a factor {worst} off."
    ]
