"""The second derivatives of a mixture's log density keep their digits at small noise."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import torch

from scorelens.core.processes import VariancePreserving
from scorelens.estimators import MixtureDenoiser

RNG = np.random.default_rng(3)
D = 4
RANKS = (1, 2, 4)
WEIGHTS = np.array([0.5, 0.3, 0.2])
BASES = [np.linalg.qr(RNG.standard_normal((D, rank)))[0] for rank in RANKS]
VARIANCES = [RNG.uniform(0.3, 4.0, rank) for rank in RANKS]
MEANS = RNG.standard_normal((3, D)) / 3
COVARIANCES = np.stack([b * v @ b.T for b, v in zip(BASES, VARIANCES, strict=True)])
FORMS = {
    "covariances": MixtureDenoiser.of_covariances(WEIGHTS, MEANS, COVARIANCES),
    "subspaces": MixtureDenoiser.of_subspaces(WEIGHTS, BASES, VARIANCES, MEANS),
}
every_form = pytest.mark.parametrize("denoiser", FORMS.values(), ids=FORMS)


def exact_gradient(x: list, noise) -> list:
    """Score of the noised mixture from its definition, in the current precision."""
    top, bottom = mp.zeros(D, 1), mp.mpf(0)
    for weight, mean, basis, variances in zip(WEIGHTS, MEANS, BASES, VARIANCES, strict=True):
        u = mp.matrix(basis.tolist())
        noised = u * mp.diag([mp.mpf(float(v)) for v in variances]) * u.T + noise * mp.eye(D)
        centred = mp.matrix([a - mp.mpf(float(b)) for a, b in zip(x, mean, strict=True)])
        pull = -mp.lu_solve(noised, centred)
        share = mp.mpf(float(weight)) * mp.exp((centred.T * pull)[0] / 2) / mp.sqrt(mp.det(noised))
        top, bottom = top + share * pull, bottom + share
    return [v / bottom for v in top]


def exact_hessian(x: np.ndarray, sigma: float) -> np.ndarray:
    """By central differences of the score at 80 digits."""
    with mp.workdps(80):
        point, step = [mp.mpf(float(v)) for v in x], mp.mpf(10) ** -30
        noise, rows = mp.mpf(sigma) ** 2, []
        for i in range(D):
            ahead, behind = ([v + sign * step * (j == i) for j, v in enumerate(point)] for sign in (1, -1))
            pairs = zip(exact_gradient(ahead, noise), exact_gradient(behind, noise), strict=True)
            rows.append([float((a - b) / (2 * step)) for a, b in pairs])
        return np.array(rows)


# Below, rounding of a covariance without full rank is seen beside the variance of the noise.
@pytest.mark.parametrize(
    ("denoiser", "sigma"),
    [
        *((FORMS["subspaces"], s) for s in (1e-6, 1e-3)),
        *((f, s) for f in FORMS.values() for s in (0.1, 1.0, 30.0)),
    ],
)
def test_it_is_the_hessian_of_the_log_density(denoiser: MixtureDenoiser, sigma: float) -> None:
    on_the_line = MEANS[0] + 0.3 * BASES[0][:, 0]
    between = RNG.standard_normal(D)
    for x in (on_the_line + sigma * RNG.standard_normal(D), between):
        found = denoiser.score_hessian(torch.tensor(x[None]), sigma)[0].numpy()
        expected = exact_hessian(x, sigma)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


def test_where_the_noise_is_small_the_jacobian_has_lost_its_digits() -> None:
    # A component with a density everywhere: the Hessian is that of the clean data and J is I to rounding.
    denoiser = MixtureDenoiser.of_covariances([1.0], np.zeros((1, D)), np.diag([1.0, 2.0, 3.0, 4.0])[None])
    x, sigma = torch.tensor(RNG.standard_normal((1, D))), 1e-6
    expected = -torch.diag(1 / (torch.tensor([1.0, 2.0, 3.0, 4.0]).double() + sigma**2))[None]
    torch.testing.assert_close(denoiser.score_hessian(x, sigma), expected, rtol=1e-14, atol=0)
    from_jacobian = (denoiser.jacobian(x, sigma) - torch.eye(D)) / sigma**2
    assert (from_jacobian - expected).abs().max() > 1e-5


@every_form
@pytest.mark.parametrize("sigma", [0.3, 2.0])
def test_it_is_the_jacobian_less_one_over_the_noise_variance(denoiser: MixtureDenoiser, sigma: float) -> None:
    x = torch.tensor(RNG.standard_normal((6, D)))
    expected = (denoiser.jacobian(x, sigma) - torch.eye(D)) / sigma**2  # [P4]
    torch.testing.assert_close(denoiser.score_hessian(x, sigma), expected, rtol=1e-10, atol=1e-10)


def test_for_a_process_it_is_that_of_the_rescaled_point_over_alpha_squared() -> None:
    denoiser, process, time = FORMS["subspaces"], VariancePreserving(), 0.2
    alpha, sigma = float(process.alpha(time)), float(process.sigma(time))
    x_t, step = torch.tensor(RNG.standard_normal(D)), 1e-5

    def score(x: torch.Tensor) -> torch.Tensor:
        return denoiser.score((x / alpha)[None], sigma)[0] / alpha

    columns = [(score(x_t + step * e) - score(x_t - step * e)) / (2 * step) for e in torch.eye(D).double()]
    found = denoiser.score_hessian((x_t / alpha)[None], sigma)[0] / alpha**2
    torch.testing.assert_close(found, torch.stack(columns, 1), rtol=1e-6, atol=1e-6)
