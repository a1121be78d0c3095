"""The best density of noise levels: stated values, optimality, certificates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from scorelens.core.noise_level import NoiseLevelLaw
from scorelens.dynamics import (
    PreconditionedOneLayer,
    emergence_time,
    fastest_density,
    least_error_density,
)

EDM = PreconditionedOneLayer.edm()
QUANTILES = np.exp(1.5 * norm.ppf((np.arange(128) + 0.5) / 128))[::-1]
LOG_NORMAL = 0.25 * QUANTILES / QUANTILES.mean()
POWER = np.arange(1, 1025) ** -1.5
POWER = 0.25 * POWER / POWER.mean()


@pytest.mark.parametrize(("criterion", "stated"), [("geometric", 22.4), ("harmonic", 186.7), ("band", 477.1)])
def test_stated_times_of_the_log_normal_spectrum(criterion, stated):
    found = fastest_density(EDM, LOG_NORMAL, criterion=criterion, n_cells=400)
    assert found.flow_time == pytest.approx(stated, abs=0.06)
    usual = emergence_time(EDM, LOG_NORMAL, criterion=criterion)
    assert usual.flow_time[usual.emerged].max() > 1.3 * found.flow_time


def test_stated_time_of_a_thousand_modes():
    assert fastest_density(EDM, POWER, criterion="harmonic", n_cells=400).flow_time == pytest.approx(
        100.6, abs=0.06
    )


class _Tabulated(NoiseLevelLaw):
    """The found density as a noise-level law, constant in each cell."""

    name, reference = "tabulated", "test"

    def __init__(self, found, edges):
        self.found, self.edges = found, edges

    def density(self, log_sigma):
        cell = np.clip(
            np.searchsorted(self.edges, log_sigma, side="right") - 1, 0, self.found.density.size - 1
        )
        inside = (log_sigma >= self.edges[0]) & (log_sigma <= self.edges[-1])
        return np.where(inside, self.found.density[cell], 0.0)

    def log_sigma(self, normal):
        return normal

    @property
    def jumps(self):
        return tuple(self.edges)

    @property
    def support(self):
        return self.edges[0], self.edges[-1]


def test_all_modes_emerge_by_the_stated_time_under_the_law_itself():
    lam = np.array([100.0, 1.0, 0.01])
    found = fastest_density(EDM, lam, criterion="band")
    noise = _Tabulated(found, np.linspace(np.log(0.002), np.log(80.0), 201))
    times = emergence_time(PreconditionedOneLayer.edm(noise=noise), lam, criterion="band").flow_time
    assert times.max() == pytest.approx(found.flow_time, rel=1e-3)
    # The largest and the smallest mode hold the others back: the optimum balances them.
    assert (times > 0.99 * times.max()).sum() >= 2


def test_no_perturbed_density_is_faster():
    lam = np.array([8.0, 2.0, 0.5, 0.1, 0.02])
    found = fastest_density(EDM, lam, criterion="harmonic", n_cells=60)
    noise, rng = np.exp(2 * found.log_sigma), np.random.default_rng(0)
    width = found.log_sigma[1] - found.log_sigma[0]
    share = np.abs(2 * EDM.offset(lam[:, None], noise))
    rate = EDM.response(lam[:, None], noise)
    allowed = np.where(found.missing > 0, found.missing, np.inf)
    held_back = np.zeros(lam.size, bool)

    def missing(density, time):
        return width * (share * np.exp(-time * density * rate)).sum(axis=1)

    np.testing.assert_allclose(missing(found.density, found.flow_time), found.missing, rtol=1e-12)
    assert width * found.density.sum() == pytest.approx(1.0, rel=1e-12)
    # Only the modes that are just at their threshold constrain; find them by asking a little more of each.
    tighter = fastest_density(EDM, lam, criterion="harmonic", n_cells=60).missing
    held_back = tighter > 0
    for _ in range(40):
        wobble = found.density * np.exp(0.3 * rng.standard_normal(60)) + 0.01 * rng.random(60)
        wobble /= width * wobble.sum()
        assert np.any(missing(wobble, found.flow_time)[held_back] > allowed[held_back])


def test_least_error_is_water_filling():
    weight = np.full(128, 1 / 128)
    for time, stated, mean_level in ((10.0, 0.524, -0.95), (100.0, 0.0528, -1.90), (1000.0, 0.0007, -3.42)):
        found = least_error_density(EDM, LOG_NORMAL, weight, time, n_cells=400)
        assert weight @ found.missing == pytest.approx(stated, abs=6e-5 if time > 50 else 6e-4)
        width = found.log_sigma[1] - found.log_sigma[0]
        assert width * found.density.sum() == pytest.approx(1.0, rel=1e-12)
        assert width * (found.density * found.log_sigma).sum() == pytest.approx(mean_level, abs=6e-3)
        noise = np.exp(2 * found.log_sigma)
        rate = EDM.response(LOG_NORMAL[:, None], noise)
        share = np.abs(2 * EDM.offset(LOG_NORMAL[:, None], noise))
        value = weight @ (share * rate * np.exp(-time * found.density * rate))
        trained = found.density > 0
        np.testing.assert_allclose(value[trained], value[trained][0], rtol=1e-9)
        assert np.all(value[~trained] <= value[trained][0] * (1 + 1e-9))


def test_statuses_and_missing_modes():
    found = fastest_density(EDM, np.array([4.0, 0.26, 0.0, 1e6]), criterion="band")
    assert found.status.tolist() == ["constrained", "at start", "unreachable", "unreachable"]


def test_nearly_coinciding_modes_and_few_levels_settle():
    rng = np.random.default_rng(213)
    for n_cells in (20, 40):
        for _ in range(15):
            lam = 10 ** rng.uniform(-5, 3, 12)
            lam[1] = lam[0] * (1 + 1e-9)
            law = PreconditionedOneLayer.edm(10 ** rng.uniform(-1, 1))
            found = fastest_density(law, lam, criterion="geometric", n_cells=n_cells)
            assert np.isfinite(found.flow_time)


def test_one_assumed_variance_per_mode():
    lam, assumed = np.array([4.0, 0.5, 0.01]), np.array([2.0, 1.0, 0.02])
    together = fastest_density(PreconditionedOneLayer.spectral(assumed), lam, criterion="band")
    alone = [
        fastest_density(PreconditionedOneLayer.spectral(g), np.array([k]), criterion="band").flow_time
        for g, k in zip(assumed, lam, strict=True)
    ]
    assert max(alone) < together.flow_time < sum(alone) * 1.0001
    weight = np.array([1.0, 1.0, 0.0])
    weighted = least_error_density(PreconditionedOneLayer.spectral(assumed), lam, weight, 5.0)
    assert weighted.status.tolist() == ["weighted", "weighted", "ignored"]


def test_bad_input_is_refused():
    lam = np.array([1.0, 0.1])
    with pytest.raises(ValueError, match="zero output"):
        fastest_density(PreconditionedOneLayer.edm(initial_weight=0.1), lam)
    with pytest.raises(ValueError, match="no mode has anything to learn"):
        fastest_density(EDM, np.array([0.0]))
    with pytest.raises(ValueError, match="weight"):
        least_error_density(EDM, lam, np.zeros(2), 1.0)
    with pytest.raises(ValueError, match="weight"):
        least_error_density(EDM, lam, np.ones(3), 1.0)
    with pytest.raises(ValueError, match="no weighted mode"):
        least_error_density(PreconditionedOneLayer.spectral(lam), lam, np.ones(2), 1.0)
    with pytest.raises(ValueError, match="flow_time"):
        least_error_density(EDM, lam, np.ones(2), 0.0)
    with pytest.raises(ValueError, match="1-D"):
        fastest_density(EDM, lam[:, None])
    with pytest.raises(ValueError, match="n_cells"):
        fastest_density(EDM, lam, n_cells=1)
