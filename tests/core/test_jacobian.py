"""Products with Jacobians against closed forms, and how each way of differentiating is chosen."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from scorelens.core.jacobian import JacobianAt
from scorelens.core.jacobian.derivative_choice import NotDifferentiableError
from scorelens.core.linear_denoiser import LinearDenoiser
from scorelens.estimators import Gaussian, MixtureDenoiser
from scorelens.geometry.spectrum import jacobian_spectrum

SIGMAS = torch.tensor([0.1, 0.5, 1.0, 2.0, 9.0])


@pytest.fixture(scope="module")
def mixture() -> MixtureDenoiser:
    draws = torch.Generator().manual_seed(0)
    factors = torch.randn(3, 6, 6, generator=draws, dtype=torch.float64) / 2
    means = torch.randn(3, 6, generator=draws, dtype=torch.float64)
    return MixtureDenoiser.of_covariances(torch.tensor([0.2, 0.5, 0.3]), means, factors @ factors.mT, (2, 3))


def points(n: int = 5, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("way", "tolerance"), [("forward", 1e-12), ("reverse", 1e-12), ("differences", 1e-6)]
)
@pytest.mark.parametrize("rows", [3, 100])
def test_products_are_those_of_the_closed_form(mixture, way, tolerance, rows):
    x = points()
    exact = mixture.jacobian(x, SIGMAS)
    at = JacobianAt(mixture, x, SIGMAS, way=way, rows=rows)
    directions = torch.randn(5, 6, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    scale = exact.abs().max()
    assert at.dtype == torch.float64
    assert (at.value - mixture(x, SIGMAS).flatten(1)).abs().max() == 0
    assert (at.full() - exact).abs().max() < tolerance * scale
    assert (at.apply(directions) - exact @ directions).abs().max() < 10 * tolerance * scale
    assert (at.apply_transposed(directions) - exact.mT @ directions).abs().max() < 10 * tolerance * scale
    one = at.apply(directions[..., 0])
    torch.testing.assert_close(one, at.apply(directions)[..., 0], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("i", [0, 3, -1])
def test_one_point_of_many(mixture, i):
    at = JacobianAt(mixture, points(), SIGMAS)
    torch.testing.assert_close(at.point(i).full()[0], at.full()[i])
    assert at.point(i).sigma.shape == (1,)


def test_transposed_is_told_from_not_transposed():
    matrix = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    for way in ("forward", "reverse", "differences"):
        at = JacobianAt(lambda x, sigma: x @ matrix.T, torch.ones(1, 2), 1.0, way=way)
        torch.testing.assert_close(at.full()[0], matrix, atol=1e-3, rtol=0)
        torch.testing.assert_close(
            at.apply_transposed(torch.tensor([[0.0, 1.0]]))[0], matrix[1], atol=1e-3, rtol=0
        )
        symmetric = at.apply_symmetric(torch.tensor([[1.0, 0.0]]))[0]
        torch.testing.assert_close(symmetric, torch.tensor([1.0, 1.0]), atol=1e-3, rtol=0)


def test_the_error_of_differences_falls_as_the_square_of_the_step():
    from scorelens.core.jacobian.derivatives import Differences

    x, v = torch.ones(1, 1).double(), torch.ones(1, 1).double()
    errors = [
        float(Differences(torch.tensor([h]).double())(torch.sin, x, v) - torch.cos(x)) for h in (0.1, 0.05)
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.01)


class Attention(nn.Module):
    """Attention over five tokens, with dropout and batch statistics, which evaluation switches off."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm, self.dropout = nn.BatchNorm1d(5), nn.Dropout(0.5)

    def forward(self, x, sigma):
        mixed = self.attention(x, x, x, need_weights=False)[0]
        return self.dropout(self.norm(x + torch.tanh(mixed)))


class ScaledDotProduct(nn.Module):
    def forward(self, x, sigma):
        tokens = x[:, None]
        return nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)[:, 0]


