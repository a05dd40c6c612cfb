from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saystream.errors import ArchiveRefused
from saystream.voices.custom.archive import pack, unpack
from saystream.voices.custom.voice import Rendition
from saystream.voices.recipes import Recipe

from .voices_of_tests import NOW, cloned

LATER = NOW + timedelta(days=1)
VOICE = cloned(
    language="zh",
    transcript="one two",
    consent="by letter",
    renditions={"kokoro": Rendition(Recipe("heart"), b"secret")},
)
FLAC = b"fLaC and more"


def zipped(*, compressed: bool = False, **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return file.getvalue()


def facts(**changes: Any) -> bytes:
    with zipfile.ZipFile(io.BytesIO(pack(VOICE, FLAC))) as archive:
        written = json.loads(archive.read("voice.json"))
    return json.dumps({**written, **changes}).encode()


def test_a_voice_comes_back_in_another_workspace_as_a_new_one() -> None:
    voice, recording = unpack(pack(VOICE, FLAC), workspace="elsewhere", now=LATER)
    moved = replace(VOICE, workspace="elsewhere", created_at=LATER, modified_at=LATER, renditions={})
    assert voice.id != VOICE.id
    assert (replace(voice, id=VOICE.id), recording) == (moved, FLAC)


def test_a_designed_voice_has_no_recording() -> None:
    designed = replace(VOICE, origin="designed", description="a calm old man")
    voice, recording = unpack(pack(designed, None), workspace="home", now=NOW)
    assert (voice.description, voice.origin, recording) == ("a calm old man", "designed", None)


def test_the_same_voice_gives_the_same_file_without_what_engines_made_of_it() -> None:
    file = pack(VOICE, FLAC)
    assert file == pack(VOICE, FLAC)
    assert b"secret" not in file


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "not a ZIP file"),
        (pack(VOICE, FLAC)[:-30], "not a ZIP file"),
        (zipped(recording_flac=FLAC), "without a voice.json"),
        (zipped(voice_json=facts(), recording_flac=FLAC, compressed=True), "not a ZIP file"),
        (zipped(voice_json=facts(padding="x" * 70_000), recording_flac=FLAC), "not a ZIP file"),
        (zipped(voice_json=b"{", recording_flac=FLAC), "voice.json: it is not JSON"),
        (zipped(voice_json=b"\xff", recording_flac=FLAC), "voice.json"),
        (zipped(voice_json=facts(saystream_voice=2), recording_flac=FLAC), "saystream_voice"),
        (zipped(voice_json=facts(name="../anna"), recording_flac=FLAC), "name"),
        (zipped(voice_json=facts(name="a" * 129), recording_flac=FLAC), "name"),
        (zipped(voice_json=facts(family="other"), recording_flac=FLAC), "family"),
        (zipped(voice_json=facts(transcript="x" * 5000), recording_flac=FLAC), "transcript"),
        (zipped(voice_json=facts()), "a cloned voice has a recording.flac"),
        (zipped(voice_json=facts(origin="designed"), recording_flac=FLAC), "no other has one"),
    ],
)
def test_another_file_is_refused_with_the_reason(file: bytes, reason: str) -> None:
    with pytest.raises(ArchiveRefused, match=reason):
        unpack(file, workspace="home", now=NOW)


@given(st.data())
def test_a_file_that_was_damaged_is_refused_or_read(data: st.DataObject) -> None:
    file = bytearray(pack(VOICE, FLAC))
    place = data.draw(st.integers(0, len(file) - 1))
    file[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.sampled_from([len(file), place]))
    try:
        voice, _ = unpack(bytes(file[:end]), workspace="home", now=NOW)
    except ArchiveRefused:
        return
    assert voice.workspace == "home"
