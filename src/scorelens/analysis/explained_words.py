"""What the explained variances say, in sentences."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.analysis import words
from scorelens.analysis.explained import HELD_OUT, TRAINING

#: Differences of fewer standard errors, or of a smaller share of the loss, are not told apart.
CLEAR, CLOSE = 2.0, 0.01
#: An estimator memorises where its training loss is clearly below this share of its held-out loss.
MEMORISED, MANY_TIMES = 0.5, 1000
#: An explained variance below this is not told in digits.
LEAST_SHARE = -10.0
#: Noise levels at which the best linear denoiser explains less are left out of comparisons in words.
WORTH_COMPARING = 0.01
#: A range of noise levels in words has at most this many pieces; so many estimators are called best.
MOST_PIECES, MOST_NAMED = 2, 3


def sentences(explained: xr.Dataset) -> list[str]:
    """Which estimator explains most at which noise level, how far from the floors, and which memorise.

    ``explained`` is what `scorelens.analysis.explained.explained` makes.
    """
    return [*_best(explained), _half_way(explained), *_worse(explained), *_memorising(explained)]


def levels_worth_showing(explained: xr.Dataset, shares: tuple[float, ...] = (0.9, 0.5, 0.1)) -> list[int]:
    """Indices of the noise levels, ascending, at which the best linear denoiser explains about ``shares``."""
    floor = explained["gaussian_floor"].sel(part=HELD_OUT).values
    return sorted({int(np.abs(floor - share).argmin()) for share in shares})


def percent(share: float, error: float | None = None) -> str:
    """An explained variance in per cent, with two standard errors; far below 0 only that it is so.

    >>> percent(0.5), percent(-1.25, 0.01), percent(-3e12, 1e12)
    ('50.0', '-125.0 ± 2.0', '< -1000')
    """
    if share < LEAST_SHARE:
        return f"< {100 * LEAST_SHARE:.0f}"
    spread = "" if error is None or not np.isfinite(error) else f" ± {100 * CLEAR * error:.1f}"
    return f"{100 * share:.1f}{spread}"


def comparable(explained: xr.Dataset) -> xr.Dataset:
    """``explained`` up to the last noise level at which there is something to explain."""
    floor = explained["gaussian_floor"].sel(part=HELD_OUT).values
    return explained.isel(sigma=slice(max(int((floor >= WORTH_COMPARING).sum()), 1)))


def is_best(explained: xr.Dataset) -> np.ndarray:
    """Where an estimator is not clearly behind the best on held-out data; a mask ``(estimator, sigma)``."""
    held = explained.sel(part=HELD_OUT)
    near = (held["loss"] <= (1 + CLOSE) * held["loss"].min("estimator")).values
    return near | (held["behind"] <= CLEAR * held["behind_standard_error"]).values


def is_worse_than_linear(explained: xr.Dataset) -> np.ndarray:
    """Where an estimator explains clearly less of held-out data than the best linear denoiser; a mask."""
    held = explained.sel(part=HELD_OUT)
    far = (held["loss"] > (1 + CLOSE) * held["gaussian_loss"]).values
    return far & (held["gain"] < -CLEAR * held["gain_standard_error"]).values


def memorised_level(explained: xr.Dataset, name: str) -> int | None:
    """The noise level at which ``name`` memorises most, ``None`` if it does nowhere."""
    one = explained.sel(estimator=name)
    seen, unseen = (one.sel(part=part) for part in (TRAINING, HELD_OUT))
    error = np.hypot(seen["loss_standard_error"].values, unseen["loss_standard_error"].values)
    gap = (unseen["loss"] - seen["loss"]).values
    known = (seen["loss"] < MEMORISED * unseen["loss"]).values & (gap > CLEAR * error)
    return int(np.where(known, gap, -np.inf).argmax()) if known.any() else None


def range_of_levels(sigmas: np.ndarray, chosen: np.ndarray) -> str:
    """The noise levels that ``chosen`` (a mask, not empty) marks, in words.

    >>> levels = np.array([0.1, 0.5, 1.0, 5.0])
    >>> range_of_levels(levels, levels < 0.7), range_of_levels(levels, levels > 0)
    ('σ up to 0.5', 'every noise level')
    >>> range_of_levels(levels, levels > 0.7), range_of_levels(levels, levels == 0.5)
    ('σ from 1 on', 'σ 0.5')
    """
    if chosen.all():
        return "every noise level"
    where = np.flatnonzero(chosen)
    runs = np.split(where, np.flatnonzero(np.diff(where) > 1) + 1)
    if len(runs) > MOST_PIECES:
        return f"{len(where)} of the {len(sigmas)} noise levels"
    return words.joined([_piece(sigmas, run[0], run[-1]) for run in runs])


def _piece(sigmas: np.ndarray, first: int, last: int) -> str:
    low, high = (words.number(float(sigmas[i]), 2) for i in (first, last))
    if first == 0 and last:
        return f"σ up to {high}"
    if last == len(sigmas) - 1 and first < last:
        return f"σ from {low} on"
    return f"σ {low}" if first == last else f"σ {low} to {high}"


def _best(explained: xr.Dataset) -> list[str]:
    known = comparable(explained)
    names, sigmas = known["estimator"].values.tolist(), known["sigma"].values
    if len(names) == 1:
        return []
    best = is_best(known)
    parts = [
        f"{name} at {range_of_levels(sigmas, row)}"
        for name, row in sorted(zip(names, best, strict=True), key=lambda pair: -pair[1].sum())[:MOST_NAMED]
        if row.any()
    ]
    below = "" if len(sigmas) == explained.sizes["sigma"] else _nothing_above(float(sigmas[-1]))
    return [f"Best on held-out data, within error: {'; '.join(parts)}.{below}"]


def _nothing_above(sigma: float) -> str:
    level = words.number(sigma, 2)
    return f" Levels above {level} are not compared: there the noise hides nearly everything."


def _half_way(explained: xr.Dataset) -> str:
    (level,) = levels_worth_showing(explained, (0.5,))
    one = explained.isel(sigma=level)
    held = one.sel(part=HELD_OUT)
    order = np.argsort(-held["explained_variance"].values)
    each = words.joined(
        [
            f"{held['estimator'].values[i]} "
            + _percent(float(held["explained_variance"][i]), float(held["standard_error"][i]))
            for i in order
        ]
    )
    return (
        f"Explained variance of held-out data at σ {words.number(float(one['sigma']), 2)}, where the best "
        f"linear denoiser explains {_percent(held['gaussian_floor'].item())}: {each}."
    )


def _worse(explained: xr.Dataset) -> list[str]:
    known = comparable(explained)
    parts = [
        f"{name} at {range_of_levels(known['sigma'].values, row)}"
        for name, row in zip(known["estimator"].values.tolist(), is_worse_than_linear(known), strict=True)
        if row.any()
    ]
    return [f"Explains less than the best linear denoiser: {'; '.join(parts)}."] if parts else []


def _memorising(explained: xr.Dataset) -> list[str]:
    found = {
        name: level
        for name in explained["estimator"].values.tolist()
        if (level := memorised_level(explained, name)) is not None
    }
    if not found:
        return ["None memorises: no training loss is far below the held-out loss."]
    return [_memorises(explained, name, level) for name, level in found.items()]


def _memorises(explained: xr.Dataset, name: str, level: int) -> str:
    one = explained.sel(estimator=name).isel(sigma=level)
    seen, unseen = (one["explained_variance"].sel(part=part).item() for part in (TRAINING, HELD_OUT))
    loss = one["loss"].sel(part=HELD_OUT).item() / max(one["loss"].sel(part=TRAINING).item(), 1e-300)
    return (
        f"{name} memorises: at σ {words.number(float(one['sigma']), 2)} its held-out loss is "
        f"{_times(loss)} its training loss. It explains {_percent(unseen)} of held-out data, "
        f"{_percent(seen)} of the training data (knowing them by heart: "
        f"{_percent(one['empirical_floor'].item())})."
    )


def _times(ratio: float) -> str:
    return f"{words.factor(ratio)} times" if ratio < MANY_TIMES else f"more than {MANY_TIMES:,} times"


def _percent(share: float, error: float | None = None) -> str:
    value, sign, spread = percent(share, error).replace("-", "−").partition(" ±")
    return f"{value}%{sign}{spread}"
