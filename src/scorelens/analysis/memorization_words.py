"""Sentences on memorisation: onset in training, near-copies among samples, attraction."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.analysis import words
from scorelens.analysis.onset import NONE, ONSET, PATIENCE, UNCERTAIN, Onset, onset

#: Near-copies count as such if so many are rarer than this among fresh data.
COPIES_P = 1e-4
#: Above this, chance explains them.
CHANCE_P = 0.01


def memorization_warning(losses: xr.Dataset | None, measured: xr.Dataset | None) -> str | None:
    """What to warn of, in one sentence, or ``None``.

    ``losses`` and ``measured`` are the measurements of the instruments ``loss`` and ``memorization`` along
    ``step``, as far as there are any.
    """
    signs = [sign for sign in (_of_loss(losses), _of_copies(measured)) if sign]
    if not signs:
        return None
    ratio = _ratio(measured)
    if ratio is not None:
        signs.append(f"nearest-neighbour ratio {words.number(ratio, 2)}")
    return f"The model is learning its training data by heart: {'; '.join(signs)}."


def memorization_sentences(losses: xr.Dataset | None, measured: xr.Dataset | None) -> list[str]:
    """What the measurements say on memorisation, beside the warning."""
    verdict = verdict_sentence(losses, measured)
    sentences = [verdict] if verdict else []
    if losses is not None and losses.sizes["step"] > PATIENCE:
        sentences.append(onset_sentence(onset(losses)))
    if measured is not None:
        sentences.append(copies_sentence(measured.isel(step=-1)))
    return sentences


def verdict_sentence(losses: xr.Dataset | None, measured: xr.Dataset | None) -> str | None:
    """Whether the model memorises, in one sentence; ``None`` where nothing was measured that tells.

    It does if held-out loss has turned upwards, or its samples hold more near-copies than chance explains; it
    does not if both were measured, or one of them, and neither shows.
    """
    turned = onset(losses).overall if losses is not None and losses.sizes["step"] > PATIENCE else None
    p_value = None if measured is None else float(measured["near_copy_p_value"].isel(step=-1))
    if turned is None and p_value is None:
        return None
    copied = p_value is not None and p_value < COPIES_P
    if turned == ONSET or copied:
        signs = ["held-out loss has turned upwards"] * (turned == ONSET) + [
            "its samples hold copies"
        ] * copied
        return f"The model memorises its training data: {' and '.join(signs)}."
    if turned == UNCERTAIN or (p_value is not None and p_value < CHANCE_P):
        return "Whether the model memorises its training data is uncertain."
    signs = ["held-out loss has not turned upwards"] * (turned is not None)
    signs += ["its samples hold no more near-copies than fresh data"] * (p_value is not None)
    return f"The model does not memorise its training data: {' and '.join(signs)}."


def onset_sentence(found: Onset) -> str:
    """What held-out loss says about the onset of memorisation."""
    if found.overall == NONE:
        return "Held-out loss has not turned upwards at any noise level: no onset of memorisation."
    levels = [i for i, status in enumerate(found.status) if status == found.overall]
    where = _levels(found.sigma[levels], len(found.sigma))
    if found.overall == ONSET:
        return (
            f"Training turned to memorising at step {words.step(found.first_step)}: from there on held-out "
            f"loss rises {where}, while training loss falls."
        )
    return (
        f"Held-out loss is above its minimum {where}, but not for {PATIENCE} measurements in a row with "
        "falling training loss: whether memorising has begun is uncertain."
    )


def copies_sentence(last: xr.Dataset) -> str:
    """What the samples of one measurement say."""
    share, low, high, usual = (
        float(last[name])
        for name in ("near_copy_share", "near_copy_share_low", "near_copy_share_high", "false_alarm_rate")
    )
    counted = f"{share:.1%} of {last.attrs['n_generated']} samples are near-copies of training points"
    interval = f"(95%: {low:.1%} to {high:.1%})"
    verdict = _verdict(float(last["near_copy_p_value"]))
    sentence = f"{counted} {interval}; {_expected(usual, last.attrs['n_generated'])}: {verdict}."
    if not bool(last["comparable"]):
        return f"{sentence} Most held-out points are training points: there is no ratio of distances."
    ratio, low, high = (float(last[f"distance_ratio{end}"]) for end in ("", "_low", "_high"))
    return (
        f"{sentence} Samples lie {words.number(ratio, 2)} times as far from the training data as held-out "
        f"data do (95%: {words.number(low, 2)} to {words.number(high, 2)})."
    )


def _expected(false_alarm: float, n: int) -> str:
    """What as many fresh points would do.

    >>> _expected(5e-5, 1000), _expected(0.01, 1000)
    ('the chance of even one among as many fresh data is at most 5%', '1% of fresh data would be')
    """
    if n * false_alarm <= 0.5:
        return f"the chance of even one among as many fresh data is at most {100 * n * false_alarm:.2g}%"
    return f"{100 * false_alarm:.2g}% of fresh data would be"


def _verdict(p_value: float) -> str:
    """What a share of near-copies means.

    >>> _verdict(0.3), _verdict(0.004)
    ('no more than chance explains', 'more than among fresh data (p 0.004)')
    """
    if p_value < COPIES_P:
        return "copies of training data"
    few = "no more than chance explains"
    return few if p_value > CHANCE_P else f"more than among fresh data (p {p_value:.1g})"


def _of_loss(losses: xr.Dataset | None) -> str | None:
    if losses is None or losses.sizes["step"] <= PATIENCE:
        return None
    found = onset(losses)
    if (level := found.leading) is None:
        return None
    since = words.step(float(found.step[level]))
    return (
        f"held-out loss at σ {words.number(float(found.sigma[level]), 2)} has risen for {found.rises[level]} "
        f"measurements, since step {since}"
    )


def _of_copies(measured: xr.Dataset | None) -> str | None:
    if measured is None or not _copied(last := measured.isel(step=-1)):
        return None
    expected = _expected(float(last["false_alarm_rate"]), last.attrs["n_generated"])
    share = f"{float(last['near_copy_share']):.1%} of the samples"
    return f"{share} are near-copies of training points ({expected})"


def _copied(last: xr.Dataset) -> bool:
    return float(last["near_copy_p_value"]) < COPIES_P


def _ratio(measured: xr.Dataset | None) -> float | None:
    if measured is None:
        return None
    ratio = float(measured["distance_ratio"].isel(step=-1))
    return ratio if np.isfinite(ratio) else None


def _levels(sigmas: np.ndarray, total: int) -> str:
    """The noise levels at which something holds.

    >>> _levels(np.array([0.1, 0.2]), 9), _levels(np.array([0.1]), 9)
    ('at 2 of 9 noise levels (σ 0.1 to 0.2)', 'at σ 0.1')
    """
    low, high = (words.number(float(end), 2) for end in (sigmas.min(), sigmas.max()))
    if len(sigmas) == 1:
        return f"at σ {low}"
    return f"at {len(sigmas)} of {total} noise levels (σ {low} to {high})"
