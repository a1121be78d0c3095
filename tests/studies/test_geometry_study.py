"""The local geometry of stored models: measured, said, refused, and shown again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from scorelens import estimators, report, studies
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.instruments import measure_geometry
from scorelens.instruments.held_out_likelihood import gaussian_bits
from scorelens.instruments.posterior_walks import DEVIATIONS, posterior_walks
from scorelens.results import LocalGeometry
from scorelens.results.config import DataConfig
from scorelens.studies.preparation import split

SIGMAS = [0.2000001, 1.0]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Data near a plane in 4 dimensions, and the Gaussian fitted to the training part."""
    folder = tmp_path_factory.mktemp("geometry")
    rng = np.random.default_rng(0)
    scale = np.array([2.0, 1.0, 0.01, 0.01])
    np.save(folder / "data.npy", (rng.standard_normal((400, 4)) * scale).astype(np.float32))
    train, _ = split(DataConfig(spec=str(folder / "data.npy")), 0)
    estimators.save(estimators.Gaussian().fit(train[:]), folder / "gaussian.safetensors")
    return folder


@pytest.fixture(scope="module")
def looked(files):
    return studies.geometry(
        files / "gaussian.safetensors",
        str(files / "data.npy"),
        sigma=SIGMAS,
        points=3,
        modes=3,
        events=40,
        likelihood=3,
        out=files / "out",
    )


def test_a_gaussian_has_the_eigenvalues_and_components_of_its_covariance(files, looked):
    train, _ = split(DataConfig(spec=str(files / "data.npy")), 0)
    spectrum = fit_spectrum(train.blocks, (4,))
    found = looked.store.read("geometry")
    for k, sigma in enumerate(SIGMAS):
        expected = spectrum.eigenvalues[:3] / (spectrum.eigenvalues[:3] + sigma**2)
        np.testing.assert_allclose(found["eigenvalue"].isel(sigma=k), np.tile(expected, (3, 1)), rtol=1e-4)
    posterior = looked.store.read("posterior")
    assert posterior.sizes["component"] == 3
    deviation = posterior["standard_deviation"].values
    walk, mean = posterior["walk"].values, posterior["mean"].values
    np.testing.assert_allclose(deviation**2, found["eigenvalue"] * np.square(SIGMAS)[:, None], rtol=1e-5)
    length = np.linalg.norm(walk[..., -1, :] - mean[:, :, None], axis=-1)
    np.testing.assert_allclose(length, DEVIATIONS[-1] * deviation, rtol=1e-4)
    # An affine denoiser walks straight: moved along a component, its mean moves as far.
    np.testing.assert_allclose(posterior["denoised_walk"], walk, atol=1e-4)
    np.testing.assert_allclose(
        posterior["total_variance"], (found["trace"] * found["sigma"] ** 2).values, rtol=1e-6
    )


def test_the_risk_agrees_with_its_floors_for_the_best_linear_denoiser(looked):
    risk = looked.store.read("risk")
    assert (np.abs(risk["z"]) < 4).all()
    np.testing.assert_allclose(risk["risk_true"], risk["linear_held_out"], rtol=1e-3)
    np.testing.assert_allclose(risk["mmse_trace"], risk["linear_floor"], rtol=1e-3)
    assert (np.abs(risk["risk_true"] - risk["linear_floor"]) < 4 * risk["risk_true_standard_error"]).all()
    assert risk.attrs["n_events"] == 40


def test_the_dimension_of_a_plane_is_read(looked):
    dimension = looked.store.read("dimension")
    np.testing.assert_allclose(dimension["flipd_read"], 2, atol=0.3)
    assert set(dimension["flipd_status"].values) == {"plateau"}
    assert any("local dimension of" in sentence for sentence in _sentences(looked))


