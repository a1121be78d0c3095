"""The chapter on the likelihood of held-out events."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.report.panel import Section
from scorelens.report.table import Table


def likelihood(found: xr.Dataset) -> Section:
    """Bits per dimension under the model, against those of a Gaussian."""
    n, sigma = found.sizes["event"], float(found["sigma"])
    gain = found["gaussian_bits"] - found["bits"]
    rows = [
        _row("by the model", found["bits"].values),
        _row("by the Gaussian of the data's moments", found["gaussian_bits"].values),
        _row("the model saves", gain.values),
    ]
    off = n - int(found["converged"].sum())
    trace, steps = (float(found[f"bits_{name}"].max()) for name in ("standard_error", "numeric_error"))
    errors = f"Largest error of the trace {trace:.1g}, change when all steps are halved {steps:.1g} bits."
    unconverged = f" {off} of {n} did not converge." if off else ""
    return Section(
        name="likelihood",
        short_title="Likelihood",
        title="How likely held-out events are",
        lead=(
            f"The density of events with noise {sigma:.3g} under the law that the model generates at that "
            "noise level, through the probability-flow ODE, as code length in bits per dimension: fewer is "
            "better, and none is fewer on average than that of the noisy data's own law."
        ),
        tables=(
            Table(
                f"Bits per dimension of {n} held-out events",
                ("law", "mean", "standard error", "least", "most"),
                tuple(rows),
                "Of the density in data units, whose zero is a matter of units; differences are not. For "
                "images of 8 bits in [−1, 1] add 6.994 (log₂ 127.5) for bits per pixel value, a bound where "
                f"the noise is that of dequantisation. {errors}{unconverged}",
            ),
        ),
    )


def _row(name: str, bits: np.ndarray) -> tuple[str, ...]:
    error = bits.std(ddof=1) / np.sqrt(len(bits)) if len(bits) > 1 else np.nan
    return name, *(f"{v:.3f}".replace("-", "−") for v in (bits.mean(), error, bits.min(), bits.max()))
