"""A denoiser made of kernel scores at several noise levels."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from scorelens.estimators.kernel import (
    FilteredScore,
    KernelLevels,
    KernelLevelsDenoiser,
    KernelScoreEstimator,
    NystromScore,
    SpectralCutoffScore,
    SteinScore,
    TikhonovScore,
)
from scorelens.estimators.kernel.kernels import kernel

SCALES = torch.tensor([1.5, 0.4], dtype=torch.float64)
MEAN = torch.tensor([0.5, -1.0], dtype=torch.float64)
SIGMAS = (0.3, 0.6, 1.2, 2.4)


def data(n: int = 800) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(0).standard_normal((n, 2))) * SCALES + MEAN


@cache
def fitted(score: KernelScoreEstimator) -> KernelLevelsDenoiser:
    return KernelLevels(score=score, sigmas=SIGMAS).fit(data())


def wiener(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return MEAN + SCALES**2 / (SCALES**2 + sigma**2) * (x - MEAN)


@pytest.mark.parametrize("sigma", [0.3, 0.45, 1.0, 2.4, 4.0, 30.0])
@pytest.mark.parametrize(
    "score", [TikhonovScore(), SteinScore(), NystromScore(n_landmarks=60)], ids=lambda s: s.name
)
def test_it_comes_near_the_wiener_filter_between_and_beyond_its_levels(score, sigma: float) -> None:
    x = data()[:200] + sigma * torch.tensor(np.random.default_rng(1).standard_normal((200, 2)))
    denoised = fitted(score)(x, sigma)
    error = (denoised - wiener(x, sigma)).square().mean()
    spread = min(sigma, 1.0) ** 2
    assert error < 0.1 * spread


def test_at_a_level_it_is_the_score_of_samples_noised_to_it() -> None:
    x, query = data(100), data(100)[:5]
    denoiser = KernelLevels(score=TikhonovScore(), sigmas=(1.2, 0.3), seed=4).fit(x)
    noise = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(4))
    for sigma in (0.3, 1.2):
        score = TikhonovScore().fit_score(x + sigma * noise)
        torch.testing.assert_close(denoiser.score(query, sigma), score(query), rtol=1e-9, atol=1e-9)
    # Below the smallest level its score is kept.
    torch.testing.assert_close(denoiser.score(query, 0.01), denoiser.score(query, 0.3), rtol=1e-6, atol=1e-9)


def test_it_is_continuous_in_sigma() -> None:
    denoiser, x = KernelLevels(sigmas=SIGMAS).fit(data(100)), data(100)[:5]
    for sigma in SIGMAS:
        below, above = denoiser(x, sigma * (1 - 1e-9)), denoiser(x, sigma * (1 + 1e-9))
        torch.testing.assert_close(below, above, rtol=0, atol=1e-7)


def test_seeds_and_repeats_change_the_draws() -> None:
    x, query = data(50), data(50)[:5]
    first, other, more = (
        KernelLevels(sigmas=(0.5,), **extra).fit(x)(query, 0.5) for extra in ({}, {"seed": 1}, {"repeats": 3})
    )
    assert (first - other).abs().max() > 1e-3
    assert (first - more).abs().max() > 1e-3


def test_bad_levels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"score\.fit_score"):
        KernelLevels(sigmas=(0.0, 1.0))
    with pytest.raises(ValueError, match="once each"):
        KernelLevels(sigmas=(1.0, 1.0))
    with pytest.raises(ValueError, match="number of sigmas"):
        KernelLevels(sigmas=())
    with pytest.raises(ValueError, match="at least 2"):
        KernelLevels().fit(data(1))


@pytest.mark.parametrize(
    "score",
    [SteinScore(), SpectralCutoffScore(), FilteredScore(), SteinScore(kernel="curl-free-gaussian")],
    ids=lambda s: f"{s.name} {s.kernel}",
)
def test_spectra_are_those_of_the_kernel_matrix_at_every_level(score: KernelScoreEstimator) -> None:
    denoiser = KernelLevels(score=score, sigmas=(0.3, 1.2)).fit(data(30))
    assert set(denoiser.state_dict()) >= {"normal_spectra", "ranks"}
    for level, spectrum in enumerate(denoiser.normal_spectra):
        points = denoiser.level(level).centers
        matrix = kernel(score.kernel).matrix(points, points) / len(points)
        np.testing.assert_allclose(spectrum, torch.linalg.eigvalsh(matrix).flip(0), atol=1e-14)
        assert spectrum.sum() == pytest.approx(float(matrix.trace()))


def test_the_rank_is_what_the_filter_used() -> None:
    cut, nystrom = SpectralCutoffScore(kept=0.9), NystromScore(n_landmarks=40, bandwidth=3.0)
    found = KernelLevels(score=cut, sigmas=(0.3, 1.2)).fit(data(60))
    shares = found.normal_spectra.cumsum(1) / found.normal_spectra.sum(1, keepdim=True)
    assert found.ranks.tolist() == ((shares < 0.9).sum(1) + 1).tolist()
    smooth = KernelLevels(score=nystrom, sigmas=(0.1, 2.4)).fit(data(60))
    assert (smooth.normal_spectra[0] == 0).any()  # the smoother level has fewer independent functions
    assert smooth.ranks.tolist() == (smooth.normal_spectra > 1e-13).sum(1).tolist()


def test_methods_that_form_no_spectrum_pay_for_none() -> None:
    denoiser = KernelLevels(score=TikhonovScore(), sigmas=(0.3,)).fit(data(30))
    assert "normal_spectra" not in denoiser.state_dict()
