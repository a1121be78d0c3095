"""Every figure of the theory: what it finds, the folder it leaves, and the page made from that folder."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import pytest
import xarray as xr

from scorelens import studies
from scorelens.results import CorruptMeasurement, Reproduction, schema
from scorelens.studies.figures import ALL
from scorelens.studies.figures.effective_dynamics import EffectiveDynamics
from scorelens.studies.figures.molrg import Molrg
from scorelens.studies.figures.objectives import Objectives
from scorelens.studies.figures.printed_formulas import PrintedFormulas
from scorelens.studies.figures.reverse_covariance import ReverseCovariance
from scorelens.studies.figures.score_covariance import ScoreCovariance
from scorelens.studies.figures.small_time import SmallTime
from scorelens.studies.figures.toy import Toy
from scorelens.studies.low_rank_mixtures import transition
from scorelens.studies.low_rank_mixtures.planted import Planted
from scorelens.studies.objective_scores import Budget
from scorelens.studies.reproduction import figure_study
from scorelens.studies.score_variance import covariance, dynamics, printed, reverse, small_time, toy
from scorelens.training.ensemble import small_network

ROOT = Path(__file__).parents[2]
NAMES = [study.name for study in ALL]
FEW_SUBSPACES = transition.Budget(
    closed=(Planted(4, 16, 2), Planted(4, 16, 2, orthogonal=False)),
    trained=(Planted(4, 8, 1),),
    ratios=(0.5, 1.0, 1.25),
    ratios_of_networks=(0.5, 1.0, 16.0),
    seeds=3,
    networks=2,
    config=small_network(150, width=24, batch_size=32, learning_rate=1e-2),
    sigmas=(0.1, 0.2, 0.4),
    near=4,
    samples=8,
    workers=1,
)


def stored(made: Reproduction) -> dict[str, xr.Dataset]:
    return {name: made.store.read(name) for name in made.store.names()}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reproduction]:
    top = tmp_path_factory.mktemp("figures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Objectives, "budget", Budget(n_seeds=2, steps=2, n_points=64, n_test=200))
        patch.setattr(ScoreCovariance, "budget", covariance.Budget(exact_fits=4000, mixture_fits=300))
        few = small_time.Budget(fits=300, other_fits=200, cutoffs=(0.1, 0.01, 0.003))
        patch.setattr(SmallTime, "budget", few)
        shorter = reverse.Budget(trajectories=3000, cutoffs=(0.1, 0.02, 0.005, 0.001))
        patch.setattr(ReverseCovariance, "budget", shorter)
        patch.setattr(EffectiveDynamics, "budget", dynamics.Budget(trajectories=1500, scheme=6000, fits=1500))
        patch.setattr(Toy, "budget", toy.Budget((64, 512), (1e-3,), models=8, particles=50, workers=1))
        patch.setattr(PrintedFormulas, "budget", printed.Budget(fits=1000, draws=40_000))
        patch.setattr(Molrg, "budget", FEW_SUBSPACES)
        return {name: studies.reproduce(name, out=top / name) for name in NAMES}


@pytest.fixture
def found(folders: dict[str, Reproduction]):
    def of(name: str):
        return figure_study(name).findings(stored(folders[name]))

    return of


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_the_command_the_equations_and_all_findings(name: str, folders, found):
    page = folders[name].report_path.read_text(encoding="utf-8")
    study = figure_study(name)
    plain = html.unescape(page)
    assert f"scorelens reproduce {name}" in page
    assert study.claim.equations in page
    findings = found(name)
    assert findings.agrees
    assert findings.differs
    assert page.count("Agrees: ") == len(findings.agrees)
    assert page.count("Does not agree: ") == len(findings.differs)
    for sentence in (*findings.agrees, *findings.differs, *findings.also):
        assert sentence in plain
        assert "nan" not in sentence.split()


@pytest.mark.parametrize("name", NAMES)
def test_the_stored_datasets_are_labelled(name: str, folders):
    store = folders[name].store
    assert store.names()
    for dataset in store.names():
        schema.check(store.read(dataset))


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_made_again_from_the_folder_alone(name: str, folders, tmp_path: Path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(folders[name].path, moved)
    before = (moved / "report.html").read_bytes()
    (moved / "report.html").unlink()
    assert studies.remake_page(moved).read_bytes() == before


def test_weights_cross_the_harmonic_mean_when_the_paper_says_with_two_tied_layers_only(found):
    findings = found("weights")
    deviation = float(re.search(r"deviation (\S+)\)", findings.agrees[1])[1])
    assert deviation < 1e-12
    assert "16 of 16 neighbouring modes" in findings.agrees[0]
    assert "learns only 2.1 times as fast" in findings.differs[1]


def test_variances_dip_first_from_an_initial_gain_above_zero(found):
    findings = found("variances")
    assert re.search(r"\b14 of 16 modes that have to rise fall first", findings.differs[0])
    exponents = re.findall(r"exponent is (\S+); .* have (\S+)\.$", findings.agrees[1])
    assert exponents[0][0] == exponents[0][1]


def test_phase_portraits_are_integrals_of_their_field(found):
    difference = float(re.search(r"largest difference (\S+) over", found("phase-portraits").agrees[0])[1])
    assert difference < 1e-9


def test_two_tied_layers_of_flow_matching_end_at_one_plus_the_variance(found):
    text = found("flow-matching").differs[1]
    assert "1.01 for a mode of variance 0.01" in text
    assert float(re.search(r"within (\S+) of that", text)[1]) < 1e-3


def test_overlaps_rise_until_the_larger_mode_is_learned(found):
    assert "9 of 9 cases" in found("overlaps").differs[0]


def test_the_exponent_of_the_published_law_is_one_of_many(found):
    assert "−1.93 to 0.21" in found("exponents").differs[0]


def largest_z(sentence: str) -> float:
    return float(re.search(r"within (\S+)\s+standard errors", sentence)[1])


def test_formulas_of_one_noise_level_are_what_is_measured(found):
    """Few training sets, yet enough to tell the exact forms from the leading order."""
    findings = found("score-covariance")
    assert "all 13 entries" in findings.agrees[0]
    assert max(largest_z(sentence) for sentence in findings.agrees[:2]) < 4.5
    assert re.search(r"1\.[12]\d times it for affine scores", findings.differs[0])
    assert int(re.search(r"(\d+) of 7 covariances", findings.differs[1])[1]) >= 1


def test_the_variance_at_small_times_is_a_logarithm_and_not_a_constant(found):
    findings = found("small-time")
    assert largest_z(findings.agrees[0]) < 4.5
    falls = re.search(r"falls from (\S+) to (\S+) between .* has (\S+) to (\S+)\.$", findings.differs[0])
    first, last, printed, also = (float(number) for number in falls.groups())
    assert last < 0.15 * first
    assert also > 0.8 * printed > 4 * first
    assert "0.022, 0.28, 0.54" in findings.differs[1]


def test_all_steps_add_to_the_samples_and_not_only_the_last(found):
    findings = found("reverse-covariance")
    assert largest_z(findings.agrees[0]) < 4.5
    assert "1.48 times what the last one does at Δt 1/50, 1.59 at 1/200 and 1.63" in findings.agrees[1]
    off = [int(re.search(r"times it, (\d+) to", sentence)[1]) for sentence in findings.differs[:2]]
    assert off[0] > 8
    assert "is 1.77 with 20 and 2.38 with 6 draws" in findings.differs[2]


def test_fresh_fits_move_samples_as_the_scheme_with_noise_does(found):
    findings = found("effective-dynamics")
    low, high = re.search(r"variances (\S+) to (\S+) times", findings.agrees[0]).groups()
    assert 0.85 < float(low) <= float(high) < 1.3
    assert largest_z(findings.agrees[1]) < 4.5
    assert largest_z(findings.agrees[2]) < 4.5


def test_independent_numbers_side_with_the_library_and_not_with_the_print(found):
    findings = found("printed-formulas")
    computed, sampled, derivatives = findings.agrees[:3]
    assert float(re.search(r"within (\S+) of", computed)[1]) < 1e-12
    assert largest_z(sampled) < 4.5
    assert [float(off) < 1e-8 for off in re.findall(r"within (\d\S+)", derivatives)] == [True, True]
    assert "0.30 to 0.79 times" in findings.differs[0]
    one, other = (float(n) for n in re.search(r"It is (\S+) and (\S+) times", findings.differs[1]).groups())
    assert 3.4 < one < 4.6  # 4, by the square of Z
    assert other == pytest.approx(1 / 64, rel=0.15)
    assert "0.57 to 0.72 times" in findings.differs[4]
    assert int(re.search(r"(\d+) to \d+ standard errors off", findings.differs[2])[1]) > 5
    assert len(findings.differs) == 6


def test_models_of_three_points_fill_gaps_and_vary_at_boundaries(found):
    """Eight models are enough for the shares, and for where the variance of many draws lives."""
    findings = found("toy")
    shares = re.findall(r"([0-9.]+)% to ([0-9.]+)%", findings.agrees[0])
    filled, exact = (float(largest) for _, largest in shares)
    assert exact < 8 < 15 < filled < 40
    more, less = re.search(r"falls from (\S+)% to (\S+)%", findings.agrees[1]).groups()
    assert float(less) < 0.8 * float(more)
    boundary = float(re.search(r"points it is (\S+) to", findings.agrees[2])[1])
    few_draws = float(re.search(r"at t 0.01 it is (\S+) to", findings.differs[3])[1])
    assert boundary > 20 > 10 > few_draws
    below, above = re.search(r"\(median (\S+), 5%.*\(median (\S+)\), at most", findings.differs[5]).groups()
    assert float(below) < 1.5
    assert float(above) > 2 * float(below)
    many = findings.differs[1].split("of 512 draws")[1]
    wide, ridge, narrow = (float(n) for n in re.findall(r"(\S+) ± ", many))
    assert abs(ridge - wide) < 0.2 * wide
    assert exact < narrow < 0.8 * wide


def test_subspaces_are_found_from_as_many_samples_as_dimensions_and_drawn_ones_from_one_more(found):
    findings = found("molrg")
    formula, orthogonal, network, plateau = findings.agrees
    assert float(re.search(r"within (\S+) in all 24 fits", formula)[1]) < 1e-9
    at, beyond = re.search(
        r"exact in (\d) of 3 fits at n = d and in (\d) of 3 fits beyond", orthogonal
    ).groups()
    assert int(at) >= 2
    assert int(beyond) == 3
    told = r"exact in [012] of 3 fits there .*, and in 3 of 3 fits from n/d 1\.25 on"
    assert re.search(told, findings.differs[0])
    half, one, last = (float(n) for n in re.findall(r"(\d\.\d+) ±", network))
    assert last < 0.1 < one < half - 0.15
    low, high = re.search(r"over d (\S+) to (\S+) at", plateau).groups()
    assert (low, high) == ("1.00", "1.00")


def test_every_figure_has_a_row_in_the_docs():
    listed = (ROOT / "docs" / "reproductions.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"`scorelens reproduce {name}`" in listed
    assert len(set(NAMES)) == len(NAMES)


def test_the_tables_of_exponents_in_the_docs_are_those_of_the_page(folders):
    listed = (ROOT / "docs" / "reproductions.md").read_text(encoding="utf-8").splitlines()
    tables = figure_study("exponents").sections(stored(folders["exponents"]))[1].tables
    assert len(tables) == 2
    for table in tables:
        for row in table.rows:
            assert f"| {' | '.join(row)} |" in listed


def test_bad_names_and_taken_folders_are_refused(folders):
    with pytest.raises(ValueError, match=r"unknown figure 'exponent'.*did you mean 'exponents'"):
        studies.reproduce("exponent")
    with pytest.raises(ValueError, match="not empty; choose a new or empty folder"):
        studies.reproduce("weights", out=folders["weights"].path)


def test_damage_is_named(folders, tmp_path: Path):
    moved = tmp_path / "damaged"
    shutil.copytree(folders["weights"].path, moved)
    chunk = next((moved / "datasets.zarr" / "weights" / "gain").glob("c.*"))
    chunk.write_bytes(chunk.read_bytes()[:-9] + b"\0" * 9)
    with pytest.raises(CorruptMeasurement, match="checksum"):
        studies.remake_page(moved)
    (moved / "reproduction.json").write_text("{")
    with pytest.raises(ValueError, match=r"is damaged \(the file: Expecting .*; make the reproduction again"):
        studies.remake_page(moved)
    with pytest.raises(ValueError, match=r"holds no reproduction\.json"):
        studies.remake_page(tmp_path)
