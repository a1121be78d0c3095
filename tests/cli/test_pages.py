"""Every kind of result folder has a page that ``scorelens report`` makes again."""

from __future__ import annotations

from scorelens import results
from scorelens.cli.pages import PAGES
from scorelens.results import ResultFolder
from scorelens.results.kinds import KINDS


def test_every_kind_has_a_page_and_a_record_of_its_own():
    exported = (getattr(results, name) for name in results.__all__)
    kinds = {
        kind
        for kind in exported
        if isinstance(kind, type) and issubclass(kind, ResultFolder) and kind is not ResultFolder
    }
    assert len(kinds) >= 3
    assert set(PAGES) == kinds == set(KINDS)
    assert len({kind.file for kind in kinds}) == len(kinds)
