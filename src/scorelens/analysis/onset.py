"""Where training turns to memorising: held-out loss rises while training loss falls, level by level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr

from scorelens.core import checks

NONE, ONSET, UNCERTAIN = "none", "onset", "uncertain"

#: Measurements in a row that must lie above the minimum, and by how many standard errors.
PATIENCE, ERRORS = 3, 2.0


@final
@dataclass(frozen=True, eq=False)
class Onset:
    """Per noise level and overall, whether and from when on a model learns its training data by heart.

    - ``sigma`` ``(s,)``, ascending as measured; ``status`` of each level:
      "onset" if at each of the last ``patience`` measurements held-out loss lies above its minimum by more
      than two standard errors while training loss lies below its value at that minimum, and the last
      training loss is below the held-out loss by more than two standard errors;
      "uncertain" if the last held-out loss lies above its minimum so, but not for so long, or with only one
      of these two signs of training loss, or if there are too few measurements;
      "none" otherwise, also where a rise was undone.
    - ``rises`` ``(s,)``: for how many measurements in a row, up to the last, both losses have been so.
    - ``step`` ``(s,)``: the step of the measurement before these; NaN without onset.
    - ``rise`` ``(s,)``: how far the last lies above the minimum, as a share of the minimum.
    - ``last_step``: of the last measurement.
    """

    sigma: np.ndarray
    status: tuple[str, ...]
    step: np.ndarray
    rises: np.ndarray
    rise: np.ndarray
    last_step: int

    @property
    def overall(self) -> str:
        """ "onset" if any level has one, else "uncertain" if any is, else "none"."""
        return next((status for status in (ONSET, UNCERTAIN) if status in self.status), NONE)

    @property
    def first_step(self) -> float:
        """The earliest onset of any level; NaN without."""
        known = self.step[np.isfinite(self.step)]
        return float(known.min()) if known.size else np.nan

    @property
    def leading(self) -> int | None:
        """Number of the level with onset whose held-out loss rose most; or ``None``."""
        with_onset = [i for i, status in enumerate(self.status) if status == ONSET]
        return max(with_onset, key=lambda i: self.rise[i], default=None)


def onset(losses: xr.Dataset, patience: int = PATIENCE) -> Onset:
    """Onset of memorisation from ``losses`` measured along ``step`` by `scorelens.instruments.DenoisingLoss`.

    Needs ``train_loss`` and ``held_out_loss (step, sigma)`` with ``held_out_standard_error``, and takes
    ``train_standard_error`` into account. All measurements meet the same points and noise, so differences
    between them are known better than their standard errors say: the verdict is on the careful side. Raises
    ``ValueError`` unless ``patience`` >= 1.

    >>> held_out = np.array([9.0, 4.0, 2.0, 3.0, 4.0, 5.0])[:, None]
    >>> each = ("step", "sigma")
    >>> curves = {"held_out_loss": (each, held_out), "train_loss": (each, 9.0 - np.arange(6.0)[:, None])}
    >>> curves["held_out_standard_error"] = (each, np.full((6, 1), 0.1))
    >>> found = onset(xr.Dataset(curves, {"step": [0, 1, 10, 20, 40, 80], "sigma": [0.2]}))
    >>> found.overall, found.first_step, found.rises.tolist()
    ('onset', 10.0, [3])
    """
    checks.whole("patience", patience, 1)
    ordered = losses.transpose("step", "sigma", ...).sortby("step")
    steps = ordered["step"].values
    held_out, held_out_error, train, train_error = (
        np.asarray(ordered[name].values, dtype=float) if name in ordered else np.zeros((len(steps), 1))
        for name in ("held_out_loss", "held_out_standard_error", "train_loss", "train_standard_error")
    )
    lowest = held_out.argmin(axis=0)

    def at_lowest(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, lowest[None], axis=0)

    above = held_out - at_lowest(held_out) > ERRORS * np.hypot(held_out_error, at_lowest(held_out_error))
    # Never all: the minimum itself is not above.
    rises = (above & (train < at_lowest(train)))[::-1].argmin(axis=0)
    apart = held_out[-1] - train[-1] > ERRORS * np.hypot(held_out_error[-1], train_error[-1])
    found = (rises >= patience) & apart
    unsure = (above[-1] & apart) | (len(steps) <= patience)
    status = np.where(found, ONSET, np.where(unsure, UNCERTAIN, NONE))
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.nan_to_num(held_out[-1] / at_lowest(held_out)[0] - 1)
    return Onset(
        sigma=ordered["sigma"].values,
        status=tuple(status.tolist()),
        step=np.where(found, steps[-1 - rises], np.nan),
        rises=rises,
        rise=rise,
        last_step=int(steps[-1]),
    )
