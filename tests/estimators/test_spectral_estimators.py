"""Scores from features and a linear solve, against the laws that they must reproduce."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from scorelens.core.filters import MinimumNorm, Ridge, SpectralCutoff
from scorelens.estimators import (
    DiagonalGaussian,
    Empirical,
    EnergyScore,
    FieldScore,
    Gaussian,
    TimeSeparableScore,
    WeightScore,
    features,
    load,
    save,
)
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.features import Hermite, base
from scorelens.estimators.spectral import (
    AffineRule,
    BinsRule,
    Exact,
    Filtered,
    FourierRule,
    HermiteRule,
    MonomialRule,
    NoiseLevel,
    Penalized,
    ResponsibilitiesRule,
    Roughness,
)

MIXING = np.array([[1.4, 0.3, 0.0], [0.0, 0.5, -0.2], [0.0, 0.0, 0.9]])
SIGMAS = (0.1, 0.5, 2.0, 9.0)


def correlated(n=40, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 3)) @ MIXING + [1.0, -2.0, 0.5]


def mixture(n, seed=0):
    generator = np.random.default_rng(seed)
    centers = np.array([[-1.5, 0.0], [1.2, 0.8]])[generator.integers(0, 2, n)]
    return centers + 0.4 * generator.standard_normal((n, 2))


def noised(data, sigma, n=8):
    clean = torch.tensor(data[:n])
    return clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize(
    "estimator",
    [
        EnergyScore(features=HermiteRule(2), solver=Exact(), sigmas=SIGMAS),
        EnergyScore(features=MonomialRule(2), solver=Exact(), sigmas=SIGMAS),
        EnergyScore(features=MonomialRule(2), solver=Filtered(MinimumNorm()), sigmas=SIGMAS),
        WeightScore(features=AffineRule(), sigmas=SIGMAS),
        WeightScore(features=HermiteRule(1, constant=True), sigmas=SIGMAS),
    ],
    ids=["hermite", "monomials", "minimum-norm", "affine", "linear-hermite"],
)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_quadratic_energies_and_affine_scores_are_the_wiener_filter(estimator, sigma):
    """[S5], [S6]: the best such score is that of the Gaussian with the data's mean and covariance."""
    data = correlated()
    denoiser, wiener, x = estimator.fit(data), Gaussian().fit(data), noised(data, sigma)
    torch.testing.assert_close(denoiser(x, sigma), wiener(x, sigma), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize(("frame", "limit"), [("principal", Gaussian()), ("coordinates", DiagonalGaussian())])
@pytest.mark.parametrize("n", [40, 3])
def test_waves_penalised_away_leave_the_gaussian_of_the_frame(n, frame, limit, sigma):
    """[S19]: the coordinates and squares are free, along the axes of the frame, whatever n."""
    data = correlated(n)
    denoiser = EnergyScore(solver=Penalized(1e10), sigmas=SIGMAS, frame=frame).fit(data)
    x, gaussian = noised(data, sigma), limit.fit(data)
    torch.testing.assert_close(denoiser(x, sigma), gaussian(x, sigma), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_few_waves_add_nothing_to_a_gaussian_law(sigma):
    """The law of the sample is Gaussian up to one over the root of its size, about 0.01."""
    data = correlated(20000)
    x, wiener = noised(data, sigma, 200), Gaussian().fit(data)(noised(data, sigma, 200), sigma)
    away = {}
    for frame in ("principal", "coordinates"):
        estimator = EnergyScore(
            features=FourierRule(n_random=4), solver=Exact(), sigmas=(sigma,), frame=frame
        )
        error = (estimator.fit(data)(x, sigma) - wiener).square().mean()
        away[frame] = float((error / (wiener - wiener.mean(0)).square().mean()).sqrt())
    assert away["principal"] < 0.005
    assert away["coordinates"] > 20 * away["principal"]


def test_the_default_explains_images_no_worse_than_a_gaussian():
    images = torch.tensor(load_digits().data[:1000] / 8 - 1)
    generator, sigmas = torch.Generator().manual_seed(0), (0.2, 0.8, 3.2)
    noise = torch.randn(images.shape, generator=generator, dtype=torch.float64)
    energy, gaussian = EnergyScore(sigmas=sigmas).fit(images), Gaussian().fit(images)
    along_pixels = EnergyScore(sigmas=sigmas, frame="coordinates").fit(images)
    for sigma in sigmas:
        x = images + sigma * noise
        left = [float((one(x, sigma) - images).square().sum()) for one in (energy, gaussian, along_pixels)]
        assert left[0] < left[1] * (1 + 1e-3)
        assert left[2] > left[1] * 1.05


def test_the_frame_is_orthonormal_and_kept():
    for n in (4, 40):
        data = np.random.default_rng(1).standard_normal((n, 6)) * np.linspace(0.1, 2, 6)
        denoiser = WeightScore(sigmas=SIGMAS).fit(data)
        torch.testing.assert_close(denoiser.frame.T @ denoiser.frame, torch.eye(6).double())
        shares = denoiser.frame.T @ torch.tensor(np.cov(data.T, bias=True)) @ denoiser.frame
        torch.testing.assert_close(shares, denoiser.variances.diag(), rtol=1e-10, atol=1e-12)
        assert (denoiser.frame.amax(0) >= -denoiser.frame.amin(0)).all()


def test_a_frame_that_does_not_fit_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(base, "LARGEST_ARRAY", 8 * 50**2 - 1)
    data = np.random.default_rng(0).standard_normal((9, 50))
    with pytest.raises(
        ValueError, match=r"principal axes would take 19.5 KiB \(50 x 50.*frame=\"coordinates\""
    ):
        EnergyScore().fit(data)
    with pytest.raises(ValueError, match="unknown frame 'pca'"):
        EnergyScore(frame="pca")
    with pytest.raises(ValueError, match="unknown frame 'principal'; choose from coordinates"):
        FieldScore(frame="principal")


@pytest.mark.parametrize("estimator", [EnergyScore(sigmas=SIGMAS), WeightScore(sigmas=SIGMAS)])
def test_above_the_table_it_fades_to_the_gaussian(estimator):
    data = correlated()
    denoiser, wiener = estimator.fit(data), Gaussian().fit(data)
    for sigma in (90.0, 900.0):
        x = noised(data, sigma)
        error = (denoiser(x, sigma) - wiener(x, sigma)).abs().max()
        assert error < 10 / sigma


def test_between_levels_the_predicted_noise_is_interpolated():
    data = correlated()
    wiener, x = Gaussian().fit(data), noised(data, 0.6)
    errors = []
    for n_levels in (5, 9, 17):
        sigmas = tuple(np.geomspace(0.1, 9.0, n_levels))
        denoiser = EnergyScore(features=HermiteRule(2), solver=Exact(), sigmas=sigmas).fit(data)
        errors.append(float((denoiser(x, 0.65) - wiener(x, 0.65)).abs().max()))
    assert errors[0] / errors[2] > 8  # second order in the step: 16 in the limit
    assert errors[2] < 0.02


def test_below_the_table_the_score_is_kept():
    data = correlated()
    denoiser = EnergyScore(features=HermiteRule(2), solver=Exact(), sigmas=SIGMAS).fit(data)
    x = noised(data, 0.1)
    torch.testing.assert_close(denoiser.score(x, 1e-3), denoiser.score(x, 0.1), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("member", "matching"), [(EnergyScore, "implicit"), (EnergyScore, "sliced"), (WeightScore, "implicit")]
)
def test_draws_tend_to_the_exact_average(member, matching):
    """[S16]: the same population equations; the error falls as one over the root of the draws."""
    data, errors = mixture(15), []
    settings = {
        "features": HermiteRule(3, constant=member is WeightScore),
        "solver": Exact(),
        "sigmas": (0.8,),
    }
    exact, x = member(**settings).fit(data), noised(data, 0.8, n=15)
    for repeats in (20, 2000):
        drawn = [member(**settings, matching=matching, repeats=repeats, seed=n).fit(data) for n in range(4)]
        missed = torch.stack([one(x, 0.8) - exact(x, 0.8) for one in drawn])
        errors.append(float(missed.square().mean().sqrt()))
    assert errors[1] < errors[0] / 4
    assert errors[1] < 0.05


@pytest.mark.parametrize("matching", ["implicit", "sliced"])
def test_the_exact_system_is_that_of_draws_within_its_standard_error(matching):
    level = NoiseLevel(mixture(25) / 1.3, alpha=0.8, std=0.6)
    waves = FourierRule(degree=2, period=6.0)(2)
    exact = EnergyScore().equations(waves, level)
    matrices, vectors = [], []
    for seed in range(20):
        estimator = EnergyScore(matching=matching, repeats=40, seed=seed)
        drawn = estimator.equations(waves, level)
        matrices.append(drawn.matrix)
        vectors.append(drawn.vector)
    for found, expected in ((np.array(matrices), exact.matrix), (np.array(vectors), exact.vector)):
        error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
        z = (found.mean(axis=0) - expected) / (error + 1e-14)
        assert np.abs(z[error > 1e-12]).max() < 7  # Student's t of 19 degrees of freedom, some 700 entries
        assert np.median(error) < 0.02 * np.abs(expected).max()


def test_more_waves_tend_to_the_score_of_the_noised_samples():
    """[S17]: a dense basis memorises."""
    data, sigma = np.array([[-1.0], [0.1], [0.9], [1.6]]), 0.35
    x = torch.linspace(-1.6, 2.2, 60, dtype=torch.float64)[:, None]
    truth, errors = Empirical().fit(data).score(x, sigma), []
    for degree in (4, 8, 16):
        rule = FourierRule(degree=degree, period=8.0)
        denoiser = EnergyScore(features=rule, solver=Exact(), sigmas=(sigma,)).fit(data)
        errors.append(float((denoiser.score(x, sigma) - truth).square().mean().sqrt()))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] < 0.02 * float(truth.square().mean().sqrt())


def test_more_bins_tend_to_the_score_of_the_noised_samples():
    data, sigma = mixture(40)[:, :1], 0.5
    x = torch.linspace(-2.0, 2.0, 50, dtype=torch.float64)[:, None]
    truth, errors = Empirical().fit(data).score(x, sigma), []
    for n_bins in (8, 32, 128):
        denoiser = WeightScore(features=BinsRule(n_bins), sigmas=(sigma,)).fit(data)
        errors.append(float((denoiser.score(x, sigma) - truth).square().mean().sqrt()))
    assert errors[0] > 2.5 * errors[1] > 6 * errors[2]  # first order in the width


def test_the_energy_is_the_log_density_of_the_noised_gaussian():
    data, sigma = correlated(), 0.5
    denoiser = EnergyScore(features=HermiteRule(2), solver=Exact(), sigmas=SIGMAS).fit(data)
    x = noised(data, sigma)
    difference = denoiser.log_density_up_to_constant(x, sigma) - Gaussian().fit(data).log_prob(x, sigma)
    torch.testing.assert_close(difference, difference[:1].expand_as(difference), rtol=0, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.02, 0.3, 20.0, 200.0])
