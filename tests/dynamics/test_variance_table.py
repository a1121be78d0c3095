"""The interpolated table against exact values."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core.noise_level import LogNormal
from scorelens.core.sigma_grid import karras
from scorelens.dynamics import (
    AsymmetricTwoLayer,
    DeepLinear,
    ExactSampler,
    FullConvolution,
    HeunSampler,
    InfiniteDepth,
    OneLayer,
    PreconditionedOneLayer,
    SymmetricTwoLayer,
    log_variance_table,
)
from scorelens.dynamics.generation import variance_table
from scorelens.dynamics.generation.scaled_table import scaled_growth
from scorelens.dynamics.laws import relaxation

RNG = np.random.default_rng(3)
MODES = np.append(np.sort(10 ** RNG.uniform(-5, 2, 700))[::-1], 0.0)
TIMES = np.concatenate([[0.0], np.geomspace(1e-3, 1e6, 300)])
ASSUMED = np.maximum(MODES, 1e-4) * np.exp(0.3 * RNG.standard_normal(MODES.size))


@pytest.mark.parametrize(
    "sampler", [ExactSampler(), HeunSampler(karras(40, 0.002, 80.0))], ids=["exact", "heun"]
)
@pytest.mark.parametrize(
    ("law", "part"),
    [
        (PreconditionedOneLayer.edm(), PreconditionedOneLayer.edm()),
        (PreconditionedOneLayer.edm(1.0, LogNormal(-0.4, 1.0), initial_weight=0.3),) * 2,
        (OneLayer(0.2), OneLayer(0.2)),
        (PreconditionedOneLayer.spectral(ASSUMED), PreconditionedOneLayer.spectral(ASSUMED[::23])),
    ],
    ids=["edm", "edm-disturbed", "one-layer", "spectral"],
)
def test_table_is_within_its_tolerance_everywhere(law, part, sampler):
    table = log_variance_table(law, MODES, TIMES, sampler=sampler)
    assert table.shape == (301, 701)
    exact = sampler.log_variance(part, MODES[::23], TIMES[::7, None])
    assert np.abs(table[::7, ::23] - exact).max() < 2e-9


def test_a_loose_tolerance_is_looser_and_still_kept():
    law = PreconditionedOneLayer.edm()
    exact = ExactSampler().log_variance(law, MODES[::23], TIMES[::7, None])
    loose = np.abs(log_variance_table(law, MODES, TIMES, tolerance=1e-3)[::7, ::23] - exact).max()
    assert 1e-12 < loose < 1e-3


def test_large_tables_evaluate_few_entries(monkeypatch):
    evaluated = 0
    growth = relaxation.RelaxationTrajectory.growth

    def counted(self, flow_time):
        nonlocal evaluated
        found = growth(self, flow_time)
        evaluated += found.size
        return found

    monkeypatch.setattr(relaxation.RelaxationTrajectory, "growth", counted)
    log_variance_table(PreconditionedOneLayer.edm(), MODES, TIMES)
    assert evaluated < 0.12 * MODES.size * TIMES.size
    evaluated = 0
    log_variance_table(PreconditionedOneLayer.spectral(ASSUMED), MODES, TIMES)
    assert evaluated < 0.55 * MODES.size * TIMES.size


def test_small_tables_are_exact():
    law, modes, times = PreconditionedOneLayer.edm(), MODES[::50], TIMES[::30]
    exact = law.log_generated_variance(modes, times[:, None], 0.002, 80.0)
    np.testing.assert_array_equal(log_variance_table(law, modes, times), exact)


def test_a_table_that_cannot_be_interpolated_well_enough_is_exact(monkeypatch):
    monkeypatch.setattr(
        variance_table, "_STRIP", 50.0
    )  # believe in a far too smooth function: too few points
    law = PreconditionedOneLayer.edm()
    found = log_variance_table(law, MODES, TIMES)
    exact = law.log_generated_variance(MODES[::23], TIMES[::7, None], 0.002, 80.0)
    assert np.abs(found[::7, ::23] - exact).max() < 2e-9


def test_one_eigenvalue_or_one_time_repeated():
    law = OneLayer(0.1)
    same = log_variance_table(law, np.full(900, 0.3), np.full(100, 2.0))
    expected = float(law.log_generated_variance(0.3, 2.0, 0.002, 80.0))
    np.testing.assert_allclose(same, np.full((100, 900), expected), atol=1e-9)


@pytest.mark.parametrize(
    "law",
    [
        SymmetricTwoLayer(1e-6),
        AsymmetricTwoLayer(0.3, 0.1),
        DeepLinear(6, 0.001),
        DeepLinear(3, 1.7),
        InfiniteDepth(0.05),
        FullConvolution(64, OneLayer(0.2)),
    ],
    ids=lambda law: law.name,
)
def test_one_table_of_gains_serves_all_modes_and_times(law):
    modes = np.append(np.geomspace(1e-6, 1e3, 699), 0.0)
    times = np.append(0.0, np.geomspace(1e-6, 1e8, 99))
    some, rows = np.array([0, 233, 466, 698, 699]), np.array([0, 10, 40, 55, 70, 99])
    table = log_variance_table(law, modes, times)
    exact = law.log_generated_variance(modes[some], times[rows, None], 0.002, 80.0)
    np.testing.assert_allclose(table[np.ix_(rows, some)], exact, atol=1e-9)


def test_a_sharp_transition_gets_narrow_panels():
    modes, times = np.geomspace(1e-2, 1.0, 200), np.geomspace(1.0, 1e4, 60)
    direct = DeepLinear(8, 1e-4).log_growth(modes[::50], times[:, None], 0.002, 80.0)
    coarse, fine = (
        scaled_growth(DeepLinear(8, 1e-4), modes, times, 0.002, 80.0, tolerance)[:, ::50]
        for tolerance in (1.0, 1e-10)
    )
    assert np.abs(coarse - direct).max() > 1e-3
    np.testing.assert_allclose(fine, direct, atol=1e-9)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="1-D"):
        log_variance_table(OneLayer(), MODES[:, None], TIMES)
    with pytest.raises(ValueError, match="tolerance"):
        log_variance_table(OneLayer(), MODES, TIMES, tolerance=0.0)
