"""Sentences on scores fitted to few draws: where they are bad, by what, and whether that was predicted."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.analysis import words

#: Standard errors beyond which a prediction is said to be off.
FAR = 4.5
#: A part of the error counts as the larger one from this factor on.
LARGER = 2.0
STATUS = {
    "reached": "",
    "few-samples": "few draws per feature: the leading order misses about {correction:.0%} of the variance",
    "ran-away": "more than a tenth of the trajectories ran away: no moments are told",
}


def generalization_sentences(levels: xr.Dataset, moments: xr.Dataset, samples: int) -> list[str]:
    """The summary of a page, of the Datasets ``levels`` and ``moments`` of `studies.generalize`."""
    sentences = []
    for spec in levels["features"].values.tolist():
        one = levels.sel(features=spec).sortby("sigma")
        sentences.append(_what_is_bad(spec, one, samples))
        sentences.append(_agreement(one))
        sentences.append(_of_samples(moments.sel(features=spec).isel(entry=-1)))
    return sentences


def error_share(one: xr.Dataset, name: str) -> np.ndarray:
    """Root mean square of a part of the error over that of the true score, in percent, per level."""
    return 100 * np.sqrt(np.maximum(one[name].values, 0.0) / one["score_size"].values)


def share_words(percent: float) -> str:
    """Two digits, or whole percents.

    >>> share_words(104.2), share_words(4.62)
    ('104%', '4.6%')
    """
    return f"{percent:.0f}%" if percent >= 10 else f"{percent:.2g}%"


def _what_is_bad(spec: str, one: xr.Dataset, samples: int) -> str:
    sigma, variance, misfit = (one[name].values for name in ("sigma", "measured", "misfit"))
    by_features = misfit > LARGER**2 * variance
    by_variance = variance > LARGER**2 * misfit
    parts = [
        _where(by_features, sigma, "the features, which cannot hold the score"),
        _where(by_variance, sigma, f"the variance of fits to {samples:,} draws"),
        _where(~by_features & ~by_variance, sigma, "both alike"),
    ]
    told = "; ".join(part for part in parts if part)
    worst = int(np.argmax(variance / one["score_size"].values))
    share = error_share(one, "measured")[worst]
    return (
        f"{spec}: most of the error comes from {told}. The variance is at its worst at "
        f"σ {words.number(float(sigma[worst]), 2)}: {share_words(float(share))} of the true score."
    )


def _where(mask: np.ndarray, sigma: np.ndarray, what: str) -> str:
    if not mask.any():
        return ""
    if mask.all():
        return f"{what}, at every noise level"
    return f"{what}, at σ {words.joined([words.number(float(one), 2) for one in sigma[mask]])}"


def _agreement(one: xr.Dataset) -> str:
    ratio = np.sqrt(one["measured"].values / one["predicted"].values)
    span = f"measured standard deviations are {_span(ratio)} times the predicted ones"
    rule = np.sqrt(one["measured"].values / one["rule_of_thumb"].values)
    thumb = f"They are {_span(rule)} times the rule of thumb √(L/n)/σ."
    known = np.sqrt(one["measured"].values / one["if_gaussian"].values)
    if np.isfinite(known).all():
        thumb += f" For Gaussian data of these moments [G12] is exact: they are {_span(known)} times that."
    z = one["z"].values
    if not np.isfinite(z).any():
        return f"{span[:1].upper()}{span[1:]} (not tested). {thumb}"
    far = int((np.abs(z) > FAR).sum())
    verdict = (
        f"none more than {FAR:g} standard errors off"
        if far == 0
        else f"{far} of {len(z)} more than {FAR:g} standard errors off"
    )
    power = float(np.nanmax(one["power"].values))
    missed = float(one["correction"].max())
    few = f" The leading order misses about {missed:.0%} here." if missed > 0.1 else ""
    seen = f"(an error of {power:.0%} of the variance would be seen)"
    return f"{span[:1].upper()}{span[1:]}, {verdict} {seen}.{few} {thumb}"


def _span(values: np.ndarray) -> str:
    low, high = (f"{float(one):.2f}" for one in (np.min(values), np.max(values)))
    return low if low == high else f"{low} to {high}"


def _of_samples(one: xr.Dataset) -> str:
    status = status_words(one)
    data, free, added = (float(one[name]) for name in ("data", "free", "measured"))
    if not np.isfinite(added):
        return f"Samples: {status}."
    told = (
        f"Samples of a fit to endless draws have {free / data:.0%} of the variance of the data; fits to "
        f"{'few' if status else 'finitely many'} draws change that by {_percent(added / data)} "
        f"± {1.96 * float(one['measured_error']) / data:.1%}"
    )
    predicted = float(one["predicted"])
    if np.isfinite(predicted):
        told += f", predicted {_percent(predicted / data)}"
    elif np.isfinite(float(one["if_gaussian"])):
        told += f", by the formula for Gaussian data {_percent(float(one['if_gaussian']) / data)}"
    return f"{told}{f' ({status})' if status else ''}."


def status_words(one: xr.Dataset) -> str:
    """How far the prediction for samples may be trusted, in words; empty if it may."""
    return STATUS[str(one["status"].item())].format(correction=float(one["correction"]))


def _percent(share: float) -> str:
    return f"{100 * share:+.1f}%".replace("-", "−")
