"""Checking a stored model: what is right passes, what is planted is named, on the command line too."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from scorelens import data as sources
from scorelens import estimators, studies, training
from scorelens.cli import findings
from scorelens.cli.main import main
from scorelens.cli.options import numbers
from scorelens.core import storage
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.networks import file as denoiser_file
from scorelens.results import RunConfig
from scorelens.studies import objective_check

DATA = "moons:n=1000"


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fit") / "fit.safetensors"
    x = np.concatenate(list(sources.load(DATA).blocks()))
    estimators.save(estimators.GaussianMixture(n_components=6).fit(x), path)
    return path


@pytest.fixture
def network(tmp_path: Path) -> Path:
    whole = sources.load(DATA)
    config = RunConfig.model_validate({"network": {"width": 8, "depth": 1, "embedding": 4}})
    denoiser = training.build_denoiser(config, fit_spectrum(whole.blocks, whole.event_shape))
    storage.write_file(tmp_path / "net.safetensors", denoiser_file.encode(denoiser))
    return tmp_path / "net.safetensors"


class _Planted(torch.nn.Module):
    """The mixture's denoiser with a bug of its score or of its derivatives."""

    def __init__(self, right: torch.nn.Module, bug: str) -> None:
        super().__init__()
        self.right, self.bug = right, bug

    def forward(self, x, sigma):
        found = self.right(x, sigma)
        return {"sign": 2 * x - found, "cut": found.detach() + 0 * x}[self.bug]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch):
    def plant(bug: str) -> None:
        load = training.load_denoiser
        monkeypatch.setattr(training, "load_denoiser", lambda path: _Planted(load(path), bug))
        monkeypatch.setattr(training, "event_shape", lambda _: (2,))

    return plant


@pytest.fixture
def scorelens(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["scorelens", "check-objectives", *arguments])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with pytest.raises(SystemExit) as stopped:
            main()
        return int(stopped.value.code or 0), *capsys.readouterr()

    return call


def test_a_fitted_estimator_passes_at_every_default_level(estimator: Path):
    found = studies.check_model(estimator, DATA)
    assert found.n_samples == 1000
    spread = 0.71  # of the moons
    np.testing.assert_allclose(found.sigmas, np.array([0.1, 0.5, 2.0]) * spread, rtol=0.05)
    assert found.n_broken == 0
    for report in found.reports:
        names = [finding.name for finding in report.findings]
        assert len(names) == 7
        assert "explicit = implicit + 1/2 E|s|^2" in names
        assert sum(finding.status == "holds" for finding in report.findings) >= 5


def test_a_score_in_closed_form_keeps_its_digits_at_small_noise():
    x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)).double() + 1e3
    score = objective_check._score(estimators.Gaussian().fit(x), 1e-8)
    expected = -torch.linalg.solve(x.T.cov(correction=0), (x - x.mean(0)).T).T
    torch.testing.assert_close(score(x), expected, rtol=1e-8, atol=1e-8)


def test_identities_hold_for_an_untrained_network(network: Path):
    found = studies.check_model(network, DATA, sigma=[0.5], seed=1)
    assert {f.status for f in found.reports[0].findings if "=" in f.name} <= {"holds", "undecided"}
    assert found.n_broken == 0


@pytest.mark.parametrize(
    ("bug", "names"),
    [
        ("sign", {"sign and scale of the model": "its sign is wrong"}),
        (
            "cut",
            {
                "denoising = implicit + d / (2 sigma^2)": "derivatives are cut or wrong",
                "explicit = implicit + 1/2 E|s|^2": "derivatives are cut or wrong",
            },
        ),
    ],
)
def test_planted_bugs_are_named(bug: str, names: dict[str, str], estimator: Path, planted):
    planted(bug)
    (report,) = studies.check_model(estimator, DATA, sigma=[0.3]).reports
    broken = {finding.name: finding.words for finding in report.broken}
    for name, words in names.items():
        assert words in broken[name]
    assert ("sign and scale of the model" in broken) == (bug == "sign")


def test_the_command_prints_findings_and_says_so_by_its_status(scorelens, estimator: Path, planted):
    arguments = (str(estimator), DATA, "--sigma", "0.5", "--samples", "1000")
    status, said, complaints = scorelens(*arguments)
    assert (status, complaints) == (0, "")
    assert "1,000 noised samples" in said
    assert "nothing is broken" in said
    assert said.count("holds") >= 5
    planted("sign")
    status, said, _ = scorelens(*arguments)
    assert status == 1
    assert "broken: 1 of the findings above" in said


def test_every_status_has_a_look():
    from scorelens.objectives import verdicts

    assert set(findings.STYLES) == {verdicts.HOLDS, verdicts.BROKEN, verdicts.SCALED, verdicts.UNDECIDED}


def test_dear_traces_are_announced_before_the_work(estimator: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(objective_check, "MOST_PASSES", 400)
    order = []
    monkeypatch.setattr(objective_check, "_report", lambda *_: order.append("work"))
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: order.append(str(message)))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        found = studies.check_model(estimator, DATA, sigma=[0.5, 1.0])
    assert found.n_samples == 200
    assert "2 reverse passes: 200 samples are used at each of 2 noise levels" in order[0]
    assert order[1:] == ["work", "work"]
    assert studies.check_model(estimator, DATA, sigma=[0.5], samples=1000).n_samples == 1000


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        ("digits", {}, r"made for samples of shape \(2,\), digits has \(1, 8, 8\)"),
        (DATA, {"samples": 50}, "at least 100, got 50"),
        (DATA, {"samples": 5000}, "the data have only 1000"),
        (DATA, {"sigma": []}, "at least one noise level"),
        (DATA, {"sigma": [0.5, -1.0]}, "sigma must be finite and > 0"),
        ("moons:n=60", {}, "at least 100, got 60"),
    ],
)
def test_bad_input_is_refused(estimator: Path, data: str, settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        studies.check_model(estimator, data, **settings)


def test_bad_input_on_the_command_line_is_one_line(scorelens, estimator: Path, tmp_path: Path):
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    for arguments, message in [
        ((str(estimator), DATA, "--sigma", "0.5,x"), "sigma: got '0.5,x'; give numbers with commas"),
        ((str(tmp_path / "nowhere"), DATA), "does not exist"),
        ((str(tmp_path / "other.safetensors"), DATA), "is not a whole"),
    ]:
        status, _, complaints = scorelens(*arguments)
        assert status == 2
        assert message in complaints
        assert len(complaints.strip().splitlines()) == 1
    assert numbers("sigma", "1e-3") == [0.001]
