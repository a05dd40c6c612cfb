"""The documents hold together and say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reference_pages

REPOSITORY = Path(__file__).parent.parent
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(document: Path) -> set[str]:
    """What a link into the document may name after ``#``, by the rule that code hosts share."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_relative_links_lead_somewhere(document: Path) -> None:
    broken = []
    for target in LINK.findall(document.read_text("utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        page = document.parent / name if name else document
        if not page.exists() or (anchor and anchor not in anchors(page)):
            broken.append(target)
    assert not broken


def test_the_index_leads_to_every_page() -> None:
    index = REPOSITORY / "docs" / "README.md"
    linked = {
        (index.parent / target.partition("#")[0]).resolve() for target in LINK.findall(index.read_text())
    }
    pages = {path.resolve() for path in (REPOSITORY / "docs").glob("**/*.md")} - {index.resolve()}
    assert pages <= linked


@pytest.mark.parametrize("name", reference_pages.PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    written = (reference_pages.REFERENCE / name).read_text("utf-8")
    assert written == reference_pages.PAGES[name](), "run scripts/docs"


def test_the_table_of_what_formats_hold_back_is_up_to_date() -> None:
    assert reference_pages.AUDIO.read_text("utf-8") == reference_pages.audio_page(), "run scripts/docs"


def test_every_setting_says_what_it_means() -> None:
    silent = [line for line in reference_pages.settings_page().splitlines() if line.endswith("|  |")]
    assert not silent


@pytest.mark.parametrize("name", ["server", "qwen3"])
def test_the_licence_of_every_package_of_the_server_is_listed(name: str) -> None:
    lock = (REPOSITORY / "requirements" / f"{name}.txt").read_text("utf-8")
    packages = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    page = (REPOSITORY / "docs" / "topics" / "licences.md").read_text("utf-8")
    listed = set(re.findall(r"^\| ([a-z0-9-]+)", page, re.MULTILINE))
    assert len(packages) > 10
    assert packages <= listed
