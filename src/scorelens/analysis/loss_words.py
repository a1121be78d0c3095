"""Sentences on the loss: against the best linear denoiser, and on training against held-out data."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.analysis import words

#: A difference counts if it exceeds this many standard errors.
ERRORS = 2.0


def loss_sentences(losses: xr.Dataset) -> list[str]:
    """What the last measured losses ``losses (step, ...)`` say."""
    last = losses.isel(step=-1)
    return [_against_linear(last), _against_training(last)]


def _against_linear(last: xr.Dataset) -> str:
    held_out, error, linear = (
        float(last[name]) for name in ("held_out_edm_loss", "held_out_edm_standard_error", "linear_edm_loss")
    )
    reached = (
        f"At step {words.step(float(last['step']))} the EDM loss on held-out data is {words.number(held_out)}"
    )
    floor = f"that of the best linear denoiser, {words.number(linear)}"
    if abs(held_out - linear) <= ERRORS * error:
        return f"{reached}, not distinguishable from {floor}."
    if held_out < linear:
        return (
            f"{reached}, {_apart(linear, held_out)} below {floor}: it knows more than means and covariances."
        )
    return f"{reached}, still {_apart(held_out, linear)} above {floor}."


def _apart(larger: float, smaller: float) -> str:
    """How far two losses are apart, as a share of the larger one or a factor.

    >>> _apart(10.0, 9.0), _apart(10.0, 2.0)
    ('10%', 'a factor 5')
    """
    return (
        f"a factor {words.factor(larger / smaller)}"
        if larger > 2 * smaller
        else f"{1 - smaller / larger:.0%}"
    )


def _against_training(last: xr.Dataset) -> str:
    train, held_out = float(last["train_edm_loss"]), float(last["held_out_edm_loss"])
    error = np.hypot(float(last["train_edm_standard_error"]), float(last["held_out_edm_standard_error"]))
    gap = held_out - train
    if abs(gap) <= ERRORS * error:
        return (
            f"On training data it is {words.number(train)}: no sign of memorisation "
            f"(the difference is within {ERRORS:g} standard errors)."
        )
    if gap < 0:
        return f"On training data it is {words.number(train)}, higher than on held-out data: no memorisation."
    return (
        f"On training data it is {words.number(train)}, lower by {gap / held_out:.0%} "
        f"({gap / error:.1f} standard errors): the model fits its training points better than new ones."
    )