def tokens(n: int = 2) -> torch.Tensor:
    return torch.randn(n, 5, 8, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("network", [Attention(), ScaledDotProduct()])
def test_attention_switches_to_matrix_products(network):
    at = JacobianAt(network, tokens(), 0.5)
    differences = JacobianAt(network, tokens().double(), 0.5, dtype=torch.float64, way="differences")
    assert "mathematical attention" in at.way
    assert "forward mode failed" in at.way
    assert (at.full() - differences.full()).abs().max() < 2e-6
    directions = torch.ones(2, 40, 1)
    assert (at.apply(directions) - at.full() @ directions).abs().max() < 1e-5
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_in_copies(dtype):
    narrow = Attention().to(dtype)
    wide = Attention().to(dtype).float()
    at, expected = JacobianAt(narrow, tokens(), 0.5), JacobianAt(wide, tokens(), 0.5)
    assert f"{str(dtype).removeprefix('torch.')} weights evaluated in float32" in at.way
    assert {p.dtype for p in narrow.parameters()} == {dtype}
    torch.testing.assert_close(at.full(), expected.full())


def narrow_tokens(network: nn.Module, dtype: torch.dtype):
    """The network in an autocast that it enters by itself."""

    def within(x, sigma):
        with torch.autocast("cpu", dtype):
            return network(x, sigma).float()

    return within


def cast_to_half(x, sigma):
    return torch.tanh(3 * x.half()).float() + x / 7


def half_by_numpy(x, sigma):
    return torch.as_tensor(np.tanh(x.detach().numpy().astype(np.float16)).astype(np.float32))


class CastsItself(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 6)).half()

    def forward(self, x, sigma):
        return self.layers(x.half()).float()


def relative_error(at: JacobianAt, exact: torch.Tensor) -> float:
    directions = torch.randn(*exact.shape[:2], 8, generator=torch.Generator().manual_seed(5)).to(exact)
    found = [
        (at.apply(directions).to(exact), exact @ directions),
        (at.apply_transposed(directions).to(exact), exact.mT @ directions),
    ]
    return max(float(((a - b).norm(dim=1) / b.norm(dim=1)).max()) for a, b in found)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_an_autocast_of_its_own_is_said_and_its_error_stated(dtype):
    network = Attention().eval()
    exact = JacobianAt(network, tokens(), 0.5).full()
    at = JacobianAt(narrow_tokens(network, dtype), tokens(), 0.5)
    assert f"evaluated in {str(dtype).removeprefix('torch.')} inside; good to about" in at.way
    # An error of float32 would be below 1e-5: the comparison sees half precision.
    assert 1e-5 < relative_error(at, exact) < at.accuracy < 0.2
    spectrum = jacobian_spectrum(narrow_tokens(network, dtype), tokens(), 0.5, n_modes=6)
    values = torch.linalg.eigvalsh((exact + exact.mT).double() / 2).flip(1)[:, :6]
    assert ((spectrum.eigenvalues - values).abs() <= spectrum.errors).all()


@pytest.mark.parametrize(
    ("denoiser", "slope", "most"),
    [
        (cast_to_half, lambda x: 3 / torch.cosh(3 * x) ** 2 + 1 / 7, 0.05),
        # Differences of rounded numbers.
        (half_by_numpy, lambda x: 1 / torch.cosh(x) ** 2, 0.5),
    ],
)
def test_a_cast_to_half_inside_is_said_and_its_error_stated(denoiser, slope, most):
    x = points().float().flatten(1)
    at = JacobianAt(denoiser, x, 0.5)
    assert "evaluated in float16 inside; good to about" in at.way
    assert relative_error(at, torch.diag_embed(slope(x))) < at.accuracy < most


def test_a_module_that_casts_its_input_runs_as_it_is():
    x, network = points().float().flatten(1), CastsItself()
    at = JacobianAt(network, x, SIGMAS)
    wide = copy.deepcopy(network.layers).double()
    exact = JacobianAt(lambda x, sigma: wide(x), x.double(), SIGMAS, dtype=torch.float64).full()
    assert "float16 weights kept: the module casts its input itself" in at.way
    assert "evaluated in float16 inside" in at.way
    assert 1e-5 < relative_error(at, exact) < at.accuracy < 0.05
    assert {p.dtype for p in network.parameters()} == {torch.float16}


def test_an_autocast_around_the_call_is_switched_off():
    network = Attention().eval()
    expected = JacobianAt(network, tokens(), 0.5).full()
    with torch.autocast("cpu", torch.bfloat16):
        at = JacobianAt(network, tokens(), 0.5)
        found = at.full()
    assert "inside" not in at.way
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "denoiser",
    [
        lambda x, sigma: x * torch.tensor([0.1] * 6).half(),  # constants
        lambda x, sigma: x / (1 + sigma.half().float()[:, None] ** 2),  # noise levels
        lambda x, sigma: 2 * x,
        lambda x, sigma: torch.zeros_like(x),
    ],
)
def test_half_that_no_point_passes_through_is_not_accused(denoiser):
    at = JacobianAt(denoiser, points().float().flatten(1), SIGMAS)
    assert "inside" not in at.way
    assert at.accuracy < 1e-6


def test_modes_of_modules_are_put_back():
    network = Attention().train()
    network.norm.eval()
    JacobianAt(network, tokens(), 0.5).full()
    assert network.training
    assert not network.norm.training
    assert all(p.grad is None and p.requires_grad for p in network.parameters())


def through_numpy(x, sigma):
    return torch.as_tensor(np.tanh(x.detach().numpy()))


