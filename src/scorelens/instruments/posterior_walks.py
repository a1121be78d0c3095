"""What may lie behind a noisy event: the posterior mean, moved along its principal components."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from scorelens.core.denoiser import Denoiser
from scorelens.geometry.asymmetry import Asymmetry
from scorelens.geometry.posterior import Posterior
from scorelens.geometry.spectrum import JacobianSpectrum
from scorelens.instruments.labels import LENGTH, PURE, VARIANCE, variable

#: Components that are walked along, and how far, in standard deviations.
COMPONENTS: Final = 4
DEVIATIONS: Final = (-2.0, -1.0, 0.0, 1.0, 2.0)
WALK: Final = ("point", "sigma", "component", "deviation")


def posterior_walks(
    denoiser: Denoiser, measured: xr.Dataset, n_components: int = COMPONENTS
) -> xr.Dataset | None:
    """Walks along the leading components of the posterior at the noisy events of ``measured`` ([P3]).

    ``measured`` is what `measure_geometry` found of ``denoiser``; ``None`` where it knows no eigenpairs. Dims
    are ``point``, ``sigma``, ``component``, ``deviation`` (in standard deviations) and those of the event:

    - ``walk``: mean + deviation times the component, a straight line; ``denoised_walk``: what the denoiser
      makes of the noisy event moved so that its mean moves as far, to first order (NaN: no variance there);
    - ``standard_deviation`` and its ``standard_deviation_error`` (of the eigenvalue), in data units, 0 where
      a variance is not positive; ``negative`` says whether it is negative beyond that error;
    - ``total_variance`` with ``total_standard_error``, over all components: ``sigma^2 tr J``;
    - ``mean``, the posterior mean.

    >>> from scorelens.instruments.measured_geometry import measure_geometry
    >>> half = lambda x, sigma: x / (1 + sigma[:, None] ** 2)
    >>> found = posterior_walks(half, measure_geometry(half, torch.ones(1, 3), np.ones(1), 2), 1)
    >>> found.standard_deviation.item() ** 2, found.walk.shape
    (0.5, (1, 1, 1, 5, 3))
    """
    if measured.attrs["method"] == "none":
        return None
    event = tuple(map(str, measured["clean"].dims[1:]))
    shape = tuple(measured["clean"].shape[1:])
    points, levels = measured.sizes["point"], measured.sizes["sigma"]
    kept = min(n_components, measured.sizes["eigen"])
    rows = [
        _walks(denoiser, _posterior(measured.isel(point=p, sigma=s), shape), kept)
        for p in range(points)
        for s in range(levels)
    ]
    walks, denoised = (
        np.stack([row[i] for row in rows]).reshape(points, levels, kept, len(DEVIATIONS), *shape)
        for i in (0, 1)
    )
    spread = _spread(measured, kept)
    return xr.Dataset(
        {
            "walk": variable(
                (*WALK, *event), walks, "Posterior mean moved along a component", LENGTH, "[P3]"
            ),
            "denoised_walk": variable(
                (*WALK, *event), denoised, "Denoised noisy event, moved along a component", LENGTH
            ),
            "mean": measured["denoised"].variable,
            **spread,
        },
        {"sigma": measured["sigma"].variable, "deviation": np.array(DEVIATIONS)},
    )


def _posterior(one: xr.Dataset, shape: tuple[int, ...]) -> Posterior:
    """The posterior at one point and noise level, from its labelled eigenpairs."""
    pairs = one.sizes["eigen"]
    frame = _tensor(one["eigenvector"]).reshape(pairs, -1).mT
    none = torch.zeros(1, dtype=torch.float64)
    spectrum = JacobianSpectrum(
        eigenvalues=_tensor(one["eigenvalue"])[None],
        eigenvectors=frame[None],
        errors=_tensor(one["eigenvalue_error"])[None],
        converged=torch.as_tensor(one["converged"].values)[None],
        asymmetry=Asymmetry(_tensor(one["asymmetry"])[None], none),
        value=_tensor(one["denoised"]).reshape(1, -1),
        x=_tensor(one["noisy"]).reshape(1, -1),
        sigma=_tensor(one["sigma"])[None],
        event_shape=shape,
        method=one.attrs["method"],
        way=one.attrs["way"],
        n_applied=0,
    )
    noise = float(one["sigma"]) ** 2
    return Posterior(
        spectrum, noise * _tensor(one["trace"])[None], noise * _tensor(one["trace_standard_error"])[None]
    )


def _walks(denoiser: Denoiser, found: Posterior, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Straight and denoised walks along each component, each ``(component, deviation, *event)`` float32."""
    steps = torch.tensor(DEVIATIONS, dtype=torch.float64)
    straight, denoised = [], []
    for component in range(kept):
        straight.append(found.walk(component, steps)[0])
        varies = bool(found.deviations[0, component] > 0)
        moved = found.denoised_walk(denoiser, component, steps)[0] if varies else None
        denoised.append(torch.full_like(straight[-1], torch.nan) if moved is None else moved)
    return tuple(torch.stack(each).numpy().astype(np.float32) for each in (straight, denoised))  # pyright: ignore[reportReturnType]


def _spread(measured: xr.Dataset, kept: int) -> dict[str, xr.Variable]:
    """Standard deviations along the components, and the variance of all."""
    leading = measured.isel(eigen=slice(kept))
    dims = ("point", "sigma", "component")
    noise = measured["sigma"].values
    values, errors = leading["eigenvalue"].values, leading["eigenvalue_error"].values
    deviation = noise[:, None] * np.sqrt(np.maximum(values, 0.0))
    above = noise[:, None] * np.sqrt(np.maximum(values + errors, 0.0))
    total = "Variance of the posterior, over all components"
    return {
        "standard_deviation": variable(dims, deviation, "Standard deviation along the component", LENGTH),
        "standard_deviation_error": variable(dims, above - deviation, "Error of it", LENGTH),
        "negative": variable(dims, values < -errors, "Whether the variance is negative", PURE),
        "total_variance": variable(dims[:2], noise**2 * measured["trace"].values, total, VARIANCE, "[P3]"),
        "total_standard_error": variable(
            dims[:2], noise**2 * measured["trace_standard_error"].values, "Standard error of it", VARIANCE
        ),
    }


def _tensor(values: xr.DataArray) -> Tensor:
    return torch.as_tensor(values.values.astype(float))
