"""A lock file is complete, and is installed as it stands: no later release of anything can matter."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parent.parent
OURS = {"dev", "server", "qwen3", "qwen3-reference"}
LOCKS = sorted(
    lock
    for lock in [*REPOSITORY.glob("requirements/*.txt"), *REPOSITORY.glob("tests/environments/*.txt")]
    if lock.stem != "fuzzing"  # one package without dependencies, which only scripts/fuzz installs
)
LEFT_OUT = {
    "dev": {"openvino-telemetry"},
    "server": {"openvino-telemetry"},
    "qwen3-reference": {"gradio", "onnxruntime", "sox", "torch", "torchaudio"},
    "quality": {"torch", "typing", "webrtcvad"},
}
"""What ``scripts/lock`` leaves out on purpose, and says why."""


def names_in(lock: Path) -> set[str]:
    return {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", lock.read_text(), re.MULTILINE)}


def folder_of(lock: Path) -> Path:
    """Where ``scripts/test`` has installed ``lock``."""
    if lock.stem in OURS:
        return Path(sys.prefix)
    return REPOSITORY / ".venvs" / lock.stem


def installed_in(environment: Path) -> dict[str, Distribution]:
    folders = [str(folder) for folder in environment.glob("lib/python*/site-packages")]
    return {canonicalize_name(found.name): found for found in distributions(path=folders)}


def missing_of(package: Distribution, extras: set[str], installed: dict[str, Distribution]) -> set[str]:
    """What ``package`` with its ``extras`` asks for here and does not get from ``installed``."""
    missing: set[str] = set()
    for requirement in map(Requirement, package.requires or ()):
        applies = requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in ["", *extras]
        )
        if not applies:
            continue
        found = installed.get(canonicalize_name(requirement.name))
        if found is None or not requirement.specifier.contains(found.version, prereleases=True):
            missing.add(canonicalize_name(requirement.name))
        elif requirement.extras:
            missing |= missing_of(found, requirement.extras, installed)
    return missing


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_all_that_its_packages_ask_for(lock: Path) -> None:
    installed = installed_in(folder_of(lock))
    locked = {name: installed[name] for name in names_in(lock) if name in installed}
    assert len(locked) > len(names_in(lock)) / 2, "scripts/test has not installed it"
    known = locked | {name: installed[name] for name in installed if lock.stem in OURS}
    missing = {name for package in locked.values() for name in missing_of(package, set(), known)}
    assert missing <= LEFT_OUT.get(lock.stem, set())


@pytest.mark.parametrize("lock", ["dev", "server"])
def test_a_lock_of_ours_stands_alone(lock: str) -> None:
    names = names_in(REPOSITORY / "requirements" / f"{lock}.txt")
    installed = installed_in(Path(sys.prefix))
    alone = {name: installed[name] for name in names if name in installed}
    missing = {name for package in alone.values() for name in missing_of(package, set(), alone)}
    assert missing <= LEFT_OUT[lock]


def make_wheel(folder: Path, name: str, version: str, *requires: str) -> str:
    """A wheel with nothing in it but its metadata; gives its line in a lock."""
    metadata = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: more\n{metadata}",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    info = f"{name}-{version}.dist-info"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        rows = []
        for file, content in files.items():
            archive.writestr(f"{info}/{file}", content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{info}/{file},sha256={digest},{len(content)}\n")
        archive.writestr(f"{info}/RECORD", "".join([*rows, f"{info}/RECORD,,\n"]))
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def test_a_later_release_of_a_package_whose_extra_is_asked_for_does_not_matter(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    asking = make_wheel(shelf, "asking", "1.0", "asked[more]>=1.0")
    asked = make_wheel(shelf, "asked", "1.0")
    make_wheel(shelf, "asked", "2.0")
    lock = tmp_path / "lock.txt"
    lock.write_text(asking + asked)
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    offline = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shelf)}
    subprocess.run(
        [REPOSITORY / "scripts" / "install-lock", environment, lock], check=True, env=offline, timeout=300
    )
    installed = installed_in(environment)
    assert (installed["asking"].version, installed["asked"].version) == ("1.0", "1.0")
