"""The pages of theory hold every equation that is cited, and the page of laws prints what it says."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scorelens import dynamics
from scorelens.networks import twins

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {
    "learning dynamics": "learning_dynamics.md",
    "preconditioned law": "preconditioned_law.md",
    "geometry": "geometry.md",
    "score estimation": "score_estimation.md",
    "generalisation": "generalization.md",
}
GUIDES = {"laws.md": 6, "generalization.md": 6, "geometry.md": 5}
CITING = [*sorted((ROOT / "src" / "scorelens").rglob("*.py")), *sorted(DOCS.glob("*.md"))]
# A number behind a name is the argument of a call; a tag stands alone or ends a range.
EQUATION = re.compile(r"(?<![\w)\]])\((\d{1,2}\.\d{1,2})\)|\[([EGLPS]\d{1,2})\](?!\()")
SECTIONS = re.compile(r"\bsections? (\d+(?:\.\d+)?)(?: (?:and|to) (\d+(?:\.\d+)?))?")
OTHER_TEXTS = ("engl1996", "wang2025", "karras2022", "song2021")


def page(name: str) -> str:
    return (DOCS / "theory" / name).read_text()


def defined(text: str) -> list[str]:
    """Tags of the equations that a page states."""
    return re.findall(r"^\*\*[(\[](\d+\.\d+|[EGLPS]\d+)[)\]]\*\*", text, re.MULTILINE)


def headings(text: str) -> set[str]:
    return set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?)\b", text, re.MULTILINE))


def cited(text: str) -> set[str]:
    return {number or letter for number, letter in EQUATION.findall(text)}


def cited_sections(text: str) -> Iterator[tuple[str, str]]:
    """Page and number of every section that is cited; without a name it is one of learning dynamics."""
    plain = re.sub(r"\s+", " ", text)
    for found in SECTIONS.finditer(plain):
        before = re.split(r"[.;] ", plain[max(0, found.start() - 50) : found.start()])[-1].lower()
        if not any(other in before for other in OTHER_TEXTS):
            name = next((known for known in PAGES if known in before), "learning dynamics")
            yield from ((name, number) for number in found.groups() if number)


def test_every_cited_equation_is_on_a_page():
    known = {tag for name in PAGES.values() for tag in defined(page(name))}
    missing = {
        f"{path.relative_to(ROOT)}: {tag}" for path in CITING for tag in cited(path.read_text()) - known
    }
    assert not missing
    assert len(set().union(*(cited(path.read_text()) for path in CITING))) > 60


def test_every_equation_of_generalisation_is_cited():
    elsewhere = [*CITING, *sorted((ROOT / "tests").rglob("*.py"))]
    assert not set(defined(page("generalization.md"))) - cited(
        "\n".join(path.read_text() for path in elsewhere)
    )


def test_every_cited_section_is_on_its_page():
    known = {name: headings(page(file)) for name, file in PAGES.items()}
    wanted = {
        (str(path.relative_to(ROOT)), *place) for path in CITING for place in cited_sections(path.read_text())
    }
    assert not {place for place in wanted if place[2] not in known[place[1]]}
    assert len(wanted) > 30


def test_no_equation_is_stated_twice():
    tags = [tag for name in PAGES.values() for tag in defined(page(name))]
    assert len(tags) == len(set(tags)) >= 90


@pytest.mark.parametrize("name", PAGES.values())
def test_equations_are_in_their_section(name: str):
    section = ""
    for line in page(name).splitlines():
        section = (re.findall(r"^## (\d+)\.", line) or [section])[0]
        for tag in defined(line):
            assert not tag[0].isdigit() or tag.split(".")[0] == section, tag


@pytest.mark.parametrize("name", PAGES.values())
def test_mathematics_survives_markdown(name: str):
    """Markdown eats a backslash before punctuation and pairs of underscores after it, and wants no blank
    inside the dollars."""
    for formula in re.findall(r"\$\$.+?\$\$|\$[^$]+\$", page(name), re.DOTALL):
        assert not re.search(r"\\[,;:!{}|\\]|[^\w\s]_(?=\w)|\]\(", formula), formula
        assert formula.count("{") == formula.count("}"), formula
        assert formula.strip("$") == formula.strip("$ \n"), formula


def test_links_lead_somewhere():
    for path in [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).exists(), (path.name, target)


def test_the_guide_lists_every_law_and_every_twin():
    rows = [line for line in (DOCS / "laws.md").read_text().splitlines() if line.startswith("|")]
    table = "\n".join(rows)
    for one in (*dynamics.ALL, *dynamics.WEIGHT_LAWS, *twins.ALL):
        assert f"`{one.__name__}`" in table, one.__name__


@pytest.mark.parametrize(("guide", "at_least"), GUIDES.items())
def test_examples_of_the_guide_print_what_it_says(guide: str, at_least: int):
    text = (DOCS / guide).read_text()
    blocks = list(re.finditer(r"```python\n(.*?)```", text, re.DOTALL))
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for block in blocks:
        line = text[: block.start(1)].count("\n")
        example = doctest.DocTestParser().get_doctest(block[1], {}, "example", f"docs/{guide}", line)
        assert example.examples, block[1]
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0
    assert len(blocks) >= at_least
