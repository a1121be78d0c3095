"""What every feature map must be; registering one buys these tests."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from scorelens.estimators import features
from scorelens.estimators.features import (
    Affine,
    Bins,
    Fourier,
    FourierQuadratic,
    Hermite,
    Monomials,
    Responsibilities,
    SmoothFeatureMap,
    Squares,
)

EXAMPLES = {
    Affine: (Affine(1), Affine(3)),
    Monomials: (Monomials([[0], [1], [4]]), Monomials.of_degree(2, 3), Monomials([[1, 0, 2], [0, 3, 1]])),
    Hermite: (Hermite([[0], [2], [5]]), Hermite.of_degree(2, 3), Hermite([[1, 1, 2], [0, 3, 0]])),
    Fourier: (Fourier([[0.3], [0.9], [1.4]]), Fourier.lattice(2, 1), Fourier.random(3, 2, 1.5, seed=1)),
    FourierQuadratic: (FourierQuadratic(Fourier([[0.7], [1.3]])), FourierQuadratic(Fourier.lattice(2, 1))),
    Squares: (Squares(1), Squares(2)),
    Bins: (Bins([-0.4, 0.1, 0.9]), Bins([0.0], constant=True)),
    Responsibilities: (
        Responsibilities([[-0.3], [0.4]], 2.0, [1.0, 3.0], drop_last=False),
        Responsibilities([[0.1, 0.3], [0.5, -0.2], [-0.4, 0.0]], [1.9, 2.0, 2.2]),
    ),
}
CASES = [pytest.param(f, id=f"{f.name}-{f.dim}d") for examples in EXAMPLES.values() for f in examples]
SMOOTH = [case for case in CASES if isinstance(case.values[0], SmoothFeatureMap)]
LEVELS = [(1.0, 0.3), (0.6, 0.8), (0.9, 0.7), (0.5, 1.3)]


def _points(feature_map, n=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, feature_map.dim))


def _noised(x0, alpha, std):
    """Gauss-Hermite points of the noised law: positions, noise, and weights that sum to one."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(30)
    dim = x0.shape[1]
    noise = np.array(list(itertools.product(nodes, repeat=dim)))
    weight = np.prod(np.array(list(itertools.product(weights, repeat=dim))), axis=1)
    x = (alpha * x0[:, None] + std * noise).reshape(-1, dim)
    return x, np.tile(noise, (len(x0), 1)), np.tile(weight / weight.sum(), len(x0)) / len(x0)


