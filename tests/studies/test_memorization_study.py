"""Samples and models examined for memorisation: found, said, refused, and shown again."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens import estimators, report, studies
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.results import Examination, is_examination
from scorelens.results.config import DataConfig
from scorelens.studies.preparation import split


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    data, fresh = (rng.standard_normal((n, 5)).astype(np.float32) for n in (600, 200))
    np.save(tmp_path / "data.npy", data)
    train, _ = split(DataConfig(spec=str(tmp_path / "data.npy"), held_out=0.3), 0)
    fresh[:20] = train[:20] + np.float32(1e-3)
    np.save(tmp_path / "samples.npy", fresh)
    return tmp_path


def _run(files, given, **options):
    options = {"held_out": 0.3, "out": files / "found"} | options
    return studies.memorization(files / given, str(files / "data.npy"), **options)


@pytest.mark.parametrize("features", ["pixel", "pca:3"])
def test_planted_copies_are_found_and_the_page_comes_from_the_folder(files, features):
    made = _run(files, "samples.npy", features=features)
    stored = Examination.open(made.path).store.read("memorization")
    assert stored["near_copy"].values[:20].all()
    assert stored["near_copy"].values[20:].sum() <= 3
    assert "copies of training data" in made.verdict[0]
    before = made.report_path.read_text()
    made.report_path.unlink()
    assert is_examination(made.path)
    assert report.build_examination(made.path).read_text() == before
    assert f"--features {features}" in before
    assert 'id="neighbours-title"' in before


def test_an_estimator_that_memorises_is_attracted(files):
    train, _ = split(DataConfig(spec=str(files / "data.npy"), held_out=0.3), 0)
    estimators.save(estimators.Empirical().fit(train[:]), files / "empirical.safetensors")
    made = _run(files, "empirical.safetensors", generate=50)
    measured = made.store.read("memorization")
    np.testing.assert_allclose(measured["attraction"].values[measured["resolved"].values], 1, atol=1e-5)
    assert measured["near_copy_share"] > 0.9
    assert 'id="attraction-title"' in made.report_path.read_text()
    assert fit_spectrum(train.blocks, train.event_shape).dim == 5


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_training_set_given_as_samples_is_said(files):
    made = _run(files, "data.npy")
    assert any("training set given as samples" in remark for remark in made.remarks)


def test_bad_input_is_refused_before_anything_is_written(files):
    np.save(files / "other.npy", np.random.default_rng(1).standard_normal((30, 4)))
    np.save(files / "few.npy", np.random.default_rng(1).standard_normal((5, 5)))
    for given, options, message in (
        ("other.npy", {}, "must have events of shape"),
        ("few.npy", {}, "number of events in samples"),
        ("samples.npy", {"features": "pca"}, "choose pixel, or pca:50"),
        ("samples.npy", {"features": "pca:9"}, "only 5 dimensions"),
    ):
        with pytest.raises(ValueError, match=message):
            _run(files, given, **options)
    assert not (files / "found").exists()
