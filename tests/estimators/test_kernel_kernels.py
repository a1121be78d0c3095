"""Kernels against their definition by automatic differentiation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from scorelens.estimators.kernel import KERNELS, kernels, median_bandwidth
from scorelens.estimators.kernel.kernels import CurlFree, kernel

every_kernel = pytest.mark.parametrize("name", KERNELS)


def points(n: int, dim: int, seed: int) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).standard_normal((n, dim)))


def scalar(name: str, apart: Tensor) -> Tensor:
    squared = (apart * apart).sum()
    return torch.exp(-squared / 2) if "gaussian" in name else (1 + squared) ** -0.5


def by_definition(name: str, x: Tensor, y: Tensor) -> Tensor:
    """``phi I`` or minus the Hessian of ``phi``, for two points."""
    if name.startswith("curl-free"):
        return -torch.autograd.functional.hessian(lambda r: scalar(name, r), x - y)
    return scalar(name, x - y) * torch.eye(len(x), dtype=x.dtype)


@every_kernel
def test_products_are_those_of_the_definition(name: str) -> None:
    x, y, c = points(4, 3, 0), points(5, 3, 1), points(5, 3, 2)
    expected = torch.stack([sum(by_definition(name, a, b) @ v for b, v in zip(y, c, strict=True)) for a in x])
    torch.testing.assert_close(kernel(name).product(x, y, c), expected, rtol=1e-12, atol=1e-12)


@every_kernel
def test_the_matrix_acts_as_the_product(name: str) -> None:
    gamma, x, y, c = kernel(name), points(4, 3, 0), points(5, 3, 1), points(5, 3, 2)
    acted = (gamma.matrix(x, y) @ gamma.pack(c)).reshape(x.shape)
    torch.testing.assert_close(acted, gamma.product(x, y, c), rtol=1e-12, atol=1e-12)
    assert len(gamma.matrix(x, y)) == gamma.order(*x.shape)


@every_kernel
def test_the_drift_is_the_mean_divergence_by_the_second_point(name: str) -> None:
    x, y = points(3, 2, 0), points(4, 2, 1)

    def divergence(a: Tensor, b: Tensor) -> Tensor:
        # create_graph lets the Hessian of the definition be differentiated again
        def gamma(second: Tensor) -> Tensor:
            if not name.startswith("curl-free"):
                return scalar(name, a - second) * torch.eye(2, dtype=a.dtype)
            return -torch.autograd.functional.hessian(
                lambda r: scalar(name, r), a - second, create_graph=True
            )

        jacobian = torch.autograd.functional.jacobian(gamma, b)
        return torch.einsum("ijj->i", jacobian)

    expected = torch.stack([torch.stack([divergence(a, b) for b in y]).mean(0) for a in x])
    torch.testing.assert_close(kernel(name).drift(x, y), expected, rtol=1e-11, atol=1e-12)


@every_kernel
def test_kernel_matrices_are_positive_with_eigenvalues_of_at_most_one(name: str) -> None:
    x = points(30, 2, 3)
    values = torch.linalg.eigvalsh(kernel(name).matrix(x, x) / len(x))
    assert values.min() > -1e-14
    assert values.max() <= 1


@every_kernel
def test_blocks_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gamma, x, y, c = kernel(name), points(7, 3, 0), points(5, 3, 1), points(5, 3, 2)
    whole = gamma.product(x, y, c), gamma.drift(x, y)
    monkeypatch.setattr(kernels, "BLOCK_ENTRIES", 11)
    assert len(list(kernels.blocks(x, len(y)))) == 4
    torch.testing.assert_close((gamma.product(x, y, c), gamma.drift(x, y)), whole, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", [name for name in KERNELS if name.startswith("curl-free")])
def test_energies_have_the_products_as_gradients(name: str) -> None:
    gamma = kernel(name)
    assert isinstance(gamma, CurlFree)
    x, y, c = points(4, 3, 0).requires_grad_(), points(5, 3, 1), points(5, 3, 2)
    (gradient,) = torch.autograd.grad(gamma.energy(x, y, c).sum(), x)
    torch.testing.assert_close(gradient, gamma.product(x, y, c), rtol=1e-12, atol=1e-12)
    (gradient,) = torch.autograd.grad(gamma.drift_energy(x, y).sum(), x)
    torch.testing.assert_close(gradient, gamma.drift(x, y), rtol=1e-12, atol=1e-12)


def test_the_median_bandwidth_is_the_median_distance() -> None:
    x = points(101, 3, 5)
    distances = [float((x[i] - x[j]).norm()) for i in range(101) for j in range(i)]
    assert median_bandwidth(x) == pytest.approx(sorted(distances)[(len(distances) - 1) // 2], rel=1e-12)
    assert median_bandwidth(7 * x) == pytest.approx(7 * median_bandwidth(x), rel=1e-12)
    large = points(5000, 1, 6)
    assert median_bandwidth(large) == pytest.approx(median_bandwidth(large[:2000]), rel=0.1)


def test_copies_of_one_sample_give_no_bandwidth() -> None:
    copies = torch.cat([torch.zeros(30, 2), torch.ones(1, 2)])
    with pytest.raises(ValueError, match="only 2 of 31 are distinct; remove duplicated samples"):
        median_bandwidth(copies)
    with pytest.raises(ValueError, match="give a bandwidth"):
        median_bandwidth(copies[:1])


def test_an_unknown_kernel_is_named_with_its_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'gaussian'"):
        kernel("gausian")
