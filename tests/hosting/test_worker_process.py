"""The worker as a process of its own, as the gateway starts it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from saystream.engines.base import EngineInfo, Span
from saystream.errors import EngineUnavailable, ModelMissing
from saystream.hosting.frames import (
    Frame,
    Kind,
    LoadFailure,
    Opening,
    pack,
    pack_span,
    read_frame,
)
from saystream.hosting.worker import why_not_loaded

from .engines_for_tests import PATIENCE_S, REQUEST


class Child:
    """A process that holds an engine, and its two pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self.process = process
        self.stdin = process.stdin
        self._stdout = process.stdout

    def say(self, *frames: bytes) -> None:
        for frame in frames:
            self.stdin.write(frame)
        self.stdin.flush()

    def hear(self) -> Frame:
        frame = read_frame(self._stdout)  # type: ignore[arg-type]  # typeshed: IO[bytes] is no BinaryIO
        assert frame is not None
        return frame

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)


@contextmanager
def process(name: str, options: bytes = b"{}") -> Iterator[Child]:
    command = [sys.executable, "-m", "saystream.hosting.worker", name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as started:
        try:
            child = Child(started)
            child.say(pack(Kind.OPTIONS, 0, options))
            yield child
        finally:
            started.kill()


def test_the_process_says_what_its_engine_can_do_and_ends_when_its_input_is_closed() -> None:
    with process("tone") as child:
        kind, _, payload = child.hear()
        assert kind == Kind.READY
        assert msgspec.json.decode(payload, type=EngineInfo).name == "tone"
        child.stdin.close()
        assert child.wait() == 0


def test_the_process_ends_with_its_input_also_in_the_middle_of_speech() -> None:
    with process("tone", b'{"real_time_factor": 1.0}') as child:
        child.hear()
        for frame in (
            pack(Kind.OPEN, 1, msgspec.json.encode(Opening(REQUEST))),
            pack(Kind.TEXT, 1, pack_span(Span("text " * 1000))),
            pack(Kind.END_INPUT, 1),
        ):
            child.say(frame)
        assert child.hear()[0] == Kind.AUDIO
        child.stdin.close()
        assert child.wait() == 0


def test_the_process_leaves_interrupts_to_the_gateway() -> None:
    with process("tone") as child:
        child.hear()
        child.process.send_signal(signal.SIGINT)
        child.process.send_signal(signal.SIGTERM)
        child.say(pack(Kind.OPEN, 1, msgspec.json.encode(Opening(REQUEST))))
        child.say(pack(Kind.CANCEL, 1))
        assert child.hear()[0] == Kind.DONE


def test_an_engine_that_is_not_installed_is_named_before_the_process_ends() -> None:
    with process("no-such-engine") as child:
        kind, _, payload = child.hear()
        assert kind == Kind.NOT_LOADED
        assert b"no-such-engine" in payload
        assert child.wait() == 1


def test_an_option_that_the_engine_refuses_is_never_repeated() -> None:
    with process("tone", b'{"no_such_option": "secret key"}') as child:
        kind, _, payload = child.hear()
        assert kind == Kind.NOT_LOADED
        assert b"no_such_option" in payload and b"secret" not in payload


def test_an_error_that_knows_a_remedy_keeps_it() -> None:
    spoken = {"zh": "native", "fr": "approximate"}
    missing = ModelMissing("It is not in the store.", model="kokoro", languages=spoken)
    told = why_not_loaded(missing)
    assert told.reason == "ModelMissing: It is not in the store. Get it with: saystream models pull kokoro"
    assert (told.remedy, told.languages) == ("saystream models pull kokoro", spoken)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (EngineUnavailable("Install it with pip."), LoadFailure("EngineUnavailable: Install it with pip.")),
        (ImportError("No module named 'torch'"), LoadFailure("ImportError: No module named 'torch'")),
        (RuntimeError("bad key: secret"), LoadFailure("RuntimeError")),
    ],
)
def test_of_a_stranger_s_error_while_loading_only_the_type_is_told(
    error: EngineUnavailable | ImportError | RuntimeError, told: LoadFailure
) -> None:
    assert why_not_loaded(error) == told
