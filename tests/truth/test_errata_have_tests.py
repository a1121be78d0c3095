"""Every test that the page of errata names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_named_test_exists():
    named = re.findall(r"`(test_\w+\.py)(?:::(Test\w+))?::(test_\w+)`", (ROOT / "docs/errata.md").read_text())
    assert len(named) > 20
    for file, group, test in named:
        texts = [place.read_text() for place in (ROOT / "tests").rglob(file)]
        within = [text.partition(f"\nclass {group}")[2] if group else text for text in texts]
        assert any(f"def {test}(" in text for text in within), (file, group, test)
