"""The documents hold together and say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reference_pages
from saystream.catalog import load
from test_layers import ALLOWED

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


def test_the_page_of_models_has_a_row_for_every_model_and_voice() -> None:
    page = (reference_pages.REFERENCE / "models-and-voices.md").read_text("utf-8")
    assert all(f"\n| `{model.name}`" in page for model in load().models)
    assert all(f"\n| `{voice.name}` | {voice.chinese_name} |" in page for voice in load().system_voices)


def test_the_table_of_what_formats_hold_back_is_up_to_date() -> None:
    assert reference_pages.AUDIO.read_text("utf-8") == reference_pages.audio_page(), "run scripts/docs"


def test_the_picture_of_the_imports_is_what_the_layers_allow() -> None:
    page = (REPOSITORY / "docs" / "topics" / "architecture.md").read_text("utf-8")
    (picture,) = re.findall(r"## Who may import whom.*?```mermaid\n(.*?)```", page, re.DOTALL)
    rooms = {
        room for room in ALLOWED.keys() | set[str]().union(*ALLOWED.values()) if not room.startswith("__")
    }
    assert drawn_imports(picture) == {room: ALLOWED.get(room, set()) for room in rooms}


def drawn_imports(picture: str) -> dict[str, set[str]]:
    """What each room of a flowchart reaches by arrows. An arrow at a group holds for every room in it."""
    groups: dict[str, set[str]] = {}
    arrows: list[tuple[str, str]] = []
    group: set[str] | None = None
    rooms: set[str] = set()
    for line in picture.splitlines()[1:]:
        match line.split():
            case ["subgraph", title, *_]:
                group = groups.setdefault(title.partition("[")[0], set())
            case ["end"]:
                group = None
            case [*names]:
                names = [name for name in names if name != "-->"]
                rooms.update(names)
                if group is not None:
                    group.update(names)
                if len(names) == 2:
                    arrows.append((names[0], names[1]))
    reached: dict[str, set[str]] = {room: set() for room in rooms - groups.keys()}
    for source, target in arrows:
        for room in groups.get(source, {source}):
            reached[room] |= groups.get(target, {target})
    for _ in rooms:
        for targets in reached.values():
            targets |= {further for target in targets for further in reached[target]}
    return reached


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
