"""Point clouds lie on the shapes they declare, with the noise they declare."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.data import load
from scorelens.data.point_clouds import Checkerboard, Circles, GaussianRing, Moons, Spiral, SwissRoll

N = 4000


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def polar(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])


def test_moons_are_two_half_circles_of_radius_one() -> None:
    points = Moons(n=N).points(rng())
    upper = np.hypot(points[:, 0] + 0.5, points[:, 1] + 0.25)
    lower = np.hypot(points[:, 0] - 0.5, points[:, 1] - 0.25)
    on_upper = np.isclose(upper, 1) & (points[:, 1] >= -0.25 - 1e-12)
    on_lower = np.isclose(lower, 1) & (points[:, 1] <= 0.25 + 1e-12)
    assert np.all(on_upper | on_lower)
    assert 0.4 < on_upper.mean() < 0.6


def test_circles_have_the_two_radii() -> None:
    radius, angle = polar(Circles(n=N, inner=0.3).points(rng()))
    assert set(radius.round(9)) == {0.3, 1.0}
    assert np.histogram(angle, 8, (-np.pi, np.pi))[0].min() > 0.8 * N / 8


@pytest.mark.parametrize(("cloud", "per_radius"), [(SwissRoll(n=N), 1.5), (Spiral(n=N), 1.0)])
def test_angle_of_a_roll_grows_with_its_radius(cloud: SwissRoll | Spiral, per_radius: float) -> None:
    radius, angle = polar(cloud.points(rng()))
    difference = angle - 2 * np.pi * cloud.turns * per_radius * radius
    turn = np.pi if isinstance(cloud, Spiral) else 2 * np.pi  # two arms lie half a turn apart
    assert np.allclose(np.exp(1j * 2 * np.pi * difference / turn), 1)
    assert radius.max() <= 1


def test_a_checkerboard_fills_the_dark_fields_evenly() -> None:
    points = Checkerboard(n=N, fields=4).points(rng())
    field = np.floor(2 * (points + 1)).astype(int)
    assert np.all(field.sum(axis=1) % 2 == 0)
    count = np.unique(field, axis=0, return_counts=True)[1]
    assert len(count) == 8
    assert abs(count - N / 8).max() < 4.5 * np.sqrt(N / 8)


def test_a_ring_has_its_modes_on_the_unit_circle() -> None:
    points = GaussianRing(n=N, modes=5).points(rng())
    assert len(np.unique(points.round(9), axis=0)) == 5
    assert np.allclose(np.hypot(*points.T), 1)


def test_noise_has_the_declared_standard_deviation() -> None:
    samples = load("gaussians:modes=1,noise=0.2,n=20000")[:].astype(float)
    variance = samples.var(axis=0)
    assert np.all(np.abs(variance - 0.04) < 4.5 * 0.04 * np.sqrt(2 / 20_000))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("moons:noise=-1", "noise must be finite and >= 0, got -1"),
        ("moons:inner=0.5", "unknown option of moons 'inner'; choose from n, noise"),
        ("circles:inner=1", "inner must be > 0 and < 1, got 1"),
        ("checkerboard:fields=3", "fields must be even, got 3; use 4"),
        ("checkerboard:fields=0", "fields must be at least 2"),
        ("spiral:turns=0", "turns must be finite and > 0"),
        ("swiss-roll:turns=nan", "turns must be finite and > 0, got nan"),
        ("gaussians:modes=0", "modes must be at least 1, got 0"),
        ("spiral:n=1", "n must be at least 2, got 1"),
    ],
)
def test_wrong_options_are_refused(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(spec)


def test_asking_for_more_than_n_names_the_option() -> None:
    with pytest.raises(ValueError, match=r"50 samples asked, but moons:n=20 has 20; .*or set n=50"):
        load("moons:n=20", n_samples=50)
