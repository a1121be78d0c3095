"""The table of objectives: its score errors are errors of the score, its trainings those that they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scorelens.results import schema
from scorelens.studies import objective_scores as study
from scorelens.studies.objective_scores import TRAINED, Budget, mixture, objective_scores

TINY = Budget(n_seeds=2, steps=2, batch_size=16, n_points=64, n_test=200)


SOME = tuple(way for way in TRAINED if way.name in ("denoising", "sliced", "finite-difference"))


@pytest.fixture
def some(monkeypatch: pytest.MonkeyPatch):
    """The table of three rows, made as often as it is called."""
    monkeypatch.setattr(study, "TRAINED", SOME)
    return lambda: objective_scores(TINY)


def test_the_exact_denoiser_has_no_error_and_wrong_ones_have_theirs():
    one = study._Seed(Budget(n_points=64, n_test=500), 0)
    true = mixture()
    errors = {
        "right": one.relative_errors(true),
        "none": one.relative_errors(lambda x, sigma: x),
        "sign": one.relative_errors(lambda x, sigma: 2 * x - true(x, sigma)),
        "half": one.relative_errors(lambda x, sigma: 0.5 * (x + true(x, sigma))),
    }
    for name, expected in {"right": 0.0, "none": 1.0, "sign": 4.0, "half": 0.25}.items():
        np.testing.assert_allclose(errors[name], expected, atol=1e-10)


def test_the_law_is_that_of_the_data():
    points = torch.from_numpy(np.concatenate(list(study._points(20_000, 5).blocks()))).double()
    law = mixture()
    at = torch.tensor([[0.9, 0.1], [0.2, -0.5]], dtype=torch.float64)
    noised = points + 0.5 * torch.randn(points.shape, generator=torch.Generator().manual_seed(0)).double()
    # Stein's identity with bounded test functions: E f s = -E f'.
    s, wave = law.score(noised, 0.5), torch.sin(noised)
    gap = (s * wave + torch.cos(noised)).numpy()
    error = gap.std(0) / len(gap) ** 0.5
    assert np.all(np.abs(gap.mean(0)) < 4.5 * error)
    assert np.all(error < 0.02)
    assert torch.isfinite(law.score(at, 0.1)).all()


def test_every_row_is_trained_as_it_says():
    configs = {way.name: study._configuration(TINY, 0, way, 2) for way in TRAINED}
    assert len({config.model_dump_json() for config in configs.values()}) == len(TRAINED)
    assert configs["σ² as density"].noise.name == "variance"
    assert configs["hutchinson"].training.projections == "unit-sphere"
    shared = {(c.training.steps, c.training.batch_size, c.seed, c.network.width) for c in configs.values()}
    assert len(shared) == 1


def test_the_table_is_labelled_and_repeatable(some):
    found, again = some(), some()
    schema.check(found)
    assert found["relative_error"].dims == ("objective", "seed", "sigma")
    assert found["evaluations"].values.tolist() == [1, 1, 2]
    np.testing.assert_array_equal(found["relative_error"], again["relative_error"])
    first, second = (found["relative_error"].isel(seed=i) for i in (0, 1))
    assert np.all(first != second)


def test_every_row_is_in_the_docs():
    listed = (Path(__file__).parents[2] / "docs" / "reproductions.md").read_text(encoding="utf-8")
    for way in TRAINED:
        assert f"| {way.family} | {way.name} |" in listed
