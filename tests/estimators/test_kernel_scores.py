"""Kernel score estimators: equivalences, symmetries, accuracy, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from scorelens.core import filters
from scorelens.estimators.kernel import (
    KERNELS,
    SCORES,
    FilteredScore,
    KernelScoreEstimator,
    LandweberScore,
    NuMethodScore,
    NystromScore,
    SpectralCutoffScore,
    SteinScore,
    TikhonovScore,
    operator,
    tikhonov,
)
from scorelens.estimators.kernel.kernels import kernel

every_kernel = pytest.mark.parametrize("name", KERNELS)
every_score = pytest.mark.parametrize("member", SCORES, ids=lambda member: member.name)
curl_free = pytest.mark.parametrize("name", [name for name in KERNELS if name.startswith("curl-free")])


def gaussian(n: int, dim: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dim))


def settings(member: type[KernelScoreEstimator], name: str = "gaussian") -> KernelScoreEstimator:
    extra = {"n_landmarks": 20} if member is NystromScore else {}
    return member(kernel=name, **extra)


def close(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


@every_kernel
def test_tikhonov_is_the_dense_ridge_solution(name: str) -> None:
    # Written out for all queries as extra rows: f = -(1/ridge)(zeta - K (K/N + ridge)^-1 zeta(X) / N).
    x, query, ridge = gaussian(25), gaussian(6, seed=1), 0.02
    score = TikhonovScore(kernel=name, ridge=ridge, bandwidth=1.5).fit_score(x)
    gamma, z, q = kernel(name), torch.tensor(x) / 1.5, torch.tensor(query) / 1.5
    dense, rows = gamma.matrix(z, z).numpy() / 25, gamma.matrix(q, z).numpy() / 25
    drift, at_query = gamma.pack(gamma.drift(z, z)).numpy(), gamma.pack(gamma.drift(q, z)).numpy()
    solved = np.linalg.solve(dense + ridge * np.eye(len(dense)), drift)
    close(score(query), (-(at_query - rows @ solved) / ridge).reshape(6, 2) / 1.5)
    close(score(x), -solved.reshape(25, 2) / 1.5)  # (L + ridge) f = zeta at the samples


@every_kernel
def test_conjugate_gradients_are_the_direct_solution(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, query = gaussian(60), gaussian(6, seed=1)
    estimator = TikhonovScore(kernel=name, ridge=1e-3, tolerance=1e-12)
    direct = estimator.fit_score(x)(query)
    monkeypatch.setattr(tikhonov, "_DIRECT", 0)
    close(estimator.fit_score(x)(query), direct)
    monkeypatch.setattr(operator, "KEPT_BYTES", 0)
    close(estimator.fit_score(x)(query), direct)


@every_kernel
@pytest.mark.parametrize(
    ("iterative", "filter_"),
    [
        (LandweberScore(n_steps=37), filters.Landweber(step=1.0, n_steps=37)),
        (NuMethodScore(n_steps=9, nu=1.0), filters.NuMethod(step=1.0, n_steps=9, nu=1.0)),
        (NuMethodScore(n_steps=8, nu=2.5), filters.NuMethod(step=1.0, n_steps=8, nu=2.5)),
        (TikhonovScore(ridge=0.01), filters.Ridge(0.01)),
    ],
    ids=["landweber", "nu-1", "nu-2.5", "tikhonov"],
)
def test_iterations_are_filters_of_the_spectrum(name: str, iterative, filter_) -> None:
    x, query = gaussian(40), gaussian(6, seed=1)
    member = type(iterative)(**{**vars(iterative), "kernel": name})
    close(member.fit_score(x)(query), FilteredScore(kernel=name, filter=filter_).fit_score(x)(query), 1e-7)


@every_kernel
def test_many_landweber_steps_are_gradient_flow(name: str) -> None:
    x, query = gaussian(30), gaussian(6, seed=1)
    flow = FilteredScore(kernel=name, filter=filters.GradientFlow(40.0)).fit_score(x)(query)
    fine = filters.Landweber(step=40.0 / 40_000, n_steps=40_000)
    close(FilteredScore(kernel=name, filter=fine).fit_score(x)(query), flow, 2e-3)


def test_nu_steps_reach_as_far_as_their_square_of_landweber_steps() -> None:
    x = gaussian(200)

    def reach(estimator: KernelScoreEstimator) -> float:
        return float(estimator.fit_score(x).drift_weight)  # the filter at eigenvalue 0

    assert reach(LandweberScore(n_steps=60)) == 60
    assert reach(NuMethodScore(n_steps=60)) / reach(NuMethodScore(n_steps=30)) == pytest.approx(4, rel=0.05)
    nu, near, far = (
        estimator.fit_score(x)(x)
        for estimator in (
            NuMethodScore(n_steps=12),
            LandweberScore(n_steps=82),
            LandweberScore(n_steps=12),
        )
    )
    assert np.abs(nu - near).mean() < 0.4 * np.abs(nu - far).mean()


@every_kernel
def test_stein_is_tikhonov_at_the_samples_and_has_least_norm_elsewhere(name: str) -> None:
    x, query = gaussian(30), gaussian(6, seed=1)
    stein = SteinScore(kernel=name, ridge=0.01).fit_score(x)
    tikhonov_score = TikhonovScore(kernel=name, ridge=0.01).fit_score(x)
    close(stein(x), tikhonov_score(x), 1e-6)
    assert stein.drift_weight == 0
    assert np.abs(stein(query) - tikhonov_score(query)).max() > 1e-6


def test_stein_is_the_published_linear_system() -> None:
    # Li & Turner (2018): G = -(K + eta I)^-1 <grad, K>, entry by entry.
    x, width, eta = gaussian(20, 3), 1.3, 0.4
    apart = x[:, None] - x[None]
    k = np.exp(-(apart**2).sum(-1) / (2 * width**2))
    gradients = (apart / width**2 * k[..., None]).sum(1)  # sum_m grad_{x_m} k(x_i, x_m)
    expected = -np.linalg.solve(k + eta * np.eye(20), gradients)
    close(SteinScore(bandwidth=width, ridge=eta / 20).fit_score(x)(x), expected, 1e-7)


def test_spectral_cutoff_is_the_published_algorithm() -> None:
    # Shi et al. (2018): eigenfunctions psi_j = sqrt(N) / lambda_j sum_m u_jm k(., x_m), beta_j = -mean grad.
    x, query, width, kept = gaussian(40), gaussian(5, seed=1), 1.4, 0.95
    k = np.exp(-((x[:, None] - x[None]) ** 2).sum(-1) / (2 * width**2))
    values, vectors = np.linalg.eigh(k)
    values, vectors = values[::-1], vectors[:, ::-1]
    n_kept = int(np.searchsorted(np.cumsum(values) / values.sum(), kept)) + 1
    apart = query[:, None] - x[None]
    at_query = np.exp(-(apart**2).sum(-1) / (2 * width**2))
    psi = np.sqrt(40) * at_query @ vectors[:, :n_kept] / values[:n_kept]
    gradients = -(x[:, None] - x[None]) / width**2 * k[..., None]
    beta = -np.sqrt(40) * np.einsum("nmi,mj->ji", gradients, vectors[:, :n_kept]) / 40
    beta /= values[:n_kept, None]
    close(SpectralCutoffScore(bandwidth=width, kept=kept).fit_score(x)(query), psi @ beta, 1e-8)


@every_kernel
def test_nystrom_with_all_points_is_the_full_estimate(name: str) -> None:
    x, query = gaussian(25), gaussian(6, seed=1)
    for filter_ in (filters.Ridge(0.01), filters.Landweber(step=1.0, n_steps=20)):
        landmarks = NystromScore(kernel=name, filter=filter_, n_landmarks=25).fit_score(x)
        close(landmarks(x), FilteredScore(kernel=name, filter=filter_).fit_score(x)(x), 1e-6)
    landmarks = NystromScore(kernel=name, filter=filters.Ridge(0.01), n_landmarks=25).fit_score(x)
    close(landmarks(query), SteinScore(kernel=name, ridge=0.01).fit_score(x)(query), 1e-5)


def test_few_landmarks_come_near_the_full_estimate() -> None:
    x = gaussian(1500)
    full = TikhonovScore().fit_score(x)(x)
    errors = [np.abs(NystromScore(n_landmarks=m).fit_score(x)(x) - full).mean() for m in (5, 20, 100)]
    assert errors[0] > 5 * errors[1] > 25 * errors[2]
    assert errors[2] < 0.01


@every_score
def test_the_error_falls_with_the_number_of_samples(member: type[KernelScoreEstimator]) -> None:
    query, errors = gaussian(400, seed=9), []
    late = {LandweberScore: LandweberScore(n_steps=400), NuMethodScore: NuMethodScore(n_steps=30)}
    estimator = late.get(member, settings(member))  # the bias of the settings must not hide the rate
    for n in (80, 640):
        seeds = range(4) if n == 80 else range(2)
        scores = [estimator.fit_score(gaussian(n, seed=seed))(query) for seed in seeds]
        errors.append(np.mean([((score + query) ** 2).mean() for score in scores]))
    assert errors[1] < 0.35 * errors[0]
    assert errors[1] < 0.05


@curl_free
def test_a_curl_free_estimate_is_the_gradient_of_its_energy(name: str) -> None:
    query = torch.tensor(gaussian(5, seed=1))
    for member in SCORES:
        score = settings(member, name).fit_score(gaussian(30))
        point = query.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(score.log_density(point).sum(), point)
        close(gradient.numpy(), score(query).numpy(), 1e-9)
        jacobian = torch.autograd.functional.jacobian(lambda e, s=score: s(e[None])[0], query[0])
        close(jacobian.numpy(), jacobian.mT.numpy(), 1e-9)


def test_a_diagonal_estimate_has_curl_and_no_energy() -> None:
    score = TikhonovScore().fit_score(gaussian(30))
    jacobian = torch.autograd.functional.jacobian(lambda e: score(e[None])[0], torch.tensor([0.3, -0.7]))
    assert abs(jacobian[0, 1] - jacobian[1, 0]) > 1e-3
    with pytest.raises(ValueError, match="take 'curl-free-gaussian'"):
        score.log_density(gaussian(3))


@every_kernel
@every_score
def test_rotations_shifts_and_scales_carry_over(member: type[KernelScoreEstimator], name: str) -> None:
    x, query, scale, shift = gaussian(40, 3), gaussian(6, 3, seed=1), 7.0, np.array([2.0, -1.0, 30.0])
    turn = np.linalg.qr(gaussian(3, 3, seed=2))[0]

    def moved(points: np.ndarray) -> np.ndarray:
        return scale * points @ turn.T + shift

    plain = settings(member, name).fit_score(x)(query)
    close(settings(member, name).fit_score(moved(x))(moved(query)), plain @ turn.T / scale, 1e-6)


@every_score
def test_arrays_and_tensors_give_the_same(member: type[KernelScoreEstimator]) -> None:
    x = gaussian(30)
    score, of_tensor = settings(member).fit_score(x), settings(member).fit_score(torch.tensor(x))
    assert isinstance(score(x), np.ndarray)
    assert isinstance(of_tensor(torch.tensor(x)), Tensor)
    np.testing.assert_array_equal(score(x), of_tensor(torch.tensor(x)).numpy())
    with pytest.raises(ValueError, match="x must have shape"):
        score(x[:, :1])


@every_score
def test_bad_samples_are_refused(member: type[KernelScoreEstimator]) -> None:
    x, estimator = gaussian(30), settings(member)
    with pytest.raises(ValueError, match="at least 2, got 1"):
        estimator.fit_score(x[:1])
    with pytest.raises(ValueError, match="duplicated samples"):
        estimator.fit_score(np.ones((30, 2)))
    with pytest.raises(ValueError, match="flatten the events"):
        estimator.fit_score(x.reshape(15, 2, 2))
    x[3, 1] = np.inf
    with pytest.raises(ValueError, match="non-finite"):
        estimator.fit_score(x)


def test_copies_are_no_hindrance_where_a_bandwidth_is_given() -> None:
    x = np.repeat(gaussian(20), 2, axis=0)
    once = TikhonovScore(bandwidth=1.0).fit_score(x[::2])(x)
    for member in (TikhonovScore, SteinScore):
        close(member(bandwidth=1.0).fit_score(x)(x), once, 1e-6)


def test_bad_settings_are_refused() -> None:
    x = gaussian(30)
    for member in (SteinScore, TikhonovScore):
        with pytest.raises(ValueError, match="ridge must be finite and > 0"):
            member(ridge=0.0)
    with pytest.raises(ValueError, match="kept must be in"):
        SpectralCutoffScore(kept=1.2)
    with pytest.raises(ValueError, match="n_steps must be at least 1"):
        LandweberScore(n_steps=0)
    with pytest.raises(ValueError, match="take fewer landmarks"):
        NystromScore(n_landmarks=31).fit_score(x)
    with pytest.raises(ValueError, match="unknown kernel"):
        TikhonovScore(kernel="laplace").fit_score(x)
    with pytest.raises(ValueError, match="did not reach a residual"):
        tikhonov.conjugate_gradients(
            lambda c: c * c.new_tensor([[1.0], [2.0]]), torch.ones(2, 1).double(), coupled=True, n_most=1
        )


@every_score
@pytest.mark.parametrize("bandwidth", [0.0, -1.0, float("nan"), float("inf")])
def test_a_bandwidth_out_of_range_is_refused_at_once(member: type[KernelScoreEstimator], bandwidth) -> None:
    with pytest.raises(ValueError, match="bandwidth must be finite and > 0"):
        member(bandwidth=bandwidth)


@every_score
def test_samples_that_are_all_the_same_are_refused_with_a_bandwidth_too(
    member: type[KernelScoreEstimator],
) -> None:
    with pytest.raises(ValueError, match="all 30 samples are the same and have no score"):
        member(bandwidth=1.0).fit_score(np.ones((30, 2)))
    with pytest.raises(ValueError, match="number of samples must be at least 2, got 1"):
        member(bandwidth=1.0).fit_score(np.ones((1, 2)))


def test_a_system_too_large_is_refused_with_its_size() -> None:
    with pytest.raises(ValueError, match=r"matrix of 15000 rows would be decomposed \(1\.8 GB\)"):
        SteinScore(kernel="curl-free-gaussian").fit_score(gaussian(1500, 10))
