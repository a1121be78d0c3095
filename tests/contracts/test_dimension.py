"""Every estimator of dimension finds what was planted; registering one buys these tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.analysis.planted import exact_denoiser, planted
from scorelens.core.denoiser import per_sample
from scorelens.core.processes import FlowMatching, VariancePreserving
from scorelens.data import load
from scorelens.estimators import FittedDenoiser
from scorelens.geometry import dimension
from scorelens.geometry.dimension import STATUSES, DimensionEstimator

MEMBERS = {cls.name: cls() for cls in dimension.ALL}
every_member = pytest.mark.parametrize("name", MEMBERS)
# Noise well below curvature; subspaces have none, and components of a mixture are seen apart.
PLANTED = {
    "subspace:dim=3,ambient=10": 0.05,
    "subspace:dim=20,ambient=60": 0.02,
    "sphere:dim=1,ambient=3": 0.05,
    "sphere:dim=6,ambient=20": 0.02,
    "torus:dim=2,ambient=8": 0.05,
    "torus:dim=5,ambient=12": 0.03,
    "rolled-sheet:dim=2,ambient=5": 0.01,
    "molrg:components=3,dim=4,ambient=20": 0.02,
}


def points(spec: str, n: int = 3) -> torch.Tensor:
    """Points inside the manifold: a sheet has borders, where half of a neighbourhood is missing."""
    source = planted(spec)
    x = torch.from_numpy(load(spec, n_samples=200, seed=2)[:]).double()
    if source.name == "rolled-sheet":
        flat = x @ torch.from_numpy(source.frames(2)[0])
        radius = flat[:, :2].norm(dim=1)
        x = x[(radius > 0.45) & (radius < 0.9) & (flat[:, 2:].abs() < 0.8).all(1)]
    return x[:n]


@every_member
@pytest.mark.parametrize("spec", PLANTED)
def test_the_planted_dimension_is_found(name: str, spec: str) -> None:
    denoiser, sigma = exact_denoiser(spec, seed=2), PLANTED[spec]
    found = MEMBERS[name].at(denoiser, points(spec), sigma)
    assert np.abs(found.value - planted(spec).dim).max() <= 0.1 * planted(spec).dim
    assert (found.standard_error >= 0).all()
    assert found.standard_error.max() <= 0.1 * planted(spec).dim


@every_member
def test_two_dimensions_in_one_data_set_are_told_apart(name: str) -> None:
    from scorelens.estimators import MixtureDenoiser

    line, block = np.eye(12)[:, :1], np.eye(12)[:, 4:9]
    denoiser = MixtureDenoiser.of_subspaces([0.5, 0.5], [line, block], [np.ones(1), np.ones(5)])
    x = torch.zeros(2, 12, dtype=torch.float64)
    x[0, 0], x[1, 4:9] = 1.0, torch.tensor([0.5, -1.0, 0.3, 0.8, -0.2])
    found = MEMBERS[name].at(denoiser, x, 0.02)
    np.testing.assert_allclose(found.value, [1, 5], rtol=0.05)


@every_member
def test_a_curve_is_read_where_it_rests(name: str) -> None:
    spec = "torus:dim=3,ambient=9"
    sigmas = np.geomspace(0.01, 3.0, 9)
    found = MEMBERS[name].estimate(exact_denoiser(spec, seed=2), points(spec, 2), sigmas[::-1])
    assert found.status == ("plateau", "plateau")
    np.testing.assert_allclose(found.value, 3, rtol=0.1)
    assert (found.sigma < 0.3).all()
    assert (found.drift <= 0.5).all()
    np.testing.assert_array_equal(found.curve.sigmas, sigmas)
    assert found.curve.value.shape == found.curve.standard_error.shape == (9, 2)
    assert found.curve.ambient == 9
    mean, error = found.overall()
    assert mean == pytest.approx(found.value.mean())
    assert error == pytest.approx(abs(found.value[0] - found.value[1]) / 2)


@every_member
def test_every_process_sees_the_same_dimension(name: str) -> None:
    spec = "sphere:dim=2,ambient=4"
    denoiser, x, member = exact_denoiser(spec, seed=2), points(spec, 2), MEMBERS[name]
    expected = member.at(denoiser, x, 0.1).value
    for process in (VariancePreserving(), FlowMatching()):
        found = member.at_time(denoiser, x, process, float(process.time(0.1)))
        np.testing.assert_allclose(found.value, expected, atol=1e-6)


@every_member
def test_events_of_any_shape(name: str) -> None:
    flat = exact_denoiser("subspace:dim=2,ambient=8", seed=2)

    class AsImages(torch.nn.Module):
        def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            return flat(x.flatten(1), per_sample(sigma, x)).reshape(x.shape)

        def log_prob(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return flat.log_prob(x.flatten(1), sigma)

    images = points("subspace:dim=2,ambient=8").reshape(-1, 2, 2, 2)
    np.testing.assert_allclose(MEMBERS[name].at(AsImages(), images, 0.05).value, 2, atol=0.1)


@every_member
def test_a_denoiser_without_derivatives_is_measured_by_differences(name: str) -> None:
    class Closed(torch.nn.Module):
        """As a model behind NumPy: no gradient passes."""

        def __init__(self, inner: FittedDenoiser) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(self.inner(x, sigma).detach().numpy().copy())

        def log_prob(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return self.inner.log_prob(x, sigma)

    spec = "sphere:dim=2,ambient=4"
    found = MEMBERS[name].at(Closed(exact_denoiser(spec, seed=2)), points(spec, 2), 0.05)
    np.testing.assert_allclose(found.value, 2, atol=0.1)


@every_member
def test_bad_input_is_refused(name: str) -> None:
    denoiser, member = exact_denoiser("sphere:dim=1,ambient=3", seed=2), MEMBERS[name]
    x = points("sphere:dim=1,ambient=3")
    for sigma in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="sigma must be finite and > 0"):
            member.at(denoiser, x, sigma)
    with pytest.raises(ValueError, match=r"x must have shape \(batch, 3\)"):
        member.at(denoiser, x[:, :2], 0.1)
    with pytest.raises(ValueError, match=r"one point is x\[None\]"):
        member.at(denoiser, x[0], 0.1)
    with pytest.raises(TypeError, match="x must be a tensor, got ndarray"):
        member.at(denoiser, x.numpy(), 0.1)
    with pytest.raises(ValueError, match="x holds 1 non-finite"):
        member.at(denoiser, torch.where(x == x[0, 0], torch.nan, x)[:1], 0.1)
    with pytest.raises(ValueError, match=r"sigmas must span a factor of at least 3, got 0\.1 to 0\.2"):
        member.estimate(denoiser, x, [0.1, 0.2])


@every_member
def test_facts(name: str) -> None:
    member = MEMBERS[name]
    assert isinstance(member, DimensionEstimator)
    for fact in (member.reference, member.equation, member.assumes):
        assert fact
    assert len(MEMBERS) == len(dimension.ALL)
    assert all(STATUSES.values())
