from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from saystream.cli import app
from saystream.engines.piper import PiperEngine
from saystream.errors import EngineUnavailable
from saystream.models import load_manifest
from saystream.models.record import RECORD_NAME

JOE = "piper-en-us-joe"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAYSTREAM_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", *arguments])


def listed() -> dict[str, dict[str, object]]:
    return {row["model"]: row for row in json.loads(run("list", "--json").stdout)}


def test_the_list_says_what_there_is_and_that_nothing_is_here(folder: Path) -> None:
    rows = listed()
    assert list(rows) == [model.name for model in load_manifest()]
    assert {row["here"] for row in rows.values()} == {""}
    assert (rows["kokoro"]["MB"], rows["kokoro"]["licence"]) == (354, "Apache-2.0")
    assert rows["supertonic-3"]["MB"] == "?"
    table = run("list").stdout
    assert "such as piper-de_DE-thorsten-medium" in " ".join(table.split())
    assert str(folder) in table


def test_a_model_is_pulled_verified_listed_and_removed(piper_folder: Path, folder: Path) -> None:
    pulled = run("pull", JOE, "--from", str(piper_folder.parent))
    assert pulled.exit_code == 0, pulled.output
    assert f"{JOE} is in {folder / JOE}" in pulled.stderr
    assert listed()[JOE]["here"] == "here"
    assert run("verify").stdout.startswith(f"{JOE} is intact: 2 files, digest ")

    (folder / JOE / "en_US-joe-medium.onnx.json").write_text("{}")
    assert listed()[JOE]["here"] == "damaged"
    verified = run("verify", JOE)
    assert verified.exit_code == 1 and f"Get it with: saystream models pull {JOE}" in verified.stderr

    assert run("rm", JOE).exit_code == 0
    assert listed()[JOE]["here"] == ""
    assert run("rm", JOE).exit_code == 1


def test_a_model_of_another_version_is_listed_and_can_only_be_removed(
    piper_folder: Path, folder: Path
) -> None:
    shutil.copytree(piper_folder, folder / "older-model")
    assert listed()["older-model"]["here"] == "of no use"
    assert "older-model" in run("list").stdout
    assert run("rm", "older-model").exit_code == 0
    assert "older-model" not in listed()


def test_the_mirror_of_the_settings_is_asked_first(
    piper_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAYSTREAM_MODELS_MIRROR", str(piper_folder.parent))
    assert run("pull", JOE).exit_code == 0
    record = json.loads((folder / JOE / RECORD_NAME).read_text())
    assert {file["source"] for file in record["files"].values()} == {f"folder {piper_folder}"}


def test_one_model_that_fails_leaves_the_others_alone(piper_folder: Path, folder: Path) -> None:
    pulled = run("pull", "nonsense", "supertonic-3", JOE, "--from", str(piper_folder.parent))
    assert pulled.exit_code == 1
    assert "error: There is no model 'nonsense'." in pulled.stderr
    assert "error: The model 'supertonic-3' could not be fetched." in pulled.stderr
    assert listed()[JOE]["here"] == "here"


def test_without_a_name_the_default_set_is_pulled(tmp_path: Path) -> None:
    pulled = run("pull", "--from", str(tmp_path))
    assert pulled.exit_code == 1
    assert [line for line in pulled.stderr.splitlines() if line.startswith("error")] == [
        f"error: The model 'kokoro' could not be fetched. folder {tmp_path / 'kokoro'}: there is no such folder."
    ]


def test_the_engine_makes_what_it_wants_of_weights_that_were_pulled(
    piper_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[Path] = []
    monkeypatch.setattr(PiperEngine, "prepare", classmethod(lambda cls, weights: prepared.append(weights)))
    assert run("pull", JOE, "--from", str(piper_folder.parent)).exit_code == 0
    assert prepared == [folder / JOE]


def test_weights_of_which_the_engine_cannot_make_that_are_pulled_all_the_same(
    piper_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(cls: type[PiperEngine], weights: Path) -> None:
        raise EngineUnavailable("It is another export.")

    monkeypatch.setattr(PiperEngine, "prepare", classmethod(refuse))
    pulled = run("pull", JOE, "--from", str(piper_folder.parent))
    assert pulled.exit_code == 0
    assert pulled.stderr.endswith(f"It is another export.\n{JOE} is in {folder / JOE}\n")


def test_on_a_terminal_each_download_has_a_bar(piper_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    pulled = run("pull", JOE, "--from", str(piper_folder.parent))
    assert pulled.exit_code == 0, pulled.output
    assert "en_US-joe-medium.onnx" in pulled.stderr and "/63.2 MB" in pulled.stderr
