"""One own voice as one file, to be kept elsewhere or brought to another server.

It is a ZIP file with ``voice.json``, what is known of the voice, and ``recording.flac``, if it was cloned. What engines
made of the voice is left out: the engines of the other server make it anew, and are never given what a stranger wrote.
"""

from __future__ import annotations

import io
import struct
import zipfile
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from saystream.errors import ArchiveRefused
from saystream.protocol.customization.names import NAME, Family, Origin
from saystream.protocol.json import NOT_JSON
from saystream.voices.custom.voice import OwnVoice

__all__ = ["MEDIA_TYPE", "pack", "unpack"]

MEDIA_TYPE: Final = "application/zip"

_FACTS: Final = "voice.json"
_RECORDING: Final = "recording.flac"
_MAX_FACTS_BYTES: Final = 1 << 16
_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""The first that the format has: the same voice gives the same file."""

_Words = Annotated[str, Meta(max_length=4096)]


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says of the voice."""

    saystream_voice: Annotated[int, Meta(ge=1, le=1)] = 1
    """The version of the format."""
    name: Annotated[str, Meta(pattern=f"^(?:{NAME.pattern})$")]
    prefix: Annotated[str, Meta(max_length=64)]
    family: Family
    origin: Origin
    target_model: Annotated[str, Meta(max_length=128)]
    language: Annotated[str, Meta(max_length=16)] = ""
    description: _Words = ""
    preview_text: _Words = ""
    transcript: _Words = ""
    consent: _Words = ""
    created_at: datetime


def pack(voice: OwnVoice, recording: bytes | None) -> bytes:
    """The file for a voice and its recording (FLAC)."""
    facts = _Facts(**{name: getattr(voice, name) for name in _Facts.__struct_fields__[1:]})
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:  # stored as it is: FLAC does not get smaller
        archive.writestr(zipfile.ZipInfo(_FACTS, _DATE), msgspec.json.format(msgspec.json.encode(facts)))
        if recording is not None:
            archive.writestr(zipfile.ZipInfo(_RECORDING, _DATE), recording)
    return written.getvalue()


def unpack(file: bytes, *, workspace: str, now: datetime) -> tuple[OwnVoice, bytes | None]:
    """A new voice of ``workspace`` as ``file`` says, and its recording, which may be anything: it is to be read like an
    upload.

    Raises ArchiveRefused for a file that ``pack`` has not made.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            written = _member(archive, _FACTS, _MAX_FACTS_BYTES)
            recording = _member(archive, _RECORDING, len(file)) if _RECORDING in archive.namelist() else None
    except (
        zipfile.BadZipFile,
        NotImplementedError,  # the library's word for a compression or an encryption that it does not know
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        OverflowError,
    ) as error:
        raise ArchiveRefused("it is not a ZIP file that can be read") from error
    except (KeyError, IndexError, struct.error) as error:
        raise ArchiveRefused(f"it is a ZIP file without a {_FACTS} that can be read") from error
    try:
        facts = msgspec.json.decode(written, type=_Facts)
    except NOT_JSON as error:
        reason = str(error) if isinstance(error, msgspec.ValidationError) else "it is not JSON"
        raise ArchiveRefused(f"{_FACTS}: {reason}") from error
    if (facts.origin == "cloned") != (recording is not None):
        raise ArchiveRefused(f"a cloned voice has a {_RECORDING}, and no other has one")
    known = {name: getattr(facts, name) for name in _Facts.__struct_fields__[1:]}
    return OwnVoice(**{**known, "workspace": workspace, "created_at": now, "modified_at": now}), recording


def _member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    info = archive.getinfo(name)
    # Nothing is unpacked that the file does not hold itself.
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > max_bytes:
        raise zipfile.BadZipFile
    return archive.read(info)