def test_the_energy_has_the_score_as_gradient_within_and_beyond_the_table(sigma):
    data = correlated()
    denoiser, x = EnergyScore(sigmas=SIGMAS).fit(data), noised(data, sigma).requires_grad_()
    (slope,) = torch.autograd.grad(denoiser.log_density_up_to_constant(x, sigma).sum(), x)
    torch.testing.assert_close(slope, denoiser.score(x.detach(), sigma), rtol=1e-8, atol=1e-10)


def test_the_jacobian_of_a_score_that_is_no_gradient():
    data = mixture(60)
    estimator = WeightScore(features=HermiteRule(2, constant=True), sigmas=(0.5, 1.0))
    denoiser, x = estimator.fit(data), noised(data, 0.7)
    found, step = denoiser.jacobian(x, 0.7), 1e-6
    for axis, unit in enumerate(torch.eye(2, dtype=torch.float64)):
        slope = (denoiser(x + step * unit, 0.7) - denoiser(x - step * unit, 0.7)) / (2 * step)
        torch.testing.assert_close(found[:, :, axis], slope, rtol=1e-7, atol=1e-8)
    assert (found - found.mT).abs().max() > 1e-3


def test_scores_need_no_gradients_of_their_caller():
    data = correlated()
    denoiser, x = EnergyScore(sigmas=SIGMAS).fit(data), noised(data, 0.5)
    expected = denoiser(x, 0.5), denoiser.jacobian(x, 0.5)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            found = denoiser(x, 0.5), denoiser.jacobian(x, 0.5)
        assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
        assert not any(value.requires_grad for value in found)


