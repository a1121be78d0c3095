"""What every closed-form estimator is, and the frozen denoiser that its fit returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import per_sample
from scorelens.core.row_wise import row_wise

_FLOATS = (torch.float32, torch.float64)


class FittedDenoiser(torch.nn.Module, ABC):
    """A frozen denoiser in closed form: buffers only, no parameters, saved by `scorelens.estimators.save`.

    A member is rebuilt from a file by ``cls(event_shape=..., **buffers, **facts)``: its constructor takes its
    buffers by name, the ``event_shape``, and the JSON-able ``facts`` that no buffer holds.

    >>> from scorelens.estimators import Gaussian
    >>> denoiser = Gaussian().fit(np.array([[-1.0], [1.0]]))
    >>> denoiser(torch.ones(1, 1), 1.0), denoiser.score(torch.ones(1, 1), 1.0), denoiser.event_shape
    (tensor([[0.5000]]), tensor([[-0.5000]]), (1,))
    """

    name: ClassVar[str]
    """How files name the class; unique among the fitted denoisers of `scorelens.estimators.ALL`."""

    def __init__(
        self,
        event_shape: tuple[int, ...],
        buffers: Mapping[str, Tensor],
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = tuple(int(n) for n in event_shape)
        self.facts: dict[str, Any] = dict(facts or {})
        for name, value in buffers.items():
            # Contiguous, as a file stores them: other strides may round differently in a matrix product.
            self.register_buffer(name, value.detach().contiguous())
        self.eval()

    @property
    def dim(self) -> int:
        """Number ``d`` of values of one event."""
        return int(np.prod(self.event_shape))

    @abstractmethod
    def posterior_mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        """``E[x_0 | x]`` for flat ``x`` of shape ``(batch, d)`` and ``sigma > 0`` of shape ``(batch,)``.

        It may have a wider dtype than ``x``; `score` then takes the difference from ``x`` in that dtype.
        """

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Denoised ``x``, same shape ``(batch, *event_shape)`` and dtype, differentiable in ``x``.

        `torch.func` transforms run over it (``jvp``, ``vjp``, ``jacrev``, ``vmap``, and so on).
        ``sigma`` is a noise standard deviation in data units, a scalar or ``(batch,)``. Of half precision,
        ``x`` is computed with in float32.
        Raises ``TypeError`` for an ``x`` that is no tensor, ``ValueError`` for another shape, a dtype that is
        no float, and ``sigma`` not finite or <= 0.
        """
        return self.of_rows(self.posterior_mean, x, sigma).to(x.dtype).reshape(x.shape)

    def denoise(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """The same as calling the denoiser: ``(batch, *event_shape)``."""
        return self(x, sigma)

    def score(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """``(D(x) - x) / sigma^2``, gradient of the noised law's log density: ``(batch, *event_shape)``.

        The difference loses digits at small noise, ``eps |x| / sigma`` of the score for machine precision
        ``eps``, unless the denoiser is a `WithScore`.
        """
        rule = self.pull if isinstance(self, WithScore) else self._tweedie
        return self.of_rows(rule, x, sigma).to(x.dtype).reshape(x.shape)

    def _tweedie(self, rows: Tensor, level: Tensor) -> Tensor:
        shift = self.posterior_mean(rows, level) - rows
        return shift / level[:, None].to(shift.dtype) ** 2

    def of_rows(self, rule: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: Tensor | float) -> Tensor:
        """``rule`` of the checked rows ``(batch, d)`` and levels ``(batch,)``; `torch.func` may transform it.

        The rule gives every row's result from that row alone, first axis ``batch``.
        """

        def checked(rows: Tensor, level: Tensor) -> Tensor:
            # Here, not before: numbers cannot be looked at under a transform.
            noise = level.detach().cpu().numpy()
            checks.positive("sigma", noise, "a denoiser is defined at positive noise only")
            return rule(rows, level)

        return row_wise(checked, *self._flat(x, sigma))

    def _flat(self, x: Tensor, sigma: Tensor | float) -> tuple[Tensor, Tensor]:
        """``x`` as ``(batch, d)`` and ``sigma`` as ``(batch,)`` of one dtype, float32 at least; checked."""
        if not isinstance(x, Tensor):
            raise TypeError(f"x must be a tensor, got {type(x).__name__}; convert it with torch.as_tensor(x)")
        checks.events("x", x.shape, self.event_shape)
        if not x.is_floating_point():
            raise ValueError(f"x must hold floats, got {x.dtype}; convert it with x.float()")
        # A noise level may be beyond the range of half precision.
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        level = per_sample(sigma, wide)
        return wide.reshape(len(x), self.dim), level


class WithScore(FittedDenoiser):
    """A fitted denoiser whose score is known in closed form: no digit is lost at small noise.

    >>> from scorelens.estimators import Gaussian
    >>> denoiser = Gaussian().fit(np.array([[-1.0], [1.0]]))
    >>> denoiser.score(torch.ones(1, 1).double(), 1e-9).item()
    -1.0
    """

    @abstractmethod
    def pull(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`score` of flat ``x``, ``(batch, d)``, at ``sigma > 0``, ``(batch,)``, without ``D(x) - x``."""


class WithLogProb(FittedDenoiser):
    """A fitted denoiser that knows the density of the noised law, of which its score is the gradient.

    >>> from scorelens.estimators import Gaussian
    >>> Gaussian().fit(np.array([[-1.0], [1.0]])).log_prob(torch.ones(1, 1), 1.0)
    tensor([-1.5155])
    """

    @abstractmethod
    def log_density(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`log_prob` of flat ``x`` of shape ``(batch, d)`` at ``sigma > 0`` of shape ``(batch,)``."""

    def log_prob(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Log density of ``x_0 + sigma n`` at ``x``, shape ``(batch,)``, in nats and data units.

        Raises ``ValueError`` as calling the denoiser does.
        """
        return self.of_rows(self.log_density, x, sigma).to(x.dtype)


class WithPosteriorCovariance(FittedDenoiser):
    """A fitted denoiser that knows how far the clean event may be from its posterior mean.

    >>> from scorelens.estimators import Gaussian
    >>> Gaussian().fit(np.array([[-1.0], [1.0]])).posterior_covariance(torch.ones(1, 1), 2.0)
    tensor([[[0.8000]]])
    """

    @abstractmethod
    def covariance(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`posterior_covariance` of flat ``x``, ``(batch, d)``, at ``sigma > 0``, ``(batch,)``."""

    def posterior_covariance(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """``Cov[x_0 | x]``, shape ``(batch, d, d)``, in squared data units; ``sigma^2`` times the Jacobian.

        Raises ``ValueError`` as calling the denoiser does.
        """
        return self.of_rows(self.covariance, x, sigma).to(x.dtype)


class WithJacobian(FittedDenoiser):
    """A fitted denoiser whose derivative is known in closed form.

    >>> from scorelens.estimators import Gaussian
    >>> Gaussian().fit(np.array([[-1.0], [1.0]])).jacobian(torch.ones(1, 1), 2.0)
    tensor([[[0.2000]]])
    """

    @abstractmethod
    def derivative(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`jacobian` at flat ``x``, ``(batch, d)``, and ``sigma > 0``, ``(batch,)``."""

    def jacobian(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """``dD_i / dx_j`` over flattened events, shape ``(batch, d, d)``, exact.

        Raises ``ValueError`` as calling the denoiser does.
        """
        return self.of_rows(self.derivative, x, sigma).to(x.dtype)


class WithEnergy(FittedDenoiser):
    """A fitted denoiser whose score is the gradient of a function, known up to a constant in ``x``.

    >>> from scorelens.estimators import TimeSeparableScore
    >>> denoiser = TimeSeparableScore().fit(np.array([[-1.0], [1.0]]))
    >>> energy = denoiser.log_density_up_to_constant(torch.tensor([[1.0], [0.0]]), 1.0)
    >>> (energy[0] - energy[1]).round(decimals=4)  # of N(0, 2)
    tensor(-0.2500)
    """

    @abstractmethod
    def energy(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`log_density_up_to_constant` of flat ``x``, ``(batch, d)``, at ``sigma > 0``, ``(batch,)``."""

    def log_density_up_to_constant(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """A function of ``x`` whose gradient is the score, ``(batch,)``, in nats; one constant per sigma.

        Raises ``ValueError`` as calling the denoiser does.
        """
        return self.of_rows(self.energy, x, sigma).to(x.dtype)


class Estimator(ABC):
    """Settings of a closed-form estimator; members are frozen dataclasses.

    >>> from scorelens import estimators
    >>> x = np.random.default_rng(0).standard_normal((100, 2))
    >>> [member().fit(x).event_shape for member in (estimators.Gaussian, estimators.Empirical)]
    [(2,), (2,)]
    """

    name: ClassVar[str]
    reference: ClassVar[str]
    equation: ClassVar[str]
    fitted: ClassVar[type[FittedDenoiser]]
    """What `fit` returns."""

    @abstractmethod
    def fit(self, x: np.ndarray | Tensor) -> FittedDenoiser:
        """The denoiser of the data ``x``, shape ``(n, *event)``, float32 or float64, in data units.

        Raises ``ValueError`` for fewer events than needed, non-finite values, other dtypes and shapes.
        """


def samples(x: np.ndarray | Tensor, least: int = 1) -> tuple[Tensor, tuple[int, ...]]:
    """The events ``x`` as a tensor ``(n, d)`` of their own dtype, and their shape.

    Raises ``ValueError`` for fewer than ``least`` events, dtypes other than float32 and float64, an array
    without event axes or with empty ones, and a NaN or infinity (its index is named).

    >>> samples(np.zeros((3, 2, 2)))[0].shape
    torch.Size([3, 4])
    """
    data = torch.as_tensor(x).detach()
    if data.dtype not in _FLOATS:
        raise ValueError(f"data must be float32 or float64, got {data.dtype}; convert it with astype")
    if data.ndim < 2 or 0 in data.shape[1:]:
        raise ValueError(f"data must have shape (n, *event) with a non-empty event, got {tuple(data.shape)}")
    checks.at_least("the number of samples", len(data), least, "give more events")
    if not torch.isfinite(data).all():
        checks.finite("data", data.cpu().numpy(), "remove or repair these events")
    return data.reshape(len(data), -1), tuple(data.shape[1:])