def without_gradients(x, sigma):
    with torch.no_grad():
        return torch.tanh(x)


def in_inference_mode(x, sigma):
    with torch.inference_mode():
        return torch.tanh(x)


class _NoDerivative(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, *gradients):
        raise RuntimeError("no backward")


def without_derivative(x, sigma):
    return _NoDerivative.apply(x)


class _OnlyReverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, *gradients):
        (x,) = ctx.saved_tensors
        return gradients[0] * (1 - torch.tanh(x) ** 2)


def only_reverse(x, sigma):
    return _OnlyReverse.apply(x)


@pytest.mark.parametrize(
    ("denoiser", "words", "transposed"),
    [
        (through_numpy, "J v by central differences", False),
        (without_gradients, "J v by forward mode; J^T v by the formed Jacobian", False),
        (in_inference_mode, "J v by central differences", False),
        (without_derivative, "J v by central differences", False),
        (only_reverse, "J v by two reverse passes; J^T v by reverse mode", True),
    ],
)
def test_what_has_no_derivative_is_differenced_and_said(denoiser, words, transposed):
    x = points().float().flatten(1)
    at = JacobianAt(denoiser, x, SIGMAS)
    exact = torch.diag_embed(1 - torch.tanh(x) ** 2)
    assert at.way.startswith(words)
    assert at.has_transposed == transposed
    assert (at.full() - exact).abs().max() < 0.02
    directions = torch.ones(5, 6)
    assert (at.apply_transposed(directions) - (exact @ directions[..., None])[..., 0]).abs().max() < 0.02


def test_a_derivative_that_is_silently_wrong_is_found():
    x = points().float().flatten(1)
    at = JacobianAt(lambda x, sigma: torch.tanh(x) + x.detach(), x, SIGMAS)
    assert "forward mode disagrees with differences" in at.way
    assert (at.full() - torch.diag_embed(2 - torch.tanh(x) ** 2)).abs().max() < 0.02


def test_transposed_without_reverse_mode_in_many_dimensions_says_what_works():
    at = JacobianAt(through_numpy, torch.zeros(1, 5000), 1.0)
    with pytest.raises(NotDifferentiableError, match="J v, the trace and the risk still work"):
        at.apply_transposed(torch.ones(1, 5000))
    assert at.apply(torch.ones(1, 5000)).mean() == pytest.approx(1, rel=1e-2)


def test_a_chosen_way_that_fails_is_refused():
    with pytest.raises(NotDifferentiableError, match="'differences' still works"):
        JacobianAt(through_numpy, torch.ones(1, 2), 1.0, way="forward")


def test_linear_denoiser_with_a_level_per_point():
    gain = LinearDenoiser(np.zeros(2), np.eye(2), lambda s: np.stack([1 / (1 + s**2)] * 2, 1), (2,))
    at = JacobianAt(gain, torch.ones(2, 2), torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(at.full()[:, 0, 0], torch.tensor([0.5, 0.1]).double())


def across_the_batch(x, sigma):
    return x - x.mean(0)


def by_chance(x, sigma):
    return x * torch.rand(x.shape)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sigma": 0.0}, "sigma must be finite and > 0, got 0; a denoiser is differentiated at positive"),
        ({"sigma": torch.tensor([1.0, 2.0, 3.0])}, "sigma must be a scalar or have shape"),
        ({"x": torch.ones(3)}, "one point is x"),
        ({"x": torch.ones(1, 2, dtype=torch.long)}, "x must be floats"),
        ({"x": torch.tensor([[torch.nan, 0.0]])}, "x holds 1 non-finite"),
        ({"way": "jacobi"}, "unknown way"),
        ({"denoiser": lambda x, sigma: x[:, :1]}, "a denoiser keeps the shape"),
        ({"denoiser": lambda x, sigma: x / 0}, "output is not finite"),
        ({"denoiser": across_the_batch}, "changes with the other points"),
        ({"denoiser": by_chance}, "or with chance"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    whole = {"denoiser": lambda x, sigma: 2 * x, "x": torch.ones(2, 2), "sigma": 1.0, **arguments}
    with pytest.raises(ValueError, match=message):
        JacobianAt(whole.pop("denoiser"), whole.pop("x"), whole.pop("sigma"), **whole)


def test_a_point_of_another_shape_is_refused():
    denoiser = Gaussian().fit(np.random.default_rng(0).standard_normal((20, 4)))
    with pytest.raises(ValueError, match=r"x must have shape \(batch, 4\), got \(1, 5\)"):
        JacobianAt(denoiser, torch.ones(1, 5), 1.0)
    with pytest.raises(ValueError, match=r"directions must have shape \(1, 4\)"):
        JacobianAt(denoiser, torch.ones(1, 4), 1.0).apply(torch.ones(1, 5))
