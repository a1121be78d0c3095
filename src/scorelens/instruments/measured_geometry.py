"""The local geometry of any denoiser, labelled: what it keeps of noisy events, and along which directions."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.eigen import mode_count
from scorelens.core.evaluation import generator, normal_batches
from scorelens.core.jacobian import JacobianAt
from scorelens.core.jacobian.derivative_choice import NotDifferentiableError
from scorelens.geometry.adaptive_basis import local_offset, scaling_defect
from scorelens.geometry.dimension.flipd import flipd
from scorelens.geometry.lockstep_spectrum import lockstep_spectrum
from scorelens.geometry.spectrum import (
    METHODS,
    JacobianSpectrum,
    exact_spectrum,
    forming_is_cheap,
    krylov_spectrum,
)
from scorelens.geometry.totals import totals
from scorelens.instruments import geometry_labels as labels
from scorelens.instruments.labels import sigma_coordinate

#: Stream of the noise that points meet.
STREAM = "noise of geometry"
#: Beside `geometry.spectrum.METHODS`: few calls of the denoiser, for small networks on many points.
LOCKSTEP, LOCKSTEP_PASSES = "lockstep", 4


def measure_geometry(
    denoiser: Denoiser,
    points: Tensor,
    sigmas: np.ndarray,
    n_modes: int = 8,
    *,
    seed: int = 0,
    center: Tensor | None = None,
    n_probes: int = 4,
    dimension: bool = True,
    tolerance: float = 1e-3,
    method: str = "auto",
    way: str = "auto",
    block: int | None = None,
    max_passes: int | None = None,
) -> xr.Dataset:
    """The Jacobian of ``denoiser`` at noisy ``points (p, *event)``, given clean, at each of ``sigmas`` > 0.

    ``noisy = clean + sigma * noise`` with one noise per point, the same at every level, from ``seed``. Dims
    are ``point``, ``sigma`` (ascending), ``eigen`` and those of the event: ``channel, height, width`` or
    ``feature``. In data units, with the symmetric part ``S`` of the Jacobian ``J``:

    - ``clean``, ``noisy``, ``denoised``; ``eigenvector`` (orthonormal, float32);
    - ``eigenvalue``: factor by which a direction is shrunk ([P13]), with ``eigenvalue_error``, ``converged``;
    - ``coefficient``, ``denoised_coefficient``: of ``noisy - center`` and of ``denoised - center`` along an
      eigenvector, in units of ``sigma``; ``center (*event)`` is where the data lie (default 0);
    - ``trace`` of ``J``, ``participation``, ``entropy_rank``, ``energy_rank`` ([P20]) with the errors of
      ``n_probes`` random probes (0 where all eigenvalues are known; see `geometry.totals` for NaN);
    - ``asymmetry`` ([P13]), ``homogeneity_defect`` ([P11]); ``offset_share``: what ``J`` does not say of
      ``denoised - center``, ``|D(x) - c - J (x - c)| / |D(x) - c|``;
    - ``flipd``: local dimension at the clean point, unless ``dimension`` is false.

    ``method``, ``tolerance``, ``block``, ``max_passes`` are those of `geometry.spectrum.jacobian_spectrum`,
    or ``"lockstep"``: formed where cheap, else ``max_passes`` passes at all points together
    (`geometry.lockstep_spectrum`). ``way`` is that of `core.jacobian.JacobianAt`. Where the spectrum cannot
    be had, what rests on it is NaN, ``converged`` is false and the attribute ``way`` says why; a pair that
    did not converge keeps its error. Raises ``ValueError`` for points, noise levels or an output that no
    Jacobian can be had of.

    >>> found = measure_geometry(lambda x, s: x / (1 + s[:, None] ** 2), torch.ones(2, 3), np.ones(1), 2)
    >>> found.eigenvalue.values[0].round(6), found.participation.values[:, 0].round(6)
    (array([[0.5, 0.5]]), array([3., 3.]))
    """
    checks.choice("method", method, (*METHODS, LOCKSTEP))
    levels = np.sort(np.atleast_1d(np.asarray(sigmas, dtype=float)))
    checks.positive("sigmas", levels, "a denoiser is differentiated at positive noise only")
    clean, noisy, level = noisy_points(points, levels, seed)
    jacobian = JacobianAt(denoiser, noisy, level, way=way)
    n_modes = mode_count(n_modes, jacobian.dim, default=1)
    middle = torch.zeros(jacobian.dim) if center is None else center.detach().flatten()
    shape = labels.Shape(len(points), len(levels), n_modes, jacobian.event_shape)
    variables = labels.events(shape, points, jacobian)
    variables |= labels.defects(shape, scaling_defect(jacobian), local_offset(jacobian, middle).relative)
    used, why = "none", ""
    try:
        spectrum = _spectrum(jacobian, n_modes, method, seed, tolerance, block, max_passes)
        variables |= labels.pairs(shape, spectrum, middle)
        variables |= labels.ranks(shape, totals(jacobian, spectrum, n_probes, seed=seed))
        used = spectrum.method
    except NotDifferentiableError as error:
        variables |= labels.unknown(shape)
        why = str(error)
    if dimension:
        at_clean = jacobian.moved(clean, level)
        variables |= labels.dimension(shape, flipd(at_clean, max(n_probes, 4), seed=seed))
    words = "; ".join(part for part in (jacobian.way, why) if part)
    attrs = {"n_points": len(points), "dim": jacobian.dim, "seed": seed, "method": used, "way": words}
    return xr.Dataset(variables, sigma_coordinate(levels), attrs)


def _spectrum(
    jacobian: JacobianAt,
    n_modes: int,
    method: str,
    seed: int,
    tolerance: float,
    block: int | None,
    max_passes: int | None,
) -> JacobianSpectrum:
    """All eigenpairs where the Jacobian is formed, else the ``n_modes`` leading ones."""
    if method == "exact" or (method != "krylov" and forming_is_cheap(jacobian.dim, n_modes)):
        return exact_spectrum(jacobian, jacobian.dim)
    if method == LOCKSTEP:
        passes = LOCKSTEP_PASSES if max_passes is None else max_passes
        return lockstep_spectrum(jacobian, n_modes, n_passes=passes, tolerance=tolerance, seed=seed)
    return krylov_spectrum(
        jacobian, n_modes, tolerance=tolerance, block=block, max_passes=max_passes, seed=seed
    )


def noisy_points(points: Tensor, levels: np.ndarray, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Clean and noisy events ``(p * s, *event)``, every point at every level in turn, and the levels.

    >>> clean, noisy, level = noisy_points(torch.zeros(1, 2), np.array([1.0, 3.0]), seed=0)
    >>> bool(torch.allclose(noisy[1], 3 * noisy[0])), level.tolist()
    (True, [1.0, 3.0])
    """
    event = tuple(points.shape[1:])
    noise = torch.cat(list(normal_batches(len(points), event, generator(seed, STREAM)))).to(points)
    clean = points.repeat_interleave(len(levels), dim=0)
    level = torch.as_tensor(levels).to(points).repeat(len(points))
    apart = level.reshape(-1, *[1] * len(event)) * noise.repeat_interleave(len(levels), dim=0)
    return clean, clean + apart, level