def test_implicit_matching_of_too_few_samples_is_refused_with_its_residual():
    """[S8]: more features than values leave the loss without a minimum."""
    data = mixture(3)
    estimator = EnergyScore(features=HermiteRule(4), solver=Exact(), sigmas=(0.4,), matching="implicit")
    with pytest.raises(
        ValueError, match=r"level 0\.4: .*rank 6 of 14 .*inconsistent: .*no minimum.*stays above \d"
    ):
        estimator.fit(data)
    for solver in (Filtered(MinimumNorm()), Filtered(Ridge(1e-3)), Penalized(1e-3, Roughness(1))):
        denoiser = EnergyScore(
            features=HermiteRule(4), solver=solver, sigmas=(0.4,), matching="implicit"
        ).fit(data)
        assert denoiser.bounded.tolist() == [0]
        assert denoiser.residuals[0] > 0.1
        assert (denoiser.normal_spectra[0] > 0).sum() == 6
    exact = EnergyScore(features=HermiteRule(4), solver=Exact(), sigmas=(0.4,)).fit(data)
    assert exact.bounded.tolist() == [1]
    assert exact.residuals[0] < 1e-8


def test_what_was_found_at_each_level_is_kept():
    data = correlated()
    solver = Filtered(SpectralCutoff(0.5))
    estimator = EnergyScore(features=HermiteRule(2), solver=solver, sigmas=SIGMAS, frame="coordinates")
    denoiser = estimator.fit(data)
    assert denoiser.normal_spectra.shape == (4, 9)
    assert (denoiser.normal_spectra.diff(dim=1) <= 0).all()
    scale = float(denoiser.scale)
    whole = np.hypot(scale, 0.5)
    points = (data - data.mean(0)) / scale
    equations = NormalEquations.denoising(Hermite.of_degree(3, 2), points, scale / whole, 0.5 / whole)
    assert denoiser.normal_spectra[1].numpy() == pytest.approx(equations.eigen.values, rel=1e-10)


