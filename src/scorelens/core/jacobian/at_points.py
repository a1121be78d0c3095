"""The Jacobian of a denoiser at points, applied without being formed."""

from __future__ import annotations

import copy
import math
from typing import Final, final

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser, per_sample
from scorelens.core.evaluation import batch_rows, device_of, finite, generator, undisturbed
from scorelens.core.jacobian.derivative_choice import (
    WAYS,
    NotDifferentiableError,
    chosen_ways,
    difference_step,
)
from scorelens.core.jacobian.derivatives import Derivative, Differences, RowFunction, along_many
from scorelens.core.jacobian.half_inside import half_accuracy, half_error, half_inside, half_words
from scorelens.core.jacobian.precision import widened, without_autocast, working_dtype

#: Without reverse mode the transposed is applied by forming the Jacobian, up to this many dimensions.
FORMED_DIM: Final = 4096
# Points at which a way of differentiating is tried.
_TRIED = 4
# Directions at one point from which on the point is evaluated once for all of them.
_MANY = 4
# Several points are differentiated together unless the directions at one fill this part of a call.
_FULL = 4
# Share by which equal rows may differ from call to call.
_SAME = 1e-3


@final
class JacobianAt:
    """``J = dD/dx`` of a denoiser at ``x (b, *event)``, each point at its noise level; ``d = prod(event)``.

    ``sigma`` is a noise standard deviation > 0 in data units, a scalar or ``(b,)``. The denoiser is evaluated
    in evaluation mode on its own device, in float64 if all that it holds is float64, else in float32 (half
    precision is widened in copies, and an autocast around it is switched off; ``dtype`` asks for more), at
    most ``rows`` rows in one call. Half precision that it enters by itself stays, and `way` and `accuracy`
    say so.

    ``way``: ``"forward"`` (dual numbers, and reverse mode for the transposed), ``"reverse"`` (reverse passes
    only), ``"differences"`` (no automatic derivative), or ``"auto"``: the first of these that works, native
    attention kernels before mathematical ones, and agrees with differences. `way` says in words what was
    used and what failed; `accuracy` is about the relative error of one application.

    Raises ``ValueError`` for a shape that the denoiser does not keep, ``sigma`` <= 0, a result that is not
    finite or depends on the other rows or on chance; `NotDifferentiableError` where a chosen way fails.

    >>> at = JacobianAt(lambda x, sigma: x * x / 2, torch.tensor([[1.0, 3.0]]), 1.0)
    >>> at.value.tolist(), at.apply(torch.ones(1, 2)).tolist(), at.full().tolist()
    ([[0.5, 4.5]], [[1.0, 3.0]], [[[1.0, 0.0], [0.0, 3.0]]])
    >>> at.way
    'J v by forward mode; J^T v by reverse mode'
    """

    way: str
    """In words, how products with the Jacobian are computed."""
    accuracy: float
    """About the relative error of one application."""
    value: Tensor
    """``D(x)``, flat: ``(b, d)``."""

    def __init__(
        self,
        denoiser: Denoiser,
        x: Tensor,
        sigma: Tensor | float,
        *,
        way: str = "auto",
        dtype: torch.dtype | None = None,
        rows: int | None = None,
    ) -> None:
        checks.choice("way", way, WAYS)
        _check_points(x, sigma)
        self.dtype = working_dtype(denoiser, x) if dtype is None else dtype
        self.event_shape = tuple(x.shape[1:])
        self.n_points, self.dim = x.shape[0], math.prod(self.event_shape)
        self._denoiser = denoiser
        self._x = x.detach().to(device_of(denoiser), self.dtype)
        self.sigma = per_sample(sigma, self._x)
        self._evaluated, precision = widened(denoiser, self.dtype, (self._x[:1], self.sigma[:1]))
        self._rows = batch_rows(self.event_shape) if rows is None else rows
        self._formed: Tensor | None = None
        # Whether many directions at a point may share its evaluation, once it has been tried.
        self._shares: dict[Derivative | None, bool] = {}
        self._half = self._half_inside()
        self._evaluate()
        least = 0.0 if self._half is None else half_accuracy(self._half)
        with undisturbed(denoiser), without_autocast(self._x.device):
            tried = torch.arange(min(_TRIED, self._rows, self.n_points), device=self._x.device)
            self._check_rows_are_apart(max(_SAME, least))
            self._ways = chosen_ways(self._function(tried), self._x[tried], self._step[tried], way, least)
            self.accuracy = max(self._ways.accuracy, self._error_of_half(tried))
        half = "" if self._half is None else half_words(self._half, self.accuracy)
        self.way = "; ".join(part for part in (self._ways.words, precision, half) if part)

    @property
    def x(self) -> Tensor:
        """The points, flat: ``(b, d)``."""
        return self._x.flatten(1)

    @property
    def has_transposed(self) -> bool:
        """Whether ``J^T v`` can be had without forming the Jacobian."""
        return self._ways.reverse is not None

    def point(self, i: int) -> JacobianAt:
        """The same operator at point ``i`` alone; nothing is tried again."""
        one = copy.copy(self)
        keep = slice(i, i + 1) if i >= 0 else slice(i, i + 1 or None)
        one.n_points = 1
        for name in ("_x", "value", "sigma", "_step", "_formed"):
            held = getattr(self, name)
            setattr(one, name, None if held is None else held[keep])
        return one

    def moved(self, x: Tensor, sigma: Tensor | float) -> JacobianAt:
        """The same denoiser at other points ``x (n, *event)`` and noise, differentiated alike without trials.

        >>> at = JacobianAt(lambda x, sigma: x * x / 2, torch.tensor([[1.0, 3.0]]), 1.0)
        >>> at.moved(torch.tensor([[2.0, 5.0]]), 1.0).apply(torch.ones(1, 2)).tolist()
        [[2.0, 5.0]]
        """
        _check_points(x, sigma)
        if tuple(x.shape[1:]) != self.event_shape:
            raise ValueError(f"x must have shape (n, {self.event_shape}), got {tuple(x.shape)}")
        other = copy.copy(self)
        other.n_points, other._formed = len(x), None
        other._x = x.detach().to(self._x)
        other.sigma = per_sample(sigma, other._x)
        other._evaluate()
        return other

    def apply(self, directions: Tensor) -> Tensor:
        """``J v`` for ``directions (b, d)`` or ``(b, d, k)``: the same shape, on their device, in `dtype`."""
        return self._over_blocks(self._ways.forward, directions)

    def apply_transposed(self, directions: Tensor) -> Tensor:
        """``J^T v`` for ``directions (b, d)`` or ``(b, d, k)``.

        Raises `NotDifferentiableError` where there is no reverse mode and ``d`` is above `FORMED_DIM`.
        """
        if self._ways.reverse is not None:
            return self._over_blocks(self._ways.reverse, directions)
        columns = self._as_columns(directions)
        with without_autocast(columns.device):
            product = self._full_once().mT @ columns
        return product.reshape(directions.shape).to(directions.device)

    def apply_symmetric(self, directions: Tensor) -> Tensor:
        """``(J + J^T) v / 2`` for ``directions (b, d)`` or ``(b, d, k)``."""
        return (self.apply(directions) + self.apply_transposed(directions)) / 2

    def full(self) -> Tensor:
        """The whole Jacobian, ``(b, d, d)``, row i the gradient of ``D_i``: ``d`` applications, in blocks."""
        if self._formed is not None:
            return self._formed
        by_columns = self._ways.columns_are_cheaper
        way = self._ways.forward if by_columns else self._ways.reverse
        # Row a of a point holds J e_a, or J^T e_a.
        found = self._x.new_empty(self.n_points, self.dim, self.dim)
        for i in range(self.n_points):
            for block in torch.arange(self.dim, device=found.device).split(self._rows):
                axes = torch.nn.functional.one_hot(block, self.dim).to(self.dtype)
                found[i, block] = self._at_point(way, i, axes)
        return found.mT if by_columns else found

    def _evaluate(self) -> None:
        """Set `value` and the steps of differences at the points."""
        with undisturbed(self._denoiser), without_autocast(self._x.device):
            index = torch.arange(self.n_points, device=self._x.device).split(self._rows)
            self.value = torch.cat([self._function(i)(self._x[i]).flatten(1) for i in index])
            self._step = difference_step(self.x, self.value, self.sigma, self._half)

    def _half_inside(self) -> torch.dtype | None:
        """The half precision that the denoiser enters by itself near the first point."""
        first = torch.zeros(1, dtype=torch.long, device=self._x.device)
        noise = torch.randn(self._x[:1].shape, generator=generator(0, "jacobian", "half")).to(self._x)
        with undisturbed(self._denoiser), without_autocast(self._x.device):
            x = self._x[:1]
            return half_inside(self._function(first), x, x + self.sigma[0] * noise)

    def _error_of_half(self, tried: Tensor) -> float:
        """Relative error at the points ``tried`` from half precision that the denoiser enters by itself."""
        if self._half is None:
            return 0.0
        ways = [self._ways.forward or Differences(self._step[tried])]
        ways += [self._ways.reverse] if self._ways.reverse else []
        draws = generator(0, "jacobian", "half", "error")
        return half_error(self._function(tried), self._x[tried], ways, draws)

    def _full_once(self) -> Tensor:
        if self._formed is None:
            if self.dim > FORMED_DIM:
                raise NotDifferentiableError(
                    f"J^T v has no derivative here ({self.way}), and the Jacobian is formed up to "
                    f"{FORMED_DIM} dimensions, got {self.dim}; J v, the trace and the risk still work"
                )
            self._formed = self.full()
        return self._formed

    def _as_columns(self, directions: Tensor) -> Tensor:
        """``directions`` as ``(b, d, k)`` on the denoiser's device."""
        expected = (self.n_points, self.dim)
        if directions.ndim not in (2, 3) or tuple(directions.shape[:2]) != expected:
            raise ValueError(
                f"directions must have shape {expected} or (*{expected}, k), got {tuple(directions.shape)}"
            )
        moved = directions.detach().to(self._x)
        return moved if moved.ndim == 3 else moved[..., None]

    def _over_blocks(self, way: Derivative | None, directions: Tensor) -> Tensor:
        """The product by ``way``, or by differences, with directions of every point."""
        columns = self._as_columns(directions)
        n_columns = columns.shape[2]
        rows = columns.mT.reshape(-1, self.dim)
        found = torch.empty_like(rows)
        if n_columns >= _MANY and (self.n_points == 1 or n_columns * _FULL >= self._rows):
            for i in range(self.n_points):
                for block in torch.arange(n_columns, device=rows.device).split(self._rows):
                    found[i * n_columns + block] = self._at_point(way, i, rows[i * n_columns + block])
        else:
            for block in torch.arange(len(rows), device=rows.device).split(self._rows):
                found[block] = self._along(way, block // n_columns, rows[block])
        found = found.reshape(self.n_points, n_columns, self.dim).mT
        return found.reshape(directions.shape).to(directions.device)

    def _at_point(self, way: Derivative | None, i: int, directions: Tensor) -> Tensor:
        """Along ``directions (k, d)`` of point ``i``."""
        index = torch.full((len(directions),), i, device=self._x.device)
        if way not in self._shares:
            self._shares[way] = self._can_share(way)
        if way is None or not self._shares[way]:
            return self._along(way, index, directions)
        return self._along_many(way, i, directions)

    def _along_many(self, way: Derivative, i: int, directions: Tensor) -> Tensor:
        with undisturbed(self._denoiser), without_autocast(self._x.device):
            function = self._function(torch.tensor([i], device=self._x.device), checked=False)
            found = along_many(way, function, self._x[i : i + 1], directions.reshape(-1, *self.event_shape))
        return finite(found, "the derivative of the denoiser").flatten(1)

    def _can_share(self, way: Derivative | None) -> bool:
        """Whether many directions at the first point can share its evaluation, with the same result."""
        if way is None or self._rows < _MANY:
            return False
        draws = generator(0, "jacobian", "many")
        directions = torch.randn((2, self.dim), generator=draws, dtype=torch.float64).to(self._x)
        one_by_one = self._along(way, torch.zeros(2, dtype=torch.long, device=self._x.device), directions)
        try:
            together = self._along_many(way, 0, directions)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError, AttributeError, ValueError):
            return False
        return bool((together - one_by_one).norm() <= _SAME * one_by_one.norm())

    def _along(self, way: Derivative | None, index: Tensor, directions: Tensor) -> Tensor:
        """Along one direction ``(rows, d)`` for each of the points ``index``; None is by differences."""
        x = self._x[index]
        derivative = way or Differences(self._step[index])
        with undisturbed(self._denoiser), without_autocast(self._x.device):
            found = derivative(self._function(index), x, directions.reshape(x.shape))
        return finite(found, "the derivative of the denoiser").flatten(1)

    def _function(self, index: Tensor, checked: bool = True) -> RowFunction:
        """``D`` of rows that stand near the points ``index``, at their noise levels."""

        def function(x: Tensor) -> Tensor:
            output = self._evaluated(x, self.sigma[index])
            if output.shape != x.shape:
                raise ValueError(
                    f"a denoiser keeps the shape of its points: x {tuple(x.shape)} became "
                    f"{tuple(output.shape)}; pass points of the shape that it was made for"
                )
            # Numbers cannot be looked at under every transform.
            return (finite(output, "the denoiser's output") if checked else output).to(x.dtype)

        return function

    def _check_rows_are_apart(self, same: float) -> None:
        """Refuses a denoiser whose output at a point depends on other rows, or on chance.

        ``same`` is the relative change that is still rounding.
        """
        first = torch.zeros(2, dtype=torch.long, device=self._x.device)
        noise = torch.randn(self._x.shape[1:], generator=generator(0, "jacobian", "rows")).to(self._x)
        x = self._x[first].clone()
        x[1] += self.sigma[0] * noise
        again = self._function(first)(x)[0].flatten()
        if (again - self.value[0]).norm() > same * again.norm() + 10 * torch.finfo(self.dtype).eps:
            raise ValueError(
                "the output at a point changes with the other points of the batch, or with chance: "
                "it has no Jacobian at a point; give a denoiser that treats each row alone and draws nothing"
            )


def _check_points(x: Tensor, sigma: Tensor | float) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a tensor, got {type(x).__name__}; convert it with torch.as_tensor(x)")
    if x.ndim < 2 or x.numel() == 0 or not x.is_floating_point():
        raise ValueError(
            f"x must be floats of shape (batch, *event), got {x.dtype} {tuple(x.shape)}; one point is x[None]"
        )
    checks.finite("x", x.detach().double().cpu().numpy())
    noise = torch.as_tensor(sigma).detach().double().cpu().numpy()
    checks.positive("sigma", noise, "a denoiser is differentiated at positive noise only")
