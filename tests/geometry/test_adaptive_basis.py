"""Adaptive bases, offsets and overlaps against closed forms (geometry [P10] to [P13])."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scorelens.core.jacobian import JacobianAt
from scorelens.estimators import MixtureDenoiser
from scorelens.geometry.adaptive_basis import (
    adaptive_basis,
    homogeneity_defect,
    joint_scaling_defect,
    local_offset,
)
from scorelens.geometry.overlap import overlap, overlap_table
from scorelens.geometry.spectrum import jacobian_spectrum


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def subspaces() -> MixtureDenoiser:
    bases = [torch.linalg.qr(random(7, 2, seed=s))[0] for s in (1, 2, 3)]
    return MixtureDenoiser.of_subspaces(torch.tensor([0.2, 0.3, 0.5]), bases, [torch.tensor([2.0, 1.0])] * 3)


def test_offset_of_a_mixture_is_the_covariance_of_its_parts():
    mixture, x, sigma = subspaces(), random(4, 7, seed=4), 0.7
    found = local_offset(JacobianAt(mixture, x, sigma))
    weights = mixture.responsibilities(x, sigma)
    gains = mixture.variances / (mixture.variances + sigma**2)
    coefficients = torch.einsum("kdr,bd->bkr", mixture.bases, x) * gains
    parts = torch.einsum("kdr,bkr->bkd", mixture.bases, coefficients)
    along = torch.einsum("bkd,bd->bk", parts, x)
    mean = torch.einsum("bk,bkd->bd", weights, parts)
    product = torch.einsum("bk,bkd,bk->bd", weights, parts, along)
    expected = -(product - mean * (mean * x).sum(1, keepdim=True)) / sigma**2  # [P12]
    torch.testing.assert_close(found.vector, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.relative, expected.norm(dim=1) / mean.norm(dim=1))
    assert found.relative.min() > 1e-3


def test_a_network_without_bias_is_homogeneous_and_one_with_bias_is_not():
    torch.manual_seed(0)
    plain, biased = (
        nn.Sequential(nn.Linear(6, 20, bias=b), nn.ReLU(), nn.Linear(20, 6, bias=b)) for b in (False, True)
    )
    x = random(3, 6)
    for network, small in ((plain, True), (biased, False)):

        def denoiser(x, sigma, network=network):
            return network(x.float()).to(x.dtype)

        defect = homogeneity_defect(denoiser, x, 0.5)
        relative = local_offset(JacobianAt(denoiser, x.float(), 0.5)).relative
        assert bool((defect < 1e-5).all()) == small
        assert bool((relative < 1e-5).all()) == small


def test_an_optimal_denoiser_is_homogeneous_only_for_a_gaussian():
    x = random(3, 7)
    one = MixtureDenoiser.of_covariances(torch.ones(1), torch.zeros(1, 7), torch.eye(7)[None])
    assert homogeneity_defect(one, x, 0.5).max() < 1e-14
    assert homogeneity_defect(subspaces(), x, 0.5).min() > 1e-3
    # Scaled data: x0 of variance 4 at twice the noise is twice x0 of variance 1.
    assert joint_scaling_defect(one, x, 0.5)[0] == pytest.approx(abs(1 / 2 - 1 / 1.25) * 1.25, rel=1e-10)


def test_shrinkage_explains_a_gaussian_and_its_risk():
    variances, sigma = torch.tensor([4.0, 1.0, 0.25]).double(), 0.8
    wiener = MixtureDenoiser.of_covariances(torch.ones(1), torch.zeros(1, 3), torch.diag(variances)[None])
    clean = random(20_000, 3) * variances.sqrt()
    x = clean + sigma * random(20_000, 3, seed=9)
    found = jacobian_spectrum(wiener, x[:8], sigma, 3)
    basis = adaptive_basis(found)
    torch.testing.assert_close(basis.gains, (variances / (variances + sigma**2)).expand(8, 3))
    torch.testing.assert_close(basis.denoised, basis.gains * basis.noisy)
    assert basis.explained.min() > 1 - 1e-12
    # [P10]: the error of estimating x0, from noisy inputs and the basis alone.
    gains = basis.gains[0]
    said = ((1 - gains) ** 2 * x**2 + 2 * sigma**2 * gains).sum(1) - 3 * sigma**2
    true = (gains * x - clean).square().sum(1)
    error = (said - true).std() / len(x) ** 0.5
    assert (said.mean() - true.mean()).abs() < 4.5 * error
    assert error < 0.05 * true.mean()


def test_fewer_modes_explain_less():
    wiener = MixtureDenoiser.of_covariances(torch.ones(1), torch.zeros(1, 5), torch.eye(5)[None])
    x = torch.ones(1, 5).double()
    explained = [float(adaptive_basis(jacobian_spectrum(wiener, x, 1.0, k)).explained) for k in (1, 5)]
    assert explained[0] < 0.999
    assert explained[1] == pytest.approx(1, abs=1e-12)


def test_overlap_of_rotated_planes():
    angle = torch.tensor(0.3).double()
    first = torch.eye(6).double()[:, :2]
    second = first.clone()
    second[:, 1] = 0
    second[1, 1], second[2, 1] = angle.cos(), angle.sin()
    found = overlap(first, second)
    torch.testing.assert_close(found.cosines[0], torch.stack([torch.ones_like(angle), angle.cos()]))
    assert found.subspace.item() == pytest.approx((1 + float(angle.cos()) ** 2) / 2)
    assert found.chance == pytest.approx(1 / 3)


def test_random_subspaces_overlap_by_chance():
    first, second = (torch.linalg.qr(random(200, 50, 6, seed=s))[0] for s in (1, 2))
    found = overlap(first, second)
    error = found.subspace.std() / 200**0.5
    assert abs(found.subspace.mean() - found.chance) < 4.5 * error
    assert error < 0.05 * found.chance


def test_vectors_are_matched_whatever_their_order():
    frame = torch.linalg.qr(random(9, 4))[0]
    shuffled = -frame[:, [2, 0, 3, 1]]
    found = overlap(frame, shuffled)
    torch.testing.assert_close(found.matched, torch.ones(1, 4).double())
    assert found.in_order.max() < 1e-12
    wider = overlap(torch.linalg.qr(random(9, 4, seed=3))[0], torch.eye(9).double())
    assert wider.matched.shape == (1, 4)
    assert wider.subspace.item() == pytest.approx(1)
    assert wider.chance == 1


def test_overlap_table_over_noise_levels():
    x, levels = random(1, 7), (0.3, 0.6, 3.0)
    frames = [jacobian_spectrum(subspaces(), x, sigma, 2).eigenvectors[0] for sigma in levels]
    table = overlap_table(torch.stack(frames))
    torch.testing.assert_close(table, table.T)
    torch.testing.assert_close(table.diagonal(), torch.ones(3).double())
    assert table[0, 1] > table[0, 2]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (torch.ones(4, 2), torch.eye(4), "orthonormal columns, off by"),
        (torch.eye(4), torch.eye(5), "one dimension d"),
        (torch.eye(2, 4), torch.eye(4), "with k <= d"),
        (torch.eye(4).expand(2, 4, 4), torch.eye(4).expand(3, 4, 4), "as many points"),
    ],
)
def test_frames_of_other_shapes_are_refused(first, second, message):
    with pytest.raises(ValueError, match=message):
        overlap(first, second)


def test_a_factor_that_says_nothing_is_refused():
    with pytest.raises(ValueError, match="factor must be > 0, finite and not 1"):
        homogeneity_defect(lambda x, sigma: x, torch.ones(1, 2), 1.0, 1.0)
