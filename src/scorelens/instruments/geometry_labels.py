"""Labels of the local geometry: rows of points and noise levels become variables that say what they are."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from scorelens.core.jacobian import JacobianAt
from scorelens.geometry.dimension import AtLevel
from scorelens.geometry.spectrum import JacobianSpectrum
from scorelens.geometry.totals import Totals
from scorelens.instruments.labels import LENGTH, PURE, variable

AT: Final = ("point", "sigma")
PAIRS: Final = ("point", "sigma", "eigen")
SIGMAS: Final = "sigma"

#: What rests on the spectrum at a point and noise level: name -> (long_name, equation).
OF_SPECTRUM: Final = {
    "asymmetry": ("Asymmetry of the Jacobian, |J - J^T| / |J|", "[P13]"),
    "asymmetry_standard_error": ("Standard error of the asymmetry", None),
    "trace": ("Trace of the Jacobian: directions that are kept, each by its share", "[P20]"),
    "trace_standard_error": ("Standard error of the trace", None),
    "participation": ("Participation rank of the Jacobian", "[P20]"),
    "participation_standard_error": ("Standard error of the participation rank", None),
    "entropy_rank": ("Entropy rank of the Jacobian", "[P20]"),
    "energy_rank": ("Energy rank of the Jacobian", "[P20]"),
}
#: What every eigenpair is: name -> (long_name, units, equation).
OF_PAIRS: Final = {
    "eigenvalue": ("Factor by which the direction is shrunk", PURE, "[P13]"),
    "eigenvalue_error": ("Error of the eigenvalue", PURE, None),
    "coefficient": ("Coefficient of the noisy event along the direction", SIGMAS, "[P13]"),
    "denoised_coefficient": ("Coefficient of the denoised event along the direction", SIGMAS, "[P13]"),
}


class Shape(NamedTuple):
    """Numbers of points, noise levels and eigenpairs, and the shape of an event."""

    points: int
    levels: int
    pairs: int
    event: tuple[int, ...]

    def of(self, rows: Tensor | np.ndarray) -> np.ndarray:
        """Rows ``(p * s, ...)`` as ``(p, s, ...)``."""
        values = rows.cpu().numpy() if isinstance(rows, Tensor) else rows
        return values.reshape(self.points, self.levels, *values.shape[1:])

    def as_events(self, dims: tuple[str, ...], flat: np.ndarray, long_name: str, units: str) -> xr.Variable:
        """``(..., d)`` as float32 events: images stay images, all else is a vector."""
        image = len(self.event) == 3
        event_dims = ("channel", "height", "width") if image else ("feature",)
        values = flat.astype(np.float32).reshape(*flat.shape[:-1], *(self.event if image else (-1,)))
        return variable((*dims, *event_dims), values, long_name, units)


def events(shape: Shape, points: Tensor, jacobian: JacobianAt) -> dict[str, xr.Variable]:
    """The events at which the Jacobian is taken, clean, noisy and denoised."""
    flat = points.detach().flatten(1).cpu().numpy()
    noisy, denoised = shape.of(jacobian.x), shape.of(jacobian.value)
    return {
        "clean": shape.as_events(("point",), flat, "Event", LENGTH),
        "noisy": shape.as_events(AT, noisy, "The event with noise", LENGTH),
        "denoised": shape.as_events(AT, denoised, "What the denoiser makes of it", LENGTH),
    }


def pairs(shape: Shape, spectrum: JacobianSpectrum, center: Tensor) -> dict[str, xr.Variable]:
    """The leading eigenpairs, the coefficients of ``noisy - center (d,)`` along them, and the asymmetry."""
    kept = slice(shape.pairs)
    frame = spectrum.eigenvectors[..., kept]
    noisy, denoised = (
        (rows - center.double().cpu())[:, None] @ frame for rows in (spectrum.x, spectrum.value)
    )
    sigma = spectrum.sigma[:, None]
    values = (
        spectrum.eigenvalues[:, kept],
        spectrum.errors[:, kept],
        noisy[:, 0] / sigma,
        denoised[:, 0] / sigma,
    )
    found = _pair_variables(shape, values, spectrum.converged[:, kept], frame.mT)
    ratio, error = spectrum.asymmetry
    return found | _of_spectrum(shape, {"asymmetry": ratio, "asymmetry_standard_error": error})


def ranks(shape: Shape, whole: Totals) -> dict[str, xr.Variable]:
    """Trace and effective ranks."""
    return _of_spectrum(
        shape,
        {
            "trace": whole.trace,
            "trace_standard_error": whole.trace_error,
            "participation": whole.participation,
            "participation_standard_error": whole.participation_error,
            "entropy_rank": whole.entropy,
            "energy_rank": whole.energy,
        },
    )


def unknown(shape: Shape) -> dict[str, xr.Variable]:
    """What rests on a spectrum that could not be had: NaN, and not converged."""
    rows = shape.points * shape.levels
    nothing = torch.full((rows, shape.pairs), torch.nan, dtype=torch.float64)
    frame = nothing[..., None].expand(rows, shape.pairs, int(np.prod(shape.event)))
    found = _pair_variables(shape, (nothing,) * 4, torch.zeros_like(nothing, dtype=torch.bool), frame)
    return found | _of_spectrum(shape, dict.fromkeys(OF_SPECTRUM, nothing[:, 0]))


def defects(shape: Shape, homogeneity: Tensor, offset: Tensor) -> dict[str, xr.Variable]:
    """How far the denoiser is from homogeneous and from its own linearisation."""
    scaled = "Change of D(2 x) from 2 D(x), relative"
    beside = "Share of the denoised event that the Jacobian does not say"
    return {
        "homogeneity_defect": variable(AT, shape.of(homogeneity), scaled, PURE, "[P11]"),
        "offset_share": variable(AT, shape.of(offset), beside, PURE, "[P12]"),
    }


def dimension(shape: Shape, found: AtLevel) -> dict[str, xr.Variable]:
    """The local dimension at the clean events."""
    return {
        "flipd": variable(AT, shape.of(found.value), "Local dimension of the data at the event", PURE),
        "flipd_standard_error": variable(
            AT, shape.of(found.standard_error), "Standard error of the local dimension", PURE
        ),
    }


def _pair_variables(
    shape: Shape, values: tuple[Tensor, ...], converged: Tensor, frame: Tensor
) -> dict[str, xr.Variable]:
    """``values`` in the order of `OF_PAIRS`, each ``(b, k)``; ``frame (b, k, d)``."""
    told = zip(OF_PAIRS.items(), values, strict=True)
    found = {name: variable(PAIRS, shape.of(each), *facts) for (name, facts), each in told}
    return found | {
        "converged": variable(PAIRS, shape.of(converged), "Whether the eigenpair converged", PURE),
        "eigenvector": shape.as_events(PAIRS, shape.of(frame), "Eigenvector of the Jacobian", PURE),
    }


def _of_spectrum(shape: Shape, values: dict[str, Tensor]) -> dict[str, xr.Variable]:
    return {
        name: variable(AT, shape.of(each), OF_SPECTRUM[name][0], PURE, OF_SPECTRUM[name][1])
        for name, each in values.items()
    }
