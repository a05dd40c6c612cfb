from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from saystream.engines.base import Engine
from saystream.engines.registry import engine_names, load_engine_class
from saystream.errors import ConfigurationError, EngineUnavailable

COMPLETE = """
from saystream.engines.base import Engine, EngineInfo
class Whistle(Engine):
    info = EngineInfo(name="whistle", sample_rate=8000, languages={"*": "native"}, voices=("low",))
    def open(self, request):
        raise NotImplementedError
NOT_AN_ENGINE = 3
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Lays a package of a stranger on the import path, as an installer would."""

    def lay(
        package: str,
        entry: str,
        *,
        module: str,
        source: str = COMPLETE,
        requires: tuple[str, ...] = (),
    ) -> None:
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {package}", "Version: 1.0"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (folder / "METADATA").write_text("\n".join(lines) + "\n")
        (folder / "entry_points.txt").write_text(f"[saystream.engines]\n{entry}\n")
        (tmp_path / f"{module}.py").write_text(source)
        # An import leaves its module behind; the next test may lay another of the same name.
        monkeypatch.delitem(sys.modules, module, raising=False)

    monkeypatch.syspath_prepend(tmp_path)
    return lay


def test_the_built_in_engines_register_by_entry_point() -> None:
    assert {"espeak", "hibari", "tone"} <= set(engine_names())
    assert list(engine_names()) == sorted(engine_names())


def test_listing_names_imports_neither_numpy_nor_an_engine() -> None:
    program = (
        "import sys; from saystream.engines.registry import engine_names; assert engine_names();"
        "assert not {'numpy', 'saystream.engines.tone', 'pydantic'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_strangers_engine_is_found_and_loaded(install: Install) -> None:
    install("stranger", "whistle = whistling_a:Whistle", module="whistling_a")

    engine = load_engine_class("whistle")

    assert "whistle" in engine_names()
    assert issubclass(engine, Engine) and engine.info.name == "whistle"


def test_an_unknown_engine_is_refused_with_those_installed() -> None:
    with pytest.raises(EngineUnavailable, match=r"'organ' is not installed\. Installed engines: .*tone"):
        load_engine_class("organ")


def test_a_missing_module_is_told_with_the_extra_that_brings_it(install: Install) -> None:
    install(
        "stranger",
        "whistle = whistling_b:Whistle",
        module="whistling_b",
        source="import absent_flute.keys",
        requires=("numpy", 'tin>=1; extra == "tin"', "Absent-Flute[fast]>=0.2 ; extra == 'wind'"),
    )

    with pytest.raises(
        EngineUnavailable, match=r"needs the module 'absent_flute'.*'stranger\[wind\]'"
    ) as raised:
        load_engine_class("whistle")
    assert raised.value.remedy == "pip install 'stranger[wind]'"


@pytest.mark.parametrize(
    ("requirement", "module"),
    [
        ("absent-flute-tts>=2; extra == 'wind'", "absent_flute"),
        ("absent.flute; extra=='wind'", "absent_flute"),
    ],
)
def test_a_distribution_named_a_little_differently_is_recognised(
    install: Install, requirement: str, module: str
) -> None:
    source = f"import {module}"
    install(
        "stranger",
        "whistle = whistling_c:Whistle",
        module="whistling_c",
        source=source,
        requires=(requirement,),
    )

    with pytest.raises(EngineUnavailable, match=r"'stranger\[wind\]'"):
        load_engine_class("whistle")


def test_a_missing_module_of_no_extra_is_told_by_name(install: Install) -> None:
    install(
        "stranger",
        "whistle = whistling_d:Whistle",
        module="whistling_d",
        source="import absent_flute",
        requires=("absent-flutes; extra == 'wind'",),
    )

    with pytest.raises(EngineUnavailable, match=r"'absent_flute'.*or reinstall stranger"):
        load_engine_class("whistle")


@pytest.mark.parametrize("source", ["raise OSError('no such library')", "class Flute: pass", "def ("])
def test_an_engine_that_breaks_while_imported_is_unavailable(install: Install, source: str) -> None:
    install("stranger", "whistle = whistling_e:Whistle", module="whistling_e", source=source)

    with pytest.raises(EngineUnavailable, match="'whistle' of package stranger cannot be imported: "):
        load_engine_class("whistle")


@pytest.mark.parametrize("attribute", ["NOT_AN_ENGINE", "EngineInfo", "Engine"])
def test_what_is_no_complete_engine_is_refused(install: Install, attribute: str) -> None:
    install("stranger", f"whistle = whistling_f:{attribute}", module="whistling_f")

    with pytest.raises(ConfigurationError, match="not a complete subclass"):
        load_engine_class("whistle")


def test_a_name_that_two_packages_offer_is_refused_with_both(install: Install) -> None:
    install("stranger", "whistle = whistling_g:Whistle", module="whistling_g")
    install("another", "whistle = whistling_h:Whistle", module="whistling_h")

    with pytest.raises(ConfigurationError, match="another, stranger"):
        load_engine_class("whistle")
