"""``scripts/audit``, with stand-ins for the two programs that it runs: the database of vulnerabilities is elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parent.parent
STAND_IN = '#!/usr/bin/env bash\necho "$(basename "$0") $*" >> ran\n'


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository with the real locks and tools that only note how they are called."""
    for folder in ("requirements", "tests/environments"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    (tmp_path / "scripts").mkdir()
    shutil.copy(REPOSITORY / "scripts" / "audit", tmp_path / "scripts")
    tools = tmp_path / ".venvs" / "audit"
    (tools / "bin").mkdir(parents=True)
    wanted = re.search(r'^wanted="(.*)"$', (REPOSITORY / "scripts" / "audit").read_text(), re.MULTILINE)
    assert wanted is not None
    (tools / "wanted").write_text(wanted[1] + "\n")
    for name in ("pip-audit", "cyclonedx-py"):
        (tools / "bin" / name).write_text(STAND_IN)
        (tools / "bin" / name).chmod(0o755)
    return tmp_path


def ran(copy: Path, *arguments: str) -> list[str]:
    subprocess.run([copy / "scripts" / "audit", *arguments], check=True, stdout=subprocess.DEVNULL)
    return (copy / "ran").read_text().splitlines()


def test_every_lock_is_audited_as_it_stands(copy: Path) -> None:
    calls = ran(copy)
    locks = [*sorted(copy.glob("requirements/*.txt")), *sorted(copy.glob("tests/environments/*.txt"))]
    assert [call.rpartition(" ")[2] for call in calls] == [str(lock.relative_to(copy)) for lock in locks]
    assert all("pip-audit --require-hashes --disable-pip " in call for call in calls)


def test_the_bill_of_materials_is_that_of_a_server(copy: Path) -> None:
    [call] = ran(copy, "--sbom", "sbom.json")
    assert call.startswith("cyclonedx-py requirements ")
    assert call.endswith("--output-file sbom.json requirements/server.txt")


FAMILIES = {
    "Apache": "Apache",
    "BSD": "BSD",
    "MIT": "MIT",
    "ISC": "ISC",
    "MPL": "MPL|Mozilla",
    "LGPL": "LGPL|Lesser General",
    "GPL": r"(?<![A-Z])GPL|GNU General",
    "AGPL": "AGPL|Affero",
}


def families_in(text: str) -> set[str]:
    return {family for family, pattern in FAMILIES.items() if re.search(pattern, text)}


def declared_by(package: Distribution) -> set[str]:
    """The families of licences that a package itself names."""
    about = package.metadata
    named = [*(about.get_all("License-Expression") or ()), *(about.get_all("License") or ())]
    short = [text for text in named if len(text) < 200]  # some put the whole text there
    classifiers = [text for text in about.get_all("Classifier") or () if text.startswith("License ::")]
    return families_in("; ".join([*short, *classifiers]))


def test_every_licence_that_a_package_of_the_server_declares_is_on_the_page() -> None:
    page = (REPOSITORY / "docs" / "topics" / "licences.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| ([a-z0-9-]+)[^|]*\|(.*)\|$", page, re.MULTILINE))
    locked = re.findall(
        r"^([a-z0-9-]+)==", (REPOSITORY / "requirements" / "server.txt").read_text(), re.MULTILINE
    )
    installed = {canonicalize_name(found.name): found for found in distributions()}
    unlisted = {
        name: missing
        for name in locked
        if name in installed and (missing := declared_by(installed[name]) - families_in(rows.get(name, "")))
    }
    assert not unlisted
