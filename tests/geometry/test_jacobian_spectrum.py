"""Eigenpairs, singular triplets, asymmetry and log-determinants of Jacobians against exact ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from scorelens.core.jacobian import JacobianAt
from scorelens.estimators import MixtureDenoiser
from scorelens.geometry.asymmetry import asymmetry, exact_asymmetry
from scorelens.geometry.log_determinant import log_determinant, symmetric_log_determinant
from scorelens.geometry.singular_triplets import singular_triplets
from scorelens.geometry.spectrum import jacobian_spectrum

D = 300


def linear(matrix: torch.Tensor):
    return lambda x, sigma: x @ matrix.T.to(x)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def symmetric(eigenvalues: torch.Tensor, seed: int = 0) -> torch.Tensor:
    frame = torch.linalg.qr(random(D, D, seed=seed))[0]
    return frame @ torch.diag(eigenvalues.double()) @ frame.T


SPECTRA = {
    "ill-conditioned": torch.logspace(0, -10, D, dtype=torch.float64),
    "clustered": torch.cat([torch.ones(12), torch.full((12,), 0.5), torch.linspace(0.4, 0, D - 24)]),
    "indefinite": torch.linspace(1, -2, D),
    "shrinking": 1 / (1 + torch.arange(D) / 20.0) ** 2,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SPECTRA)
def test_leading_eigenvalues_within_their_errors(name, dtype):
    matrix = symmetric(SPECTRA[name]) + 0.01 * (random(D, D, seed=2) - random(D, D, seed=2).T) / D**0.5
    exact = torch.linalg.eigvalsh((matrix + matrix.T) / 2).flip(0)[:16]
    found = jacobian_spectrum(
        linear(matrix), torch.ones(1, D, dtype=dtype), 0.5, 16, method="krylov", max_passes=200
    )
    assert found.status == ("converged",)
    assert ((found.eigenvalues[0] - exact).abs() <= found.errors[0]).all()
    large = exact > 1e-3
    assert ((found.eigenvalues[0] - exact).abs() < 1e-3 * exact)[large].all()
    gram = found.eigenvectors[0].T @ found.eigenvectors[0]
    torch.testing.assert_close(gram, torch.eye(16).double(), atol=1e-10, rtol=0)


def test_exact_and_iterated_agree_on_a_mixture_at_points_of_their_own_level():
    means, factors = random(3, 40), random(3, 40, 40, seed=1) / 5
    mixture = MixtureDenoiser.of_covariances(torch.ones(3), means, factors @ factors.mT, (4, 10))
    x, sigma = random(2, 4, 10, seed=3), torch.tensor([0.5, 2.0])
    exact = jacobian_spectrum(mixture, x, sigma, 5)
    iterated = jacobian_spectrum(mixture, x, sigma, 5, method="krylov", block=4, tolerance=1e-6)
    truth = torch.linalg.eigvalsh(mixture.jacobian(x, sigma)).flip(1)[:, :5]
    assert (exact.method, iterated.method) == ("exact", "krylov")
    torch.testing.assert_close(exact.eigenvalues, truth, rtol=1e-10, atol=0)
    torch.testing.assert_close(iterated.eigenvalues, truth, rtol=1e-9, atol=0)
    torch.testing.assert_close(iterated.eigenvectors, exact.eigenvectors, rtol=0, atol=1e-4)
    assert iterated.images.shape == (2, 5, 4, 10)
    assert iterated.asymmetry.ratio.max() < 1e-12


def test_iteration_stopped_early_says_so():
    found = jacobian_spectrum(
        linear(symmetric(SPECTRA["indefinite"])),
        torch.ones(1, D).double(),
        1.0,
        16,
        method="krylov",
        tolerance=1e-8,
        max_passes=3,
    )
    assert not found.converged.all()
    assert "of 16 eigenpairs did not converge" in found.status[0]
    assert ((found.eigenvalues[0] - SPECTRA["indefinite"][:16].double()).abs() <= found.errors[0]).all()


def test_an_attention_network_against_its_formed_jacobian():
    torch.manual_seed(0)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(20, 2, batch_first=True)

        def forward(self, x, sigma):
            return x / 2 + self.attention(x, x, x, need_weights=False)[0]

    network = Network()
    x = random(1, 15, 20).float()
    found = jacobian_spectrum(network, x, 1.0, 6, method="krylov", block=6)
    full = JacobianAt(network, x, 1.0).full()[0].double()
    exact = torch.linalg.eigvalsh((full + full.T) / 2).flip(0)[:6]
    assert found.status == ("converged",)
    assert "mathematical attention" in found.way
    assert ((found.eigenvalues[0] - exact).abs() < 1e-3 * exact.abs()).all()
    ratio = exact_asymmetry(full[None]).ratio
    assert (found.asymmetry.ratio - ratio).abs() < 4.5 * found.asymmetry.standard_error
    assert (found.asymmetry.standard_error < 0.2 * ratio).all()


def test_asymmetry_of_known_matrices_within_its_error():
    matrix = symmetric(SPECTRA["shrinking"]) + 0.1 * (random(D, D, seed=5) - random(D, D, seed=5).T) / D**0.5
    at = JacobianAt(linear(matrix), torch.ones(1, D).double(), 1.0)
    exact = exact_asymmetry(matrix[None]).ratio
    deviations = []
    for seed in range(30):
        found = asymmetry(at, seed=seed)
        deviations.append(float((found.ratio - exact) / found.standard_error))
    assert abs(np.mean(deviations)) < 1
    assert 0.6 < np.median(np.abs(deviations)) / 0.674 < 1.6


def test_singular_triplets_of_a_matrix_that_is_not_symmetric():
    left, right = (torch.linalg.qr(random(D, D, seed=s))[0] for s in (7, 8))
    values = torch.cat([torch.full((4,), 2.0), torch.linspace(1.5, 0.01, D - 4)]).double()
    matrix = left @ torch.diag(values) @ right.T
    at = JacobianAt(linear(matrix), torch.ones(1, D).double(), 1.0)
    found = singular_triplets(at, 8, max_passes=300)
    assert found.converged.all()
    assert ((found.values[0] - values[:8]).abs() <= found.errors[0]).all()
    assert ((found.values[0] - values[:8]).abs() < 1e-3 * values[:8]).all()
    images = matrix @ found.right[0]
    torch.testing.assert_close(images, found.left[0] * found.values[0], atol=1e-9, rtol=0)
    back = matrix.T @ found.left[0] - found.right[0] * found.values[0]
    assert (back.norm(dim=0) <= found.errors[0]).all()


def test_log_determinants():
    eigenvalues = torch.linspace(1.0, 0.2, D).double()
    at = JacobianAt(linear(symmetric(eigenvalues)), torch.ones(1, D).double(), 1.0)
    exact = eigenvalues.log().sum()
    torch.testing.assert_close(log_determinant(at).value[0], exact, rtol=1e-10, atol=1e-10)
    found = symmetric_log_determinant(at, 20)
    assert found.status == ("estimated",)
    assert (found.value - exact).abs() < 4.5 * found.standard_error
    assert found.standard_error < 0.05 * exact.abs()


def test_log_determinants_without_a_logarithm_say_so():
    at = JacobianAt(linear(symmetric(SPECTRA["indefinite"])), torch.ones(1, D).double(), 1.0)
    assert symmetric_log_determinant(at).status == ("not positive",)
    found = log_determinant(at)
    torch.testing.assert_close(found.sign[0], SPECTRA["indefinite"].double().sign().prod())
    torch.testing.assert_close(
        found.value[0], SPECTRA["indefinite"].double().abs().log().sum(), rtol=1e-9, atol=0
    )
    mirrored = JacobianAt(lambda x, sigma: x * torch.tensor([1.0, -2.0, 3.0]), torch.ones(1, 3), 1.0)
    assert log_determinant(mirrored).sign.tolist() == [-1]
    zero = JacobianAt(lambda x, sigma: 0 * x, torch.ones(1, 3), 1.0)
    assert log_determinant(zero).status == ("singular",)


@pytest.mark.parametrize("n_modes", [0, 5])
def test_more_eigenpairs_than_dimensions_are_refused(n_modes):
    with pytest.raises(ValueError, match="n_modes must be between 1 and the dimension 4"):
        jacobian_spectrum(lambda x, sigma: x, torch.ones(1, 4), 1.0, n_modes)


def test_a_model_without_derivative_has_a_spectrum_by_differences():
    matrix = symmetric(torch.linspace(1, 0, D)).numpy()
    found = jacobian_spectrum(
        lambda x, sigma: torch.as_tensor(np.asarray(x.detach()) @ matrix.T), torch.ones(1, D).double(), 1.0, 3
    )
    assert "central differences" in found.way
    torch.testing.assert_close(found.eigenvalues[0], torch.linspace(1, 0, D).double()[:3], rtol=1e-4, atol=0)
