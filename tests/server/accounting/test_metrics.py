from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from clock import Clock
from saystream.errors import EngineCrashed
from saystream.hosting.front import EngineLoad
from saystream.server.accounting.metrics import Metrics, ResponseTimer
from saystream.speech.events import ResponseAudio, ResponseEnded, SegmentFailed


class FakePool:
    loads = (EngineLoad(engine="tone", hosts=2, restarts=3, waiting=4, running=5, held=6),)

    def load(self) -> tuple[EngineLoad, ...]:
        return self.loads


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(FakePool())  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Clock:
    return Clock(now_s=100.0)


@pytest.fixture
def timer(metrics: Metrics, clock: Clock) -> ResponseTimer:
    return ResponseTimer(metrics, clock=clock)


def shown(metrics: Metrics, name: str, **labels: str) -> float | None:
    """A sample of the exposition, or ``None`` where there is none."""
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                value: float = sample.value
                return value
    return None


def first_audio(metrics: Metrics) -> tuple[float | None, float | None]:
    """How many were measured, and their sum."""
    return (
        shown(metrics, "saystream_first_audio_seconds_count"),
        shown(metrics, "saystream_first_audio_seconds_sum"),
    )


def audio(*, late_ms: float = 0.0) -> ResponseAudio:
    return ResponseAudio(b"..", duration_ms=100, late_ms=late_ms)


def ended(status: str = "completed", **fields: object) -> ResponseEnded:
    return ResponseEnded(**{"status": status, "text": "Hello", "audio_ms": 200, **fields})  # type: ignore[arg-type]


def test_the_load_of_the_engines_is_read_when_somebody_asks(metrics: Metrics) -> None:
    for name, value in (
        ("engine_hosts", 2),
        ("host_restarts_total", 3),
        ("queue", 4),
        ("running", 5),
        ("held_sessions", 6),
    ):
        assert shown(metrics, f"saystream_{name}", engine="tone") == value


def test_two_servers_in_one_process_count_apart(metrics: Metrics) -> None:
    Metrics(FakePool()).sessions.inc()  # type: ignore[arg-type]
    assert shown(metrics, "saystream_sessions") == 0


def test_first_audio_counts_from_the_first_text(timer: ResponseTimer, clock: Clock, metrics: Metrics) -> None:
    timer.text_came()
    clock.now_s += 1
    timer.text_came()
    clock.now_s += 0.5
    timer.started()
    clock.now_s += 0.25
    timer.audio_came(audio())
    clock.now_s += 10
    timer.audio_came(audio())
    assert first_audio(metrics) == (1, 1.75)


def test_first_audio_counts_from_the_commit_where_there_is_one(
    timer: ResponseTimer, clock: Clock, metrics: Metrics
) -> None:
    timer.text_came()
    clock.now_s += 60
    timer.text_committed()
    clock.now_s += 0.5
    timer.started()
    timer.audio_came(audio())
    assert first_audio(metrics) == (1, 0.5)


def test_a_response_that_had_to_wait_counts_from_the_end_of_the_one_before(
    timer: ResponseTimer, clock: Clock, metrics: Metrics
) -> None:
    timer.text_committed()
    timer.started()
    timer.audio_came(audio())
    timer.text_committed()
    clock.now_s += 20
    timer.audio_came(audio())
    timer.ended(ended(), characters=5)
    timer.started()
    clock.now_s += 0.5
    timer.audio_came(audio())
    assert first_audio(metrics) == (2, 0.5)


def test_text_that_was_dropped_does_not_count(timer: ResponseTimer, clock: Clock, metrics: Metrics) -> None:
    timer.text_came()
    clock.now_s += 60
    timer.text_dropped()
    timer.text_came()
    timer.started()
    timer.audio_came(audio())
    assert first_audio(metrics) == (1, 0)


def test_a_silent_response_has_no_first_audio_and_no_factor(
    timer: ResponseTimer, clock: Clock, metrics: Metrics
) -> None:
    timer.text_came()
    timer.started()
    timer.ended(ended("cancelled", audio_ms=0.0), characters=0)
    timer.text_came()
    timer.started()
    clock.now_s += 1
    timer.audio_came(audio())
    assert first_audio(metrics) == (1, 1)
    assert shown(metrics, "saystream_response_real_time_factor_count") == 0


def test_late_audio_is_lag_and_an_underrun(timer: ResponseTimer, metrics: Metrics) -> None:
    timer.started()
    for late_ms in (0.0, 30.0, 0.0, 170.0):
        timer.audio_came(audio(late_ms=late_ms))
    assert shown(metrics, "saystream_underruns_total") == 2
    assert shown(metrics, "saystream_chunk_lag_seconds_count") == 4
    assert shown(metrics, "saystream_chunk_lag_seconds_sum") == pytest.approx(0.2)
    assert shown(metrics, "saystream_audio_seconds_total") == pytest.approx(0.4)


def test_the_real_time_factor_ends_with_the_last_audio(
    timer: ResponseTimer, clock: Clock, metrics: Metrics
) -> None:
    timer.started()
    clock.now_s += 0.1
    timer.audio_came(audio())
    clock.now_s += 5
    timer.ended(ended(), characters=5)
    assert shown(metrics, "saystream_response_real_time_factor_sum") == pytest.approx(0.5)


def test_responses_are_counted_by_how_they_ended(timer: ResponseTimer, metrics: Metrics) -> None:
    gone = EngineCrashed("gone")
    for response in (ended(), ended("cancelled"), ended("failed", fault=gone, ends_session=True)):
        timer.started()
        timer.ended(response, characters=5)
    for status in ("completed", "cancelled", "failed"):
        assert shown(metrics, "saystream_responses_total", status=status) == 1
    assert shown(metrics, "saystream_faults_total", code="engine_crashed") == 1
    assert shown(metrics, "saystream_characters_total") == 15


def test_a_fault_is_counted_once_whether_or_not_the_response_goes_on(
    timer: ResponseTimer, metrics: Metrics
) -> None:
    gone = EngineCrashed("gone")
    timer.started()
    timer.segment_failed(SegmentFailed(gone, 0, 5))
    timer.ended(ended("failed", fault=gone), characters=5)
    assert shown(metrics, "saystream_faults_total", code="engine_crashed") == 1
