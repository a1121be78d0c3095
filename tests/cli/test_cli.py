"""The command line: help is light and true, bad input is one line and exit status 2."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scorelens.cli import options
from scorelens.studies.configure import OPTIONS, configure


def scorelens(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from scorelens.cli.main import main; main()", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, timeout=300)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['scorelens', '--help']\n"
        "from scorelens.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'scipy', 'xarray', 'plotly', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip().endswith("[]"), done.stdout[-200:]


@pytest.mark.parametrize(
    "command",
    ["study", "forecast", "train", "measure", "check-objectives", "estimate", "reproduce", "report"],
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = scorelens(command, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout


def test_defaults_in_the_help_are_the_configuration_s() -> None:
    defaults = configure("digits").model_dump() | {"seed": configure("digits").seed}
    for group in (options.OBJECTIVE, options.SAMPLER, options.TRAINING, options.OUTPUT, options.LAW):
        for name, annotation in group.items():
            said = re.search(r"Default: (.+)\.$", annotation.__metadata__[0].help)
            if name == "seed":
                assert said
                assert said[1] == str(defaults["seed"])
            elif name in OPTIONS and said:
                section, field = OPTIONS[name]
                value = defaults[section][field]
                expected = (
                    {"off", "measured", "all"}
                    if value is None
                    else {f"{value:g}" if isinstance(value, float) else str(value)}
                )
                assert said[1] in expected, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("study", "digts"), "digits"),
        (("study", "digits", "--preconditioning", "spectal"), "spectral"),
        (("forecast", "digits", "--sigma-min", "-1"), "sigma_min"),
        (("forecast", "digits", "--law", "patch:99x99"), "larger than the images, 8x8"),
        (("forecast", "digits", "--compare", "one-layer,deep:x"), "whole number from 1 to 1000, got 'x'"),
        (("study", "digits", "--samples", "100000"), "1797"),
        (("report", "nowhere"), "nowhere"),
        (("measure", "nowhere", "digits"), "nowhere"),
        (("study", "digits", "--resume"), "no run to resume"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = scorelens(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stderr.startswith("scorelens: ")
    assert done.stderr.strip().count("\n") == 0
    assert list(tmp_path.iterdir()) == []


def test_the_help_names_every_law() -> None:
    from scorelens.analysis.laws import LAWS

    told = options.LAW["law"].__metadata__[0].help
    assert {re.split("[:,]", word)[0] for word in re.findall(r"[a-z][\w:=.-]*", told)} >= set(LAWS)


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = scorelens("--debug", "report", "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
