"""The trace of an operator that can only be applied, with its standard error; a batch of operators at once.

Written here because the maintained torch library (curvlinops 3.0) reports no error, inverts a triangular
factor that is singular for operators of low rank (which Jacobians of denoisers are), and draws from the
global generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.evaluation import generator

Apply = Callable[[Tensor], Tensor]
"""``apply(v) -> A v`` for ``v (b, d, k)``: k directions for each of b operators."""

# Groups of probes that XTrace leaves out in turn; each costs a decomposition.
_MOST_GROUPS: Final = 32

METHODS: Final = ("auto", "exact", "hutchinson", "hutch++", "xtrace")


class TraceEstimate(NamedTuple):
    """``value (b,)``, its ``standard_error (b,)`` (0 where exact), applications per operator, ``method``."""

    value: Tensor
    standard_error: Tensor
    n_applied: int
    method: str


def trace(
    apply: Apply, n_points: int, dim: int, n_applied: int = 30, *, method: str = "auto", seed: int = 0
) -> TraceEstimate:
    """``tr A`` of ``n_points`` operators ``A (d, d)`` with ``n_applied`` applications to each, in float64.

    ``method``: ``"hutchinson"`` (hutchinson1989), ``"hutch++"`` (meyer2021), ``"xtrace"`` (epperly2024:
    unbiased, far more accurate where the spectrum decays), ``"exact"`` (``d`` applications whatever
    ``n_applied``), or ``"auto"``: exact where that costs no more, else XTrace. ``A`` need not be symmetric;
    ``apply`` is given float64. The standard error of XTrace is a jackknife's (efron1981) and cautious: in the
    mean square no smaller than the true one, 1.1 to 3 times that on flat and slowly decaying spectra, more
    where they decay fast. Raises ``ValueError`` for fewer applications than the method can judge its error
    from; with the fewest, errors scatter as t distributions of one degree of freedom.

    >>> A = torch.diag(torch.arange(1.0, 101.0).double() ** -2)
    >>> found = trace(lambda v: A @ v, 1, 100, 40)
    >>> bool((found.value - A.trace()).abs() < 4 * found.standard_error), found.method
    (True, 'xtrace')
    """
    checks.choice("method", method, METHODS)
    if method == "exact" or (method == "auto" and dim <= n_applied):
        return _exact(apply, n_points, dim)
    chosen = "xtrace" if method == "auto" else method
    least = {"hutchinson": 2, "hutch++": 6, "xtrace": 4}[chosen]
    checks.whole("n_applied", n_applied, least, f"{chosen} judges its error from no fewer")
    draws = generator(seed, "trace")
    if chosen == "hutchinson":
        return hutchinson(apply, _signs((n_points, dim, n_applied), draws))
    # The basis may not fill the space: nothing would be left to judge the error from.
    n_basis = min(n_applied // (3 if chosen == "hutch++" else 2), dim - 1)
    if chosen == "xtrace":
        return _xtrace(apply, torch.randn((n_points, dim, n_basis), generator=draws, dtype=torch.float64))
    sketch = _signs((n_points, dim, n_basis), draws)
    return _hutch_plus_plus(apply, sketch, _signs((n_points, dim, n_applied - 2 * n_basis), draws))


def hutchinson(apply: Apply, probes: Tensor) -> TraceEstimate:
    """The mean of ``v . A v`` over ``probes (b, d, m)`` of independent entries of mean 0, variance 1; m >= 2.

    >>> hutchinson(lambda v: 3 * v, torch.tensor([[[1.0, -1.0], [1.0, 1.0]]])).value
    tensor([6.], dtype=torch.float64)
    """
    forms = (probes * apply(probes)).double().sum(1)
    return TraceEstimate(forms.mean(1), _standard_error(forms), probes.shape[2], "hutchinson")


def _exact(apply: Apply, n_points: int, dim: int) -> TraceEstimate:
    total = torch.zeros(n_points, dtype=torch.float64)
    for axes in torch.arange(dim).split(64):
        columns = torch.nn.functional.one_hot(axes, dim).double().T.expand(n_points, dim, len(axes))
        total += apply(columns).double()[:, axes, torch.arange(len(axes))].sum(1)
    return TraceEstimate(total, torch.zeros_like(total), dim, "exact")


def _hutch_plus_plus(apply: Apply, sketch: Tensor, probes: Tensor) -> TraceEstimate:
    """Meyer et al. 2021, algorithm 1: exact on the range of ``A sketch``, Hutchinson outside it."""
    basis = torch.linalg.qr(apply(sketch).double())[0]
    inside = (basis * apply(basis).double()).sum((1, 2))
    outside = probes - basis @ (basis.mT @ probes)
    rest = hutchinson(apply, outside)
    n_applied = 2 * sketch.shape[2] + probes.shape[2]
    return TraceEstimate(inside + rest.value, rest.standard_error, n_applied, "hutch++")


class _Sketch(NamedTuple):
    """Images of m probes ``w`` in an orthonormal basis ``Q (d, m)`` of their span, for b operators ``A``.

    ``images`` are ``Q^T A w`` in columns, ``inner`` is ``Q^T A Q``, ``coordinates`` ``Q^T w``, ``crossed``
    ``Q^T A^T w``, each ``(b, m, m)``; ``forms`` are ``w . A w`` and ``lengths`` ``|w|^2``, ``(b, m)``.
    """

    images: Tensor
    inner: Tensor
    coordinates: Tensor
    crossed: Tensor
    forms: Tensor
    lengths: Tensor

    def of(self, kept: Tensor) -> _Sketch:
        """The same of some of the probes alone, in a basis of their images."""
        turn, images = torch.linalg.qr(self.images[:, :, kept])
        coordinates, crossed = (turn.mT @ each[:, :, kept] for each in (self.coordinates, self.crossed))
        inner = turn.mT @ self.inner @ turn
        return _Sketch(images, inner, coordinates, crossed, self.forms[:, kept], self.lengths[:, kept])


def _xtrace(apply: Apply, probes: Tensor) -> TraceEstimate:
    """Epperly et al. 2024, algorithm 1 (normal probes, rescaled to the sphere of the complement).

    The m estimates share all but one direction of their basis, so their scatter is too small. The error
    comes from repeating the whole with each probe (or group of them) removed: the sum of squared deviations
    of these is in the mean no less than the variance of one of them (Efron & Stein 1981), whose probes are
    fewer than those of the value.
    """
    dim, n = probes.shape[1:]
    images = apply(probes).double()
    basis, upper = torch.linalg.qr(images)
    basis_images = apply(basis).double()
    crossed = basis_images.mT @ probes
    forms, lengths = (probes * images).sum(1), probes.square().sum(1)
    sketch = _Sketch(upper, basis.mT @ basis_images, basis.mT @ probes, crossed, forms, lengths)
    groups = torch.arange(n).tensor_split(min(n, _MOST_GROUPS))
    kept = (torch.cat(groups[:i] + groups[i + 1 :]) for i in range(len(groups)))
    repeated = torch.stack([_leave_one_out(sketch.of(some), dim).mean(1) for some in kept], 1)
    error = (repeated - repeated.mean(1, keepdim=True)).square().sum(1).sqrt()
    return TraceEstimate(_leave_one_out(sketch, dim).mean(1), error, 2 * n, "xtrace")


def _leave_one_out(sketch: _Sketch, dim: int) -> Tensor:
    """Estimates ``(b, m)``: exact on the images of all probes but one, which judges the remainder.

    Without probe i, the basis ``Q`` of the images leaves ``Q (I - s_i s_i^T) Q^T``.
    """
    left_out = _left_out(sketch.images)  # s_i in columns
    inside = sketch.coordinates - left_out * (left_out * sketch.coordinates).sum(1, keepdim=True)
    forms = sketch.forms + (inside * (sketch.inner @ inside)).sum(1)
    crossed = (inside * (sketch.crossed + sketch.images)).sum(1)
    outside = sketch.lengths - inside.square().sum(1)
    remainder = (forms - crossed) * (dim - sketch.images.shape[2] + 1) / outside
    removed = (left_out * (sketch.inner @ left_out)).sum(1)
    return sketch.inner.diagonal(dim1=1, dim2=2).sum(1, keepdim=True) - removed + remainder


def _left_out(upper: Tensor) -> Tensor:
    """Unit columns ``s_i``, orthogonal to every column of ``upper`` but the i-th.

    A singular ``upper`` (an operator of low rank) has its smallest singular values raised to rounding.
    """
    left, sizes, right = torch.linalg.svd(upper)
    floor = sizes[:, :1] * len(upper[0]) * torch.finfo(upper.dtype).eps
    inverse = left @ (right / sizes.maximum(floor.clamp_min(torch.finfo(upper.dtype).tiny))[..., None])
    return inverse / inverse.norm(dim=1, keepdim=True)


def _standard_error(estimates: Tensor) -> Tensor:
    return estimates.std(1) / estimates.shape[1] ** 0.5


def _signs(shape: tuple[int, ...], draws: torch.Generator) -> Tensor:
    return torch.randint(0, 2, shape, generator=draws).double() * 2 - 1
