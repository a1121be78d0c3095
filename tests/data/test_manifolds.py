"""Planted manifolds have the dimension and the place that they declare."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.data import load
from scorelens.data.load import find
from scorelens.data.manifolds import ALL, Manifold, MixtureOfSubspaces, RolledSheet, Sphere, Torus

every = pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.name)


def flat(source: Manifold, seed: int = 0) -> np.ndarray:
    """Points of a manifold of one piece in the space of its frame; nothing lies outside of it."""
    points, frame = load(source.spec, seed=seed)[:].astype(float), source.frames(seed)[0]
    inside = points @ frame
    assert np.abs(points - inside @ frame.T).max() < 1e-5
    return inside


@every
@pytest.mark.parametrize("dim", [1, 3, 20])
def test_neighbours_of_a_point_span_its_tangent_space(cls: type[Manifold], dim: int) -> None:
    # Steps of 1e-5 along the manifold: the same draws, moved a little, have differences of rank dim.
    source = cls(dim=dim, ambient=60, n=2)
    base = source.flat_points(400, np.random.default_rng(3))
    steps = tangents(source, base[0], dim)
    size = np.linalg.svd(steps, compute_uv=False)
    assert np.sum(size > 1e-3 * size[0]) == dim


def tangents(source: Manifold, point: np.ndarray, dim: int) -> np.ndarray:
    """Differences ``(100, flat_dim)`` from ``point`` to points of the manifold a distance 1e-5 away."""
    away = point + 1e-5 * np.random.default_rng(5).standard_normal((100, len(point)))
    return projected(source, away) - projected(source, point[None])


def projected(source: Manifold, points: np.ndarray) -> np.ndarray:
    """The nearest points of the manifold."""
    if isinstance(source, Sphere):
        return source.radius * points / np.linalg.norm(points, axis=1, keepdims=True)
    if isinstance(source, Torus):
        pairs = points.reshape(len(points), -1, 2)
        return (source.radius * pairs / np.linalg.norm(pairs, axis=2, keepdims=True)).reshape(points.shape)
    if isinstance(source, RolledSheet):
        radius = np.hypot(points[:, 0], points[:, 1])
        radius = np.clip(radius, 1 / 3, 1)
        return np.concatenate([source.spiral(radius), points[:, 2:]], axis=1)
    return points


def test_points_lie_on_their_manifold() -> None:
    for source in (Sphere(dim=3, n=50, radius=2.0), Torus(dim=4, n=50), RolledSheet(dim=3, n=50)):
        points = flat(source)
        np.testing.assert_allclose(points, projected(source, points), atol=2e-6)


def test_a_sphere_is_covered_evenly() -> None:
    points = flat(Sphere(dim=4, ambient=8, n=20_000))
    # uniform on S^4: second moment 1/5 in every direction, fourth 3/35
    second, fourth = (points**2).mean(axis=0), (points**4).mean(axis=0)
    assert np.abs(second - 1 / 5).max() < 4.5 * np.sqrt((3 / 35 - 1 / 25) / 20_000)
    assert np.abs(fourth - 3 / 35).max() < 4.5 * np.sqrt(15 / (5 * 7 * 9 * 11 / 7) / 20_000)


def test_a_mixture_has_every_subspace_equally_often() -> None:
    source = MixtureOfSubspaces(dim=2, ambient=20, n=4000, components=4)
    points, frames = load(source.spec)[:].astype(float), source.frames(0)
    residual = np.stack([np.linalg.norm(points - points @ f @ f.T, axis=1) for f in frames])
    on = residual < 1e-5
    assert np.all(on.sum(axis=0) == 1)
    assert np.abs(on.sum(axis=1) - 1000).max() < 4.5 * np.sqrt(4000 * 3 / 16)


def test_pieces_along_the_axes_are_orthogonal() -> None:
    frames = MixtureOfSubspaces(dim=2, ambient=8, components=3, rotate="none").frames(0)
    joined = np.concatenate(list(frames), axis=1)
    np.testing.assert_array_equal(joined.T @ joined, np.eye(6))


@every
def test_frames_are_orthonormal_and_follow_the_seed(cls: type[Manifold]) -> None:
    source = cls(dim=3, ambient=12)
    for frame in source.frames(4):
        np.testing.assert_allclose(frame.T @ frame, np.eye(source.flat_dim), atol=1e-12)
    assert not np.allclose(source.frames(4), source.frames(5))


def test_noise_fills_every_direction() -> None:
    points = load("sphere:dim=1,ambient=6,noise=0.3,rotate=none,n=20000")[:].astype(float)
    assert np.abs(points[:, 2:].var(axis=0) - 0.09).max() < 4.5 * 0.09 * np.sqrt(2 / 20_000)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sphere:dim=10,ambient=10", "a sphere of dimension 10 needs ambient >= 11, got 10"),
        ("torus:dim=6,ambient=10", "a torus of dimension 6 needs ambient >= 12, got 10; lower dim"),
        ("subspace:dim=11", "a subspace of dimension 11 needs ambient >= 11, got 10"),
        ("rolled-sheet:dim=0", "dim must be at least 1, got 0"),
        ("molrg:components=0", "components must be at least 1, got 0"),
        ("sphere:radius=0", "radius must be finite and > 0"),
        ("subspace:rotate=both", "unknown rotate 'both'; choose from random, none"),
        ("torus:noise=-1", "noise must be finite and >= 0"),
        ("sphere:ambient=100000,n=100000", "n . ambient must be at most"),
        ("sphere:dims=3", "unknown option of sphere 'dims'; choose from dim"),
    ],
)
def test_wrong_options_are_refused(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find(spec)