@pytest.mark.parametrize(
    "estimator",
    [
        EnergyScore(features=MonomialRule(3)),
        EnergyScore(features=HermiteRule(3)),
        EnergyScore(features=FourierRule(2)),
        EnergyScore(features=FourierRule(n_random=3, quadratic=False)),
        WeightScore(features=BinsRule(5, constant=True), solver=Filtered()),
        TimeSeparableScore(features=HermiteRule(3), rates=(2.0, 4.0)),
    ],
)
def test_any_features_come_back_from_a_file(estimator, tmp_path):
    denoiser, x = estimator.fit(mixture(40)[:, :1]), noised(mixture(40)[:, :1], 0.7)
    save(denoiser, tmp_path / "fit.safetensors")
    loaded = load(tmp_path / "fit.safetensors")
    assert type(loaded.features) is type(denoiser.features)
    for sigma in (0.01, 0.7, 300.0):
        assert torch.equal(loaded(x, sigma), denoiser(x, sigma))


def test_features_that_are_not_registered_are_named_on_loading(tmp_path, monkeypatch):
    save(EnergyScore(features=HermiteRule(2)).fit(mixture(40)), tmp_path / "fit.safetensors")
    monkeypatch.setattr(features, "ALL", ())
    with pytest.raises(ValueError, match="unknown feature map 'hermite'"):
        load(tmp_path / "fit.safetensors")


@pytest.mark.parametrize("member", [EnergyScore, WeightScore])
def test_classes_are_found_in_the_frame_of_the_features(member, tmp_path):
    data = mixture(200) @ np.array([[0.8, -0.6], [0.6, 0.8]]) + 7.0
    rule = ResponsibilitiesRule(2, n_nodes=64)
    denoiser = member(features=rule, solver=Filtered(), sigmas=(0.3, 0.6)).fit(data)
    centers = denoiser.features.centers * float(denoiser.scale) @ denoiser.frame.numpy().T + data.mean(0)
    true = np.array([[-1.5, 0.0], [1.2, 0.8]]) @ np.array([[0.8, -0.6], [0.6, 0.8]]) + 7.0
    nearest = np.linalg.norm(true[:, None] - centers, axis=2)
    assert sorted(nearest.argmin(1)) == [0, 1]
    assert nearest.min(1).max() < 0.15
    assert denoiser.features.variances[0] * float(denoiser.scale) ** 2 == pytest.approx(0.16, rel=0.2)
    save(denoiser, tmp_path / "fit.safetensors")
    x = noised(data, 0.5)
    assert torch.equal(load(tmp_path / "fit.safetensors")(x, 0.5), denoiser(x, 0.5))


def test_the_seed_decides_the_classes_and_too_many_are_refused():
    points = np.random.default_rng(2).standard_normal((60, 4))
    first, again, other = (ResponsibilitiesRule(6, seed)(points).centers for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    with pytest.raises(ValueError, match="different events must be at least 6, got 5; take fewer classes"):
        ResponsibilitiesRule(6)(np.repeat(points[:5], 3, axis=0))
    with pytest.raises(ValueError, match="n_classes must be at least 2"):
        ResponsibilitiesRule(1)
