"""Every test that the page of errata names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_named_test_exists():
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs/errata.md").read_text())
    assert len(named) > 20
    for file, test in named:
        places = list((ROOT / "tests").rglob(file))
        assert any(f"def {test}(" in place.read_text() for place in places), (file, test)
