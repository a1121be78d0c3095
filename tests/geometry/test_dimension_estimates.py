"""What sets the estimators of dimension apart: processes, probes, exact curves, and where each fails."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from scorelens.analysis.planted import exact_denoiser
from scorelens.core import processes
from scorelens.core.parametrization import Score, predict
from scorelens.data import load
from scorelens.estimators import EmpiricalDenoiser, Gaussian
from scorelens.geometry.dimension import Flipd, JacobianRank, Knee, LikelihoodSlope, NormalBundle, Plateau
from scorelens.geometry.dimension.normal_bundle import singular_values


def points(spec: str, n: int = 2) -> torch.Tensor:
    return torch.from_numpy(load(spec, n_samples=9, seed=1)[:]).double()[:n]


@pytest.mark.parametrize("cls", processes.ALL, ids=lambda cls: cls.name)
@pytest.mark.parametrize("sigma", [0.1, 0.8])
def test_flipd_is_the_published_formula_in_every_process(cls: type, sigma: float) -> None:
    # d + std^2 (tr grad s_t + |s_t|^2) at alpha x, with the score s_t of the process's own x_t
    process, spec = cls(), "sphere:dim=2,ambient=4"
    denoiser, x = exact_denoiser(spec, seed=1), points(spec)
    time = float(process.time(sigma))
    at = process.coefficients(time)
    alpha, std = float(at.alpha), float(at.std)

    def own_score(x_t: torch.Tensor) -> torch.Tensor:
        return predict(denoiser, x_t[None], process, time, Score())[0]

    expected = [
        4
        + std**2
        * float(torch.func.jacrev(own_score)(alpha * p).trace() + own_score(alpha * p).square().sum())
        for p in x
    ]
    found = Flipd().at_time(denoiser, x, process, time)
    np.testing.assert_allclose(found.value, expected, rtol=1e-8)
    np.testing.assert_allclose(Flipd().at(denoiser, x, sigma).value, expected, rtol=1e-8)


def test_flipd_of_a_gaussian_at_any_noise() -> None:
    # N(0, C): sum_k lambda / (lambda + s^2) + s^2 z_k^2 / (lambda + s^2)^2, mode by mode
    variances = np.array([4.0, 1.0, 0.01, 0.0])
    data = np.concatenate([np.eye(4), -np.eye(4)]) * np.sqrt(4 * variances)
    denoiser = Gaussian().fit(data)
    x = torch.tensor([[1.0, -2.0, 0.1, 0.0]], dtype=torch.float64)
    for sigma in (0.01, 0.3, 5.0):
        noisy = variances + sigma**2
        expected = (variances / noisy + sigma**2 * x[0].numpy() ** 2 / noisy**2).sum()
        assert Flipd().at(denoiser, x, sigma).value[0] == pytest.approx(expected, rel=1e-9)
        slope = LikelihoodSlope().at(denoiser, x, sigma)
        assert abs(slope.value[0] - expected) < max(5 * slope.standard_error[0] * 0.1, 1e-6)


@pytest.mark.parametrize("method", ["hutchinson", "xtrace"])
def test_the_error_of_the_probes_is_honest(method: str) -> None:
    spec = "sphere:dim=30,ambient=90"  # the rank well above the basis that 16 products make
    denoiser, x = exact_denoiser(spec, seed=1), points(spec, 1)
    exact = Flipd(trace="exact").at(denoiser, x, 0.2)
    assert exact.standard_error[0] == 0
    found = [Flipd(trace=method, n_applied=16, seed=seed).at(denoiser, x, 0.2) for seed in range(12)]
    values, errors = (np.array([getattr(f, n)[0] for f in found]) for n in ("value", "standard_error"))
    z = (values - exact.value[0]) / errors
    assert np.abs(z).max() < 6  # t law of few degrees of freedom
    assert np.abs(z).mean() > 0.1
    assert errors.max() < 0.2 * exact.value[0]


def test_a_memorised_set_is_points_below_its_spacing_and_the_manifold_above() -> None:
    x = torch.from_numpy(load("sphere:dim=1,ambient=3,n=2000", seed=1)[:]).double()
    empirical = EmpiricalDenoiser((3,), x)  # spacing 2 pi / 2000 = 0.003
    flipd = Flipd()
    np.testing.assert_allclose(flipd.at(empirical, x[:3], 1e-5).value, 0, atol=1e-6)
    np.testing.assert_allclose(flipd.at(empirical, x[:3], 0.1).value, 1, atol=0.15)
    below = flipd.estimate(empirical, x[:1], np.geomspace(1e-6, 1e-5, 5))
    assert below.status == ("point",)
    over = flipd.estimate(empirical, x[:3], np.geomspace(1e-5, 10, 20))
    assert set(over.status) == {"plateau"}
    np.testing.assert_allclose(over.value, 1, atol=0.15)


def test_a_denoiser_that_removes_nothing_sees_the_ambient_dimension() -> None:
    found = Flipd().estimate(lambda x, sigma: 1.0 * x, points("sphere:dim=1,ambient=5"), [0.01, 0.03, 0.1])
    assert found.status == ("ambient", "ambient")
    np.testing.assert_allclose(found.value, 5)


def test_singular_values_of_the_normal_bundle() -> None:
    spec = "subspace:dim=3,ambient=30"
    values = singular_values(exact_denoiser(spec, seed=1), points(spec, 1), 0.01, 6000)
    assert np.abs(values[:27] - 1).max() < 2.5 * np.sqrt(30 / 6000)
    assert values[27:].max() < 0.05  # s = sigma / (1 + sigma^2) along the subspace


def test_the_normal_bundle_is_lost_where_noise_meets_the_curvature() -> None:
    spec = "sphere:dim=1,ambient=3"
    denoiser, x = exact_denoiser(spec, seed=1), points(spec)
    assert (NormalBundle().at(denoiser, x, 0.02).value == 1).all()
    assert (NormalBundle().at(denoiser, x, 2.0).value == 0).all()  # all three directions lead back


def test_ranks_agree_on_a_projection_and_differ_by_their_definition() -> None:
    spec = "subspace:dim=40,ambient=60"
    denoiser, x = exact_denoiser(spec, seed=1), points(spec, 1)
    found = {
        rank: JacobianRank(rank=rank).at(denoiser, x, 1e-3).value[0]
        for rank in ("trace", "entropy", "participation", "energy")
    }
    # the energy rank keeps 0.99 of the norm: 0.9801 of 40 equal squares are 39.2, so the 40th is needed
    assert found == pytest.approx({"trace": 40, "entropy": 40, "participation": 40, "energy": 40}, rel=1e-4)
    assert JacobianRank(rank="energy", eta=0.9).at(denoiser, x, 1e-3).value[0] == 33
    assert math.isnan(JacobianRank(n_draws=1).at(denoiser, x, 0.1).standard_error[0])
    assert JacobianRank(at_clean=True).at(denoiser, x, 0.1).standard_error[0] == 0


def test_the_slope_takes_any_log_density() -> None:
    spec = "subspace:dim=2,ambient=5"
    denoiser, x = exact_denoiser(spec, seed=1), points(spec)
    given = LikelihoodSlope(log_density=denoiser.log_prob)
    np.testing.assert_allclose(given.at(lambda x, s: x, x, 0.01).value, 2, atol=1e-2)
    with pytest.raises(TypeError, match="knows no log density of its own; give log_density"):
        LikelihoodSlope().at(lambda x, s: x, x, 0.01)
    with pytest.raises(ValueError, match=r"log_density must return shape \(2,\), got \(2, 5\)"):
        LikelihoodSlope(log_density=lambda x, s: x).at(denoiser, x, 0.01)


def test_plateaus_and_knees() -> None:
    sigmas = np.geomspace(0.01, 1, 9)
    falling = np.array([50, 30, 12, 6.2, 6.0, 5.9, 5.5, 4.0, 2.0])
    assert Plateau().read(sigmas, falling, 50).value == pytest.approx(6.03, abs=0.02)
    bent = np.array([50, 30, 8, 6.2, 6.0, 5.9, 5.5, 4.0, 2.0])
    assert Knee().read(sigmas, bent, 50)[:2] == pytest.approx((8, sigmas[2]))
    assert Knee().read(sigmas, falling[::-1], 50).status == "no knee"
    steep = 50 * sigmas**-1.0
    assert Plateau().read(sigmas, steep, 10**6).status == "no plateau"
    assert Plateau().read(sigmas, np.full(9, np.nan), 50).status == "not finite"
    some = falling.copy()
    some[0] = np.nan
    assert Plateau().read(sigmas, some, 50).status == "plateau"
    assert Plateau().read(sigmas, np.zeros(9), 50).status == "point"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Plateau(span=1.0), "give a factor above 1"),
        (lambda: Flipd(trace="magic"), "unknown trace 'magic'"),
        (lambda: Flipd(n_applied=1), "n_applied must be at least 2"),
        (lambda: NormalBundle(draws_per_dim=1), "draws_per_dim must be at least 2, got 1"),
        (lambda: JacobianRank(rank="nuclear"), "unknown rank 'nuclear'; choose from trace"),
        (lambda: LikelihoodSlope(step=0), "step must be finite and > 0"),
    ],
)
def test_wrong_settings_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
