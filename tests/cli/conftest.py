"""The command line, called in this process."""

from __future__ import annotations

import sys
import warnings

import pytest

from scorelens.cli.main import main


@pytest.fixture
def scorelens(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The command line in this process: status, standard output and error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["scorelens", *arguments])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with pytest.raises(SystemExit) as stopped:
            main()
        said, complaints = capsys.readouterr()
        return int(stopped.value.code or 0), said, complaints

    return call