def test_the_likelihood_of_a_gaussian_is_its_own(looked):
    found = looked.store.read("likelihood")
    assert found.sizes["event"] == 3
    np.testing.assert_allclose(found["bits"], found["gaussian_bits"], atol=0.02)
    assert float(found["sigma"]) == SIGMAS[0]


def test_gaussian_bits_of_a_part_of_the_modes(files):
    train, held_out = split(DataConfig(spec=str(files / "data.npy")), 0)
    whole = fit_spectrum(train.blocks, (4,))
    noisy = held_out[:5] + 1
    covariance = (whole.eigenvectors * whole.eigenvalues) @ whole.eigenvectors.T + 0.3**2 * np.eye(4)
    apart = noisy - whole.mean
    nats = 0.5 * np.einsum("ni,ij,nj->n", apart, np.linalg.inv(covariance), apart)
    nats += 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
    np.testing.assert_allclose(gaussian_bits(noisy, whole, 0.3), nats / 4 / np.log(2), rtol=1e-6)
    np.testing.assert_allclose(
        gaussian_bits(noisy, whole.truncated(2), 0.3), gaussian_bits(noisy, whole, 0.3), rtol=1e-3
    )


def test_the_page_comes_from_the_folder(looked):
    before = looked.report_path.read_text()
    looked.report_path.unlink()
    assert LocalGeometry.holds(looked.path)
    assert report.build_geometry(looked.path).read_text() == before
    for chapter in ("posterior", "dimension", "risk", "likelihood", "derivatives"):
        assert f'id="{chapter}"' in before, chapter
    assert "--sigma 0.2000001,1 --modes 3 --points 3 --events 40 --likelihood 3" in before
    assert "J v by forward mode" in before


def _sentences(made):
    from scorelens.analysis.geometry_words import geometry_sentences

    return geometry_sentences(*(made.store.read(name) for name in ("geometry", "dimension", "risk")))


def test_a_component_without_variance_is_walked_nowhere():
    def keeps_one(x: torch.Tensor, sigma: torch.Tensor | float) -> torch.Tensor:
        return x * torch.tensor([0.5, -0.5]).to(x)

    measured = measure_geometry(keeps_one, torch.ones(1, 2), np.ones(1), 2)
    found = posterior_walks(keeps_one, measured, 2)
    assert found is not None
    assert found["negative"].values.ravel().tolist() == [False, True]
    assert found["standard_deviation"].values[0, 0, 1] == 0
    assert np.isnan(found["denoised_walk"].values[0, 0, 1]).all()
    assert np.ptp(found["walk"].values[0, 0, 1], axis=0).max() == 0


def test_bad_input_is_refused_before_anything_is_written(files, looked):
    np.save(files / "other.npy", np.random.default_rng(1).standard_normal((30, 3)))
    model, data = files / "gaussian.safetensors", str(files / "data.npy")
    for options, message in (
        ({"sigma": [0.0]}, "sigma must be finite and > 0, got .*0"),
        ({"sigma": [float("nan")]}, "sigma must be finite and > 0"),
        ({"sigma": []}, "at least one noise level"),
        ({"points": 0}, "points must be at least 1"),
        ({"modes": 5}, "modes: got 5 eigenpairs, .* only 4 dimensions"),
        ({"modes": 0}, "modes must be at least 1"),
        ({"events": 1}, "events must be at least 2"),
        ({"likelihood": -1}, "likelihood must be at least 0"),
        ({"data": str(files / "other.npy")}, r"made for samples of shape \(4,\), .*other.npy has \(3,\)"),
        ({"given": files / "none.safetensors"}, "does not exist"),
        ({"given": looked.path}, "is the folder of a look at local geometry; give a run, a"),
    ):
        given: dict[str, Any] = {"given": model, "data": data, "out": files / "none"} | options
        with pytest.raises(ValueError, match=message):
            studies.geometry(**given)
    assert not (files / "none").exists()
    with pytest.raises(ValueError, match="not empty"):
        studies.geometry(model, data, out=files)