def _close(got, expected, tolerance=1e-11):
    assert np.abs(got - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def test_every_member_has_an_example():
    assert set(EXAMPLES) == set(features.ALL)
    assert len({member.name for member in features.ALL}) == len(features.ALL)
    assert all(member.reference for member in features.ALL)


@pytest.mark.parametrize("feature_map", CASES)
def test_shapes_and_type(feature_map):
    x, m, d = _points(feature_map), feature_map.n_features, feature_map.dim
    assert feature_map.value(x).shape == (4, m)
    assert feature_map.value(x.astype(np.float32)).dtype == np.float64
    assert feature_map.second_moment(x, 0.9, 0.5).shape == (m, m)
    assert feature_map.mean_jacobian(x, 0.9, 0.5).shape == (m, d)


@pytest.mark.parametrize("feature_map", CASES)
def test_without_noise_averages_are_sample_means(feature_map):
    x = _points(feature_map)
    value = feature_map.value(x)
    _close(feature_map.second_moment(x), value.T @ value / len(x), 1e-13)


@pytest.mark.parametrize("feature_map", CASES)
def test_the_second_moment_is_positive_semidefinite(feature_map):
    for level in LEVELS:
        moment = feature_map.second_moment(_points(feature_map), *level)
        assert np.array_equal(moment, moment.T) or np.abs(moment - moment.T).max() < 1e-13 * moment.max()
        assert np.linalg.eigvalsh(moment).min() > -1e-12 * np.abs(moment).max()


@pytest.mark.parametrize("feature_map", SMOOTH)
@pytest.mark.parametrize("level", LEVELS)
def test_averages_over_the_noise_are_those_of_quadrature(feature_map, level):
    x0 = _points(feature_map, n=2)
    x, noise, weight = _noised(x0, *level)
    value = feature_map.value(x)
    _close(feature_map.second_moment(x0, *level), np.einsum("n,na,nb", weight, value, value))
    stein = np.einsum("n,na,nl->al", weight, value, noise) / level[1]  # [S16]
    _close(feature_map.mean_jacobian(x0, *level), stein, 1e-10)


@pytest.mark.parametrize("feature_map", SMOOTH)
@pytest.mark.parametrize("level", LEVELS)
def test_gradients_over_the_noise_are_those_of_quadrature(feature_map, level):
    x0 = _points(feature_map, n=2)
    x, noise, weight = _noised(x0, *level)
    jacobian = feature_map.jacobian(x)
    gram = np.einsum("n,nal,nbl->ab", weight, jacobian, jacobian, optimize=True)
    _close(feature_map.gradient_gram(x0, *level), gram)
    stein = np.einsum("n,nal,nl->a", weight, jacobian, noise) / level[1]  # [S16]
    _close(feature_map.mean_laplacian(x0, *level), stein, 1e-10)


@pytest.mark.parametrize("feature_map", SMOOTH)
def test_clean_averages_of_derivatives(feature_map):
    x = _points(feature_map)
    jacobian = feature_map.jacobian(x)
    _close(feature_map.gradient_gram(x), np.einsum("nal,nbl->ab", jacobian, jacobian) / len(x), 1e-13)
    _close(feature_map.mean_jacobian(x), jacobian.mean(axis=0), 1e-13)
    _close(feature_map.mean_laplacian(x), feature_map.laplacian(x).mean(axis=0), 1e-13)


@pytest.mark.parametrize("feature_map", SMOOTH)
def test_derivatives_are_limits_of_differences(feature_map):
    x, h = _points(feature_map), 1e-5
    jacobian = feature_map.jacobian(x)
    for axis, e in enumerate(np.eye(feature_map.dim)):
        slope = (feature_map.value(x + h * e) - feature_map.value(x - h * e)) / (2 * h)
        _close(jacobian[..., axis], slope, 1e-8)
    v = _points(feature_map, seed=1)
    ahead, behind = feature_map.jacobian(x + h * v), feature_map.jacobian(x - h * v)
    bent = np.einsum("nml,nl->nm", ahead - behind, v) / (2 * h)
    _close(feature_map.curvature(x, v), bent, 1e-8)


@pytest.mark.parametrize("feature_map", SMOOTH)
def test_the_laplacian_sums_the_curvature_along_the_axes(feature_map):
    x = _points(feature_map)
    axes = (np.broadcast_to(e, x.shape) for e in np.eye(feature_map.dim))
    _close(feature_map.laplacian(x), sum(feature_map.curvature(x, e) for e in axes), 1e-13)


@pytest.mark.parametrize("feature_map", CASES)
def test_points_are_checked(feature_map):
    with pytest.raises(ValueError, match="points must have shape"):
        feature_map.value(np.zeros((3, feature_map.dim + 1)))
    with pytest.raises(ValueError, match="points must have shape"):
        feature_map.value(np.zeros((0, feature_map.dim)))
    with pytest.raises(ValueError, match="non-finite"):
        feature_map.second_moment(np.full((3, feature_map.dim), np.nan))
    with pytest.raises(ValueError, match="std must be"):
        feature_map.second_moment(np.zeros((3, feature_map.dim)), 1.0, -1.0)


@pytest.mark.parametrize("feature_map", SMOOTH)
def test_each_point_needs_a_direction(feature_map):
    x = _points(feature_map)
    with pytest.raises(ValueError, match="one direction"):
        feature_map.curvature(x, x[:1])


@pytest.mark.parametrize("feature_map", CASES)
def test_the_features_of_a_tensor_keep_its_type(feature_map):
    x = torch.tensor(_points(feature_map))
    _close(feature_map.evaluate(x).numpy(), feature_map.value(x.numpy()), 1e-15)
    single = feature_map.evaluate(x.float())
    assert single.dtype == torch.float32
    _close(single.double().numpy(), feature_map.value(x.numpy()), 1e-5)


@pytest.mark.parametrize("feature_map", SMOOTH)
def test_autograd_knows_the_derivatives(feature_map):
    x = torch.tensor(_points(feature_map))
    slope = torch.func.vmap(torch.func.jacrev(lambda row: feature_map.evaluate(row[None])[0]))(x)
    _close(slope.numpy(), feature_map.jacobian(x.numpy()), 1e-13)


@pytest.mark.parametrize("feature_map", CASES)
def test_arrays_rebuild_the_map(feature_map):
    arrays = feature_map.arrays()
    assert all(isinstance(value, np.ndarray) for value in arrays.values())
    for again in (type(feature_map)(**arrays), features.rebuild(feature_map.name, arrays)):
        assert type(again) is type(feature_map)
        x = _points(feature_map)
        assert np.array_equal(again.value(x), feature_map.value(x))


def test_an_unknown_map_is_refused():
    with pytest.raises(ValueError, match="did you mean 'hermite'"):
        features.rebuild("hermit", {})
