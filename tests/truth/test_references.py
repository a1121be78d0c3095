"""What is cited stands in the list of references, and what stands there is cited."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "references.md"
SOURCE = sorted((ROOT / "src" / "scorelens").rglob("*.py"))
PROSE = [path for path in sorted((ROOT / "docs").rglob("*.md")) if path != PAGE]
KEY = re.compile(r"\b([a-z]{2,}(?:18|19|20)\d\d[a-z]*)\b")
# A name, then perhaps "et al." or further names, then a year.
NAMED = re.compile(
    r"\b([A-Z][\w-]*[a-z])(?:(?:, [A-Z][\w-]+)* (?:and|&) [A-Z][\w-]+| et al\.)?,? \(?((?:18|19|20)\d\d)\b"
)
FACTS = {"reference", "_REFERENCE"}


def text(path: Path) -> str:
    """The file in ASCII and on one line, so that accents and line breaks hide no name."""
    plain = unicodedata.normalize("NFKD", path.read_text()).encode("ascii", "ignore").decode()
    return re.sub(r"\s+", " ", plain)


def listed() -> list[str]:
    return re.findall(r"^- \*\*(\w+)\*\*: ", PAGE.read_text(), re.MULTILINE)


def own_texts() -> set[str]:
    rows = re.findall(r"^\| ([a-z, ]+) \| \[theory/", PAGE.read_text(), re.MULTILINE)
    return {name for row in rows for name in row.split(", ")}


def cited(page: str) -> set[str]:
    """Keys, and names with years as keys; prose may leave out the letters behind a year."""
    prose = {(name + year).lower() for name, year in NAMED.findall(page)}
    known = set(listed())
    meant = {one: {key for key in known if re.fullmatch(one + "[a-z]+", key)} for one in prose - known}
    return set(KEY.findall(page)) | (prose & known) | {one for one in meant if not meant[one]}


def references(path: Path) -> Iterator[str]:
    """Every source named by a class attribute ``reference``."""
    for node in ast.walk(ast.parse(path.read_text())):
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        named = any(isinstance(target, ast.Name) and target.id in FACTS for target in targets)
        value = getattr(node, "value", None)
        if named and isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield from value.value.split("; ")


def test_every_citation_is_in_the_list():
    missing = {
        f"{path.relative_to(ROOT)}: {key}"
        for path in [*SOURCE, *PROSE]
        for key in cited(text(path)) - set(listed())
    }
    assert not missing


def test_every_entry_is_cited():
    everywhere = set().union(*(cited(text(path)) for path in [*SOURCE, *PROSE]))
    assert set(listed()) <= everywhere


def test_every_reference_of_a_class_is_a_key_or_one_of_our_texts():
    known = set(listed()) | own_texts()
    sources = [(path.relative_to(ROOT), one) for path in SOURCE for one in references(path)]
    names = re.compile(rf"(?:{'|'.join(sorted(known))})\b")
    assert not [(path, one) for path, one in sources if not names.match(one)]
    assert len(sources) > 80


def test_the_list_is_in_order_and_complete():
    assert listed() == sorted(set(listed()))
    entries = re.split(r"^- (?=\*\*)", PAGE.read_text(), flags=re.MULTILINE)[1:]
    for entry in entries:
        assert re.fullmatch(
            r"\*\*\w+\*\*: .+?\. \*.+?\.?\*\.? .+ Here: .+\.", re.sub(r"\s+", " ", entry).strip()
        ), entry
