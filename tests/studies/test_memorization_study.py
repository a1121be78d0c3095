"""Samples and models examined for memorisation: found, said, refused, and shown again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

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
    made = studies.memorization(files / given, str(files / "data.npy"), **options)
    assert made is not None
    return made


@pytest.mark.parametrize("features", ["pixel", "pca:3"])
def test_planted_copies_are_found_and_the_page_comes_from_the_folder(files, features):
    made = _run(files, "samples.npy", features=features)
    stored = Examination.open(made.path).store.read("memorization")
    assert stored["near_copy"].values[:20].all()
    assert stored["near_copy"].values[20:].sum() == 0
    assert stored.attrs["calibration"] == "extrapolated"
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
    few, own, of_data = files / "few-rows.npy", files / "own.npy", files / "of-data.npy"
    for file, shape in ((few, (20, 7)), (own, (200, 7)), (of_data, (600, 3))):
        np.save(file, np.random.default_rng(2).standard_normal(shape))
    for given, options, message in (
        ("other.npy", {}, "must have events of shape"),
        ("few.npy", {}, "number of events in samples"),
        ("samples.npy", {"features": "pca"}, "choose pixel, pca:50"),
        ("samples.npy", {"features": "pca:9"}, "only 5 dimensions"),
        ("samples.npy", {"features": "a.npy,b.npy,c.npy"}, "FILE_OF_SAMPLES.npy,FILE_OF_DATA.npy"),
        ("samples.npy", {"features": f"{few},{few}"}, "holds 20 rows, but there are 200 samples"),
        ("samples.npy", {"features": f"{own},{few}"}, "holds 20 rows, but there are 600 events in data.npy"),
        (
            "samples.npy",
            {"features": f"{own},{of_data}"},
            r"rows of shape \(7,\), .* of \(3,\); compute both",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            _run(files, given, **options)
    assert not (files / "found").exists()


@pytest.mark.filterwarnings("ignore:10 of 200 samples")
@pytest.mark.parametrize("n", [None, 400])
def test_features_of_files_measure_the_distances(files, n):
    """Features that are the values themselves change nothing; others find copies where the values do not."""
    options = {} if n is None else {"samples": n}
    plain = _run(files, "samples.npy", out=files / "plain", **options)
    same = f"{files / 'samples.npy'},{files / 'data.npy'}"
    by_file = _run(files, "samples.npy", features=same, **options)
    stored, expected = (made.store.read("memorization") for made in (by_file, plain))
    np.testing.assert_array_equal(stored["nearest_distance"], expected["nearest_distance"])
    np.testing.assert_array_equal(stored["nearest_index"], expected["nearest_index"])

    rng = np.random.default_rng(4)
    of_data, of_samples = rng.standard_normal((600, 9)), rng.standard_normal((200, 9))
    config = DataConfig(spec=str(files / "data.npy"), held_out=0.3, n_samples=n)
    np.save(files / "d.npy", of_data)
    train, _ = split(config.model_copy(update={"spec": str(files / "d.npy")}), 0)
    of_samples[50:60] = train[30:40]
    np.save(files / "s.npy", of_samples)
    other = _run(
        files, "samples.npy", features=f"{files / 's.npy'},{files / 'd.npy'}", out=files / "other", **options
    )
    stored = other.store.read("memorization")
    assert np.flatnonzero(stored["near_copy"]).tolist() == list(range(50, 60))
    np.testing.assert_array_equal(stored["nearest_index"][50:60], np.arange(30, 40))
    whole, _ = split(config, 0)
    first = int(stored["shown_sample"][0])
    np.testing.assert_array_equal(stored["shown_neighbour"][0], whole[:][int(stored["nearest_index"][first])])


def test_a_model_has_no_features_in_files(files):
    train, _ = split(DataConfig(spec=str(files / "data.npy"), held_out=0.3), 0)
    estimators.save(estimators.Gaussian().fit(train[:]), files / "model.safetensors")
    with pytest.raises(ValueError, match="is a model that makes its own"):
        _run(files, "model.safetensors", features=f"{files / 'samples.npy'},{files / 'data.npy'}")


@pytest.mark.slow
@pytest.mark.parametrize("given", ["samples.npy", "model.safetensors"])
def test_two_processes_write_one_page_that_says_the_same(files, given):
    train, _ = split(DataConfig(spec=str(files / "data.npy"), held_out=0.3), 0)
    estimators.save(estimators.Gaussian().fit(train[:]), files / "model.safetensors")
    alone = _run(files, given, out=files / "alone", generate=100)
    command = [sys.executable, "-m", "scorelens", "memorization", given, "data.npy", "--held-out", "0.3"]
    command += ["--out", "together", "--generate", "100"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            command,
            cwd=files,
            env=os.environ | place | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    said = [worker.communicate(timeout=240)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert said[1] == ""
    assert "run: together" in said[0]
    together = Examination.open(files / "together")
    assert together.verdict == alone.verdict
    np.testing.assert_allclose(dict(together.numbers)["its z"], dict(alone.numbers)["its z"], rtol=1e-9)
    stored, expected = (made.store.read("memorization") for made in (together, alone))
    assert stored.identical(expected)
