"""Vector fields as features: their averages over the noise, and the scores that they make."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from scorelens.core.filters import Ridge
from scorelens.estimators import EnergyScore, FieldScore, PatchLinear
from scorelens.estimators import fields as field_maps
from scorelens.estimators.features import Affine, Bins, Fourier, Hermite, Monomials
from scorelens.estimators.fields import GradientRule, Gradients, PatchFields, PatchRule
from scorelens.estimators.spectral import AffineRule, BinsRule, Exact, Filtered, HermiteRule

EXAMPLES = {
    Gradients: (Gradients(Hermite.of_degree(2, 3)), Gradients(Fourier(np.array([[0.7, 0.2], [0.1, 0.9]])))),
    PatchFields: (
        PatchFields(Hermite(np.array([[0, 0], [1, 0], [0, 1], [2, 1]])), (1, 2), 3),
        PatchFields(Affine(3), (3,), 3),
        PatchFields(Monomials(np.array([[0, 0], [2, 0], [1, 1]])), (2, 1, 1), 1),
    ),
}
CASES = [pytest.param(f, id=f"{f.name}-{f.dim}d") for examples in EXAMPLES.values() for f in examples]
NODES = {2: 24}
"""Gauss-Hermite nodes per axis: waves need more than polynomials."""

every_map = pytest.mark.parametrize("fields", CASES)


def points(fields, n=3):
    return np.random.default_rng(0).normal(size=(n, fields.dim))


def test_every_member_has_an_example():
    assert set(EXAMPLES) == set(field_maps.ALL)
    assert all(member.reference for member in field_maps.ALL)


@every_map
def test_averages_over_the_noise_are_those_of_quadrature(fields):
    x0, alpha, std = points(fields, 2), 0.8, 0.6
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES.get(fields.dim, 8))
    noise = np.array(list(itertools.product(nodes, repeat=fields.dim)))
    weight = np.prod(np.array(list(itertools.product(weights, repeat=fields.dim))), axis=1)
    x = (alpha * x0[:, None] + std * noise).reshape(-1, fields.dim)
    weight = np.tile(weight / weight.sum(), len(x0)) / len(x0)
    psi = fields.value(x)
    gram = np.einsum("n,nal,nbl->ab", weight, psi, psi, optimize=True)
    assert fields.gram(x0, alpha, std) == pytest.approx(gram, rel=1e-11, abs=1e-12)
    stein = np.einsum("n,nal,nl->a", weight, psi, np.tile(noise, (len(x0), 1))) / std
    assert fields.mean_divergence(x0, alpha, std) == pytest.approx(stein, rel=1e-11, abs=1e-12)


@every_map
def test_clean_averages_and_divergences(fields):
    x = points(fields)
    psi, divergence = fields.value(x), fields.divergence(x)
    assert psi.shape == (3, fields.n_features, fields.dim)
    assert fields.gram(x) == pytest.approx(np.einsum("nal,nbl->ab", psi, psi) / 3, abs=1e-13)
    assert fields.mean_divergence(x) == pytest.approx(divergence.mean(axis=0), abs=1e-13)
    slopes = torch.func.vmap(torch.func.jacrev(lambda row: fields.evaluate(row[None])[0]))(torch.tensor(x))
    assert divergence == pytest.approx(slopes.diagonal(dim1=2, dim2=3).sum(2).numpy(), abs=1e-12)


@every_map
def test_a_combination_is_the_sum_of_its_fields(fields):
    x = torch.tensor(points(fields))
    theta = torch.tensor(np.random.default_rng(1).normal(size=(3, fields.n_features)))
    expected = torch.einsum("nm,nmd->nd", theta, fields.evaluate(x))
    torch.testing.assert_close(fields.combined(x, theta), expected)


@every_map
def test_arrays_rebuild_the_map(fields):
    again, x = field_maps.rebuild(fields.name, fields.arrays()), points(fields)
    assert type(again) is type(fields)
    assert np.array_equal(again.value(x), fields.value(x))


@every_map
def test_points_are_checked(fields):
    with pytest.raises(ValueError, match="points must have shape"):
        fields.gram(np.zeros((3, fields.dim + 1)))
    with pytest.raises(ValueError, match="non-finite"):
        fields.value(np.full((3, fields.dim), np.nan))
    with pytest.raises(ValueError, match="std must be"):
        fields.mean_divergence(points(fields), 1.0, -1.0)


def test_bad_maps_are_refused():
    with pytest.raises(TypeError, match="no gradients"):
        Gradients(Affine(2))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="a patch holds 3 values, the features are of 2"):
        PatchFields(Affine(2), (5,), 3)
    with pytest.raises(ValueError, match="must be odd"):
        PatchRule(AffineRule(), 2)((4, 4))
    with pytest.raises(ValueError, match="did you mean 'patches'"):
        field_maps.rebuild("patch/affine", {})


def test_patches_move_with_the_event():
    fields = PatchFields(Hermite.of_degree(9, 2), (2, 4, 5)[1:], 3)
    x = np.random.default_rng(3).normal(size=(2, 4, 5))
    theta = torch.tensor(np.random.default_rng(1).normal(size=(2, fields.n_features)))
    moved = np.roll(x, (1, -2), axis=(1, 2))
    results = [fields.combined(torch.tensor(y.reshape(2, -1)), theta).numpy() for y in (x, moved)]
    expected = np.roll(results[0].reshape(x.shape), (1, -2), axis=(1, 2))
    assert results[1].reshape(x.shape) == pytest.approx(expected, abs=1e-13)


def test_blocks_of_patches_add_up(monkeypatch):
    fields, x0 = PatchFields(Hermite.of_degree(3, 2), (5,), 3), np.random.default_rng(0).normal(size=(7, 5))
    whole = fields.gram(x0, 0.9, 0.4), fields.mean_divergence(x0, 0.9, 0.4)
    monkeypatch.setattr("scorelens.estimators.fields.patches._BLOCK", 1)
    assert fields.gram(x0, 0.9, 0.4) == pytest.approx(whole[0], rel=1e-13, abs=1e-13)
    assert fields.mean_divergence(x0, 0.9, 0.4) == pytest.approx(whole[1], rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("shape", [(6,), (4, 5), (2, 4, 3)])
def test_affine_fields_are_the_best_shared_linear_filter(shape):
    generator = np.random.default_rng(2)
    x = np.cumsum(generator.standard_normal((40, *shape)), axis=-1) + generator.standard_normal(shape)
    linear = PatchLinear(patch_size=3).fit(x)
    score = FieldScore(features=PatchRule(AffineRule(), 3), solver=Exact(), sigmas=(0.3, 1.0, 4.0)).fit(x)
    for sigma in (0.3, 1.0, 4.0):
        noised = torch.tensor(x[:6] + sigma * generator.standard_normal((6, *shape)))
        torch.testing.assert_close(score(noised, sigma), linear(noised, sigma), rtol=1e-9, atol=1e-9)


def test_gradients_are_the_energy_based_model():
    x = np.random.default_rng(4).standard_normal((30, 2)) ** 3
    energy = EnergyScore(features=HermiteRule(3), solver=Exact(), sigmas=(0.5, 2.0)).fit(x)
    score = FieldScore(features=GradientRule(HermiteRule(3)), solver=Exact(), sigmas=(0.5, 2.0)).fit(x)
    noised = torch.tensor(x[:5] + 0.3)
    torch.testing.assert_close(score(noised, 0.9), energy(noised, 0.9), rtol=1e-10, atol=1e-10)


def chains(n, seed):
    """Periodic signals of two values with skewed noise: far from Gaussian, the same law at every pixel."""
    generator = np.random.default_rng(seed)
    smooth = generator.standard_normal((n, 8)) @ np.roll(np.eye(8), 1, 0) + generator.standard_normal((n, 8))
    return np.sign(smooth - 0.7) + 0.2 * generator.exponential(size=(n, 8))


def test_polynomials_of_a_patch_denoise_what_is_not_gaussian():
    x, new = chains(400, 0), chains(2000, 1)
    sigmas = (0.2, 0.4, 0.8, 1.6)
    cubic = FieldScore(
        features=PatchRule(HermiteRule(3, constant=True), 3), solver=Filtered(Ridge(1e-4)), sigmas=sigmas
    )
    noise = torch.randn(2000, 8, generator=torch.Generator().manual_seed(2)).double()
    fits = cubic.fit(x), PatchLinear(3).fit(x)
    for sigma in sigmas:
        clean = torch.tensor(new)
        losses = [(fit(clean + sigma * noise, sigma) - clean).square().sum(1) for fit in fits]
        gain = losses[1] - losses[0]
        error = float(gain.std() / len(gain) ** 0.5)
        assert float(gain.mean()) > 4.5 * error, sigma


def test_implicit_matching_sees_the_noise_it_draws():
    x = chains(300, 3)
    rule = PatchRule(HermiteRule(2, constant=True), 3)
    exact = FieldScore(features=rule, sigmas=(0.8,)).fit(x)
    drawn = FieldScore(features=rule, sigmas=(0.8,), matching="implicit", repeats=20).fit(x)
    noised = torch.tensor(chains(200, 4))
    apart = (exact(noised, 0.8) - drawn(noised, 0.8)).square().mean()
    assert 0 < float(apart) < 1e-3 * float(exact(noised, 0.8).var())


def test_bins_of_a_pixel_are_fields_too():
    x = chains(200, 5)
    denoiser = FieldScore(features=PatchRule(BinsRule(n_bins=24), 1), sigmas=(0.5,)).fit(x)
    clean = torch.tensor(chains(500, 6))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)).double()
    loss = (denoiser(clean + 0.5 * noise, 0.5) - clean).square().mean()
    linear = (PatchLinear(1).fit(x)(clean + 0.5 * noise, 0.5) - clean).square().mean()
    assert float(loss) < 0.9 * float(linear)
    assert isinstance(denoiser.features.features, Bins)
