"""The tree of errors: what its page says is in ``docs/reference/errors.md``, compared in ``test_docs.py``."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter

import pytest

from error_page import children, tree
from saystream import errors
from saystream.errors import InvalidValue, SaystreamError

CLASSES = list(tree(SaystreamError))


def test_the_package_has_every_name_that_its_modules_define() -> None:
    for found in pkgutil.iter_modules(errors.__path__, "saystream.errors."):
        module = importlib.import_module(found.name)
        defined = {
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
        }
        assert defined, found.name
        assert {name: getattr(module, name) for name in defined} == {
            name: getattr(errors, name) for name in defined
        }


def test_a_code_is_given_out_once() -> None:
    given = Counter(error.code for error in CLASSES if names_its_code(error))
    assert [code for code, times in given.items() if times > 1] == []


@pytest.mark.parametrize("error", [error for error in CLASSES if not children(error)])
def test_a_leaf_has_a_code_of_its_own_unless_it_is_the_general_case(error: type[SaystreamError]) -> None:
    assert names_its_code(error) or error is InvalidValue


def names_its_code(error: type[SaystreamError]) -> bool:
    return error.code != getattr(error.__base__, "code", None)


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_says_what_it_means(error: type[SaystreamError]) -> None:
    assert vars(error)["__doc__"]


@pytest.mark.parametrize("error", CLASSES)
def test_the_codes_of_a_class_are_ones_that_exist(error: type[SaystreamError]) -> None:
    assert 400 <= error.http_status <= 599
    assert error.close_code is None or 1000 <= error.close_code <= 1013


def test_a_class_has_what_its_first_line_names_and_the_rest_from_its_parent() -> None:
    class Lost(errors.LimitReached, kind="lost", code="lost", http_status=410, http_code="Lost"):
        pass

    class LostForGood(Lost, close_code=1009, retryable=False):
        pass

    assert facts(Lost) == ("lost", "lost", 410, "Lost", 1008, True)
    assert facts(LostForGood) == ("lost", "lost", 410, "Lost", 1009, False)


def facts(error: type[SaystreamError]) -> tuple[object, ...]:
    return (error.kind, error.code, error.http_status, error.http_code, error.close_code, error.retryable)


def test_a_first_line_names_nothing_else() -> None:
    with pytest.raises(TypeError, match="status"):
        type("Lost", (SaystreamError,), {}, status=410)


def test_an_error_of_the_client_keeps_what_the_server_said() -> None:
    refused = errors.ConnectionFailed("no", status=429, remote_code="Throttling", retry_after_s=2.0)
    assert (refused.status, refused.remote_code, refused.retry_after_s) == (429, "Throttling", 2.0)
    lost = errors.ConnectionLost("gone", remote_close_code=1011, remote_close_reason="internal")
    assert (lost.remote_close_code, lost.remote_close_reason) == (1011, "internal")
    told = errors.RemoteError("no such voice", remote_code="invalid_value", param="session.voice")
    assert (told.remote_code, told.param) == ("invalid_value", "session.voice")


def test_a_missing_model_says_how_to_get_it() -> None:
    missing = errors.ModelMissing("It is not in the store.", model="kokoro")
    assert missing.model == "kokoro"
    assert missing.message.endswith("Get it with: saystream models pull kokoro")


@pytest.mark.parametrize(
    ("error", "message", "param"),
    [
        (errors.TaskTextInvalid(), "Request text is invalid!", "payload.input.text"),
        (errors.TooManyTexts(), "Text request limit violated, expected 1.", "payload.input.text"),
        (errors.TaskModelUnknown(reason="no"), "Model not exist.", "payload.model"),
        (errors.TaskTimedOut(23.0), "request timeout after 23 seconds.", None),
    ],
)
def test_a_refused_task_has_the_documented_words(
    error: SaystreamError, message: str, param: str | None
) -> None:
    assert (error.message, error.param) == (message, param)


@pytest.mark.parametrize(
    "error, status, code, message",
    [
        (
            errors.ResourceNotExist(param="input.voice_id"),
            *(400, "BadRequest.ResourceNotExist", "The Required resource not exist."),
        ),
        (errors.OwnVoiceNotFound("x"), *(404, "BadRequest.VoiceNotFound", "Voice 'x' not found.")),
        (
            errors.ArchiveRefused("no voice.json in it"),
            *(400, "InvalidParameter", "The file is not an exported voice: no voice.json in it."),
        ),
        (
            errors.OwnVoiceExists("x"),
            *(409, "InvalidParameter", "There is a voice 'x' already; delete it first."),
        ),
        (
            errors.OwnVoiceLimit(3),
            *(429, "Throttling.AllocationQuota"),
            "Maximum voice storage limit exceeded: this workspace may keep 3 voices.",
        ),
    ],
)
def test_what_is_wrong_with_an_own_voice_is_said_as_documented(
    error: SaystreamError, status: int, code: str, message: str
) -> None:
    assert (error.http_status, error.http_code, error.message) == (status, code, message)
