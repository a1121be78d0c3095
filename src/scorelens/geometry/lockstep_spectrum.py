"""Leading eigenpairs at many points, iterated in step: few calls of a denoiser, each of many rows."""

from __future__ import annotations

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.eigen import fix_signs, mode_count
from scorelens.core.evaluation import generator
from scorelens.core.jacobian import JacobianAt
from scorelens.geometry.asymmetry import asymmetry
from scorelens.geometry.spectrum import JacobianSpectrum


def lockstep_spectrum(
    jacobian: JacobianAt,
    n_modes: int,
    *,
    n_passes: int = 4,
    tolerance: float = 0.02,
    n_probes: int = 4,
    seed: int = 0,
) -> JacobianSpectrum:
    """The ``n_modes`` largest eigenpairs of ``(J + J^T) / 2`` at all points after ``n_passes`` >= 2 passes.

    Block Krylov iteration without restarts: every pass applies ``J`` and ``J^T`` to ``n_modes`` directions of
    every point in one call, so that a denoiser whose cost is in calls is asked ``2 n_passes`` times in all.
    Keeps ``(b, d, n_passes * n_modes)`` numbers twice. `geometry.spectrum.krylov_spectrum` goes on until it
    has converged; here errors are residuals (doubled where above ``tolerance`` of the eigenvalue, for
    then they are estimates), and `converged` says which pairs met the tolerance.

    >>> gains = torch.tensor([4.0, 3.0, 0.2, 0.1, 0.0, 0.0])
    >>> found = lockstep_spectrum(JacobianAt(lambda x, s: gains * x, torch.ones(2, 6), 1.0), 2)
    >>> found.eigenvalues[1].numpy().round(3), found.status
    (array([4., 3.]), ('converged', 'converged'))
    """
    mode_count(n_modes, jacobian.dim, default=1)
    checks.whole("n_passes", n_passes, 2, "one sees a large eigenvalue only dimly")
    shape = (jacobian.n_points, jacobian.dim, n_modes)
    start = torch.randn(shape, generator=generator(seed, "lockstep"), dtype=torch.float64)
    basis = torch.linalg.qr(start)[0]
    images = jacobian.apply_symmetric(basis).double().cpu()
    for _ in range(n_passes - 1):
        if basis.shape[2] + n_modes > jacobian.dim:
            break
        fresh = _outside(images[..., -n_modes:], basis)
        basis = torch.cat([basis, fresh], 2)
        images = torch.cat([images, jacobian.apply_symmetric(fresh).double().cpu()], 2)
    inner = basis.mT @ images
    values, rotation = torch.linalg.eigh((inner + inner.mT) / 2)
    values, rotation = values.flip(1)[:, :n_modes], rotation.flip(2)[..., :n_modes]
    vectors, residual = basis @ rotation, images @ rotation - (basis @ rotation) * values[:, None]
    rounding = jacobian.accuracy * inner.norm(dim=(1, 2))[:, None]
    errors = residual.norm(dim=1) + rounding
    converged = (errors <= tolerance * values.abs()) | (errors <= 2 * rounding)
    return JacobianSpectrum(
        eigenvalues=values,
        eigenvectors=torch.stack([torch.as_tensor(fix_signs(one.numpy())) for one in vectors]),
        errors=torch.where(converged, errors, 2 * errors),
        converged=converged,
        asymmetry=asymmetry(jacobian, n_probes, seed=seed),
        value=jacobian.value.double().cpu(),
        x=jacobian.x.double().cpu(),
        sigma=jacobian.sigma.double().cpu(),
        event_shape=jacobian.event_shape,
        method="krylov",
        way=jacobian.way,
        n_applied=jacobian.n_points * basis.shape[2],
    )


def _outside(directions: Tensor, basis: Tensor) -> Tensor:
    """Orthonormal ``(b, d, k)`` of what ``directions`` add to ``basis``."""
    fresh = directions
    for _ in range(2):  # twice is enough (Kahan, Parlett)
        fresh = torch.linalg.qr(fresh - basis @ (basis.mT @ fresh))[0]
    return fresh
