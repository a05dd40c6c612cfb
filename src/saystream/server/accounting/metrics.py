"""The name and type of every metric, in one place. Labels never hold text, keys or peers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric

    from saystream.hosting.front import Hosting
    from saystream.speech.events import ResponseAudio, ResponseEnded, SegmentFailed

__all__ = ["Metrics", "ResponseTimer"]

_LATENCY_BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
_FACTOR_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 3.0)


class Metrics:
    """What the doors report. Engine metrics are read from their hosting on request."""

    def __init__(self, hosting: Hosting) -> None:
        self.registry = CollectorRegistry()
        self.sessions = Gauge("saystream_sessions", "Connections open now", registry=self.registry)
        self.tasks = Gauge(
            "saystream_tasks", "Tasks of CosyVoice and Sambert open now", registry=self.registry
        )
        self.refused = Counter(
            "saystream_handshakes_refused",
            "Handshakes refused, by error code",
            ["code"],
            registry=self.registry,
        )
        self.first_audio_s = Histogram(
            "saystream_first_audio_seconds",
            "From the first text of a response (its commit, in commit mode) to its first audio; not counting the"
            " response before it",
            registry=self.registry,
            buckets=_LATENCY_BUCKETS_S,
        )
        self.chunk_lag_s = Histogram(
            "saystream_chunk_lag_seconds",
            "How much later than its place in playback a chunk was ready",
            registry=self.registry,
            buckets=_LATENCY_BUCKETS_S,
        )
        self.underruns = Counter(
            "saystream_underruns",
            "Chunks that were ready after the listener ran out of sound",
            registry=self.registry,
        )
        self.real_time_factor = Histogram(
            "saystream_response_real_time_factor",
            "Time that a response took from its start to its last audio, by the length of its audio",
            registry=self.registry,
            buckets=_FACTOR_BUCKETS,
        )
        self.responses = Counter(
            "saystream_responses", "Responses ended, by status", ["status"], registry=self.registry
        )
        self.faults = Counter(
            "saystream_faults",
            "Segments and responses that failed, by error code",
            ["code"],
            registry=self.registry,
        )
        self.audio_s = Counter("saystream_audio_seconds", "Audio sent", registry=self.registry)
        self.characters = Counter("saystream_characters", "Billed characters spoken", registry=self.registry)
        self.usage_rows_dropped = Counter(
            "saystream_usage_rows_dropped",
            "Usage rows lost because the database did not take them in time",
            registry=self.registry,
        )
        self.registry.register(_HostingCollector(hosting))

    def exposition(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)


class ResponseTimer:
    """Measures the responses of one connection."""

    def __init__(self, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` gives monotonic seconds."""
        self._metrics = metrics
        self._clock = clock
        self._text_at_s: float | None = None
        """When the text of the next response arrived."""
        self._due_since_s: float | None = None
        """Since when the open response has been waiting for its first audio."""
        self._started_at_s = 0.0
        self._last_audio_at_s = 0.0
        self._free_at_s = 0.0
        """When the last response ended."""
        self.audio_ms = 0.0
        """Audio of the most recently started response."""
        self.first_audio_ms: float | None = None
        """Time from its text to its first audio."""

    def text_came(self) -> None:
        """Text arrived for the next response; only the first time counts."""
        if self._text_at_s is None:
            self._text_at_s = self._clock()

    def text_committed(self) -> None:
        """``commit`` mode: the text that came before was not to be spoken until now."""
        self._text_at_s = self._clock()

    def text_dropped(self) -> None:
        self._text_at_s = None

    def started(self) -> None:
        self._started_at_s = self._clock()
        self._due_since_s = max(self._text_at_s or 0.0, self._free_at_s)
        self._text_at_s = None
        self.audio_ms, self.first_audio_ms = 0.0, None

    def audio_came(self, audio: ResponseAudio) -> None:
        now_s = self._last_audio_at_s = self._clock()
        self.audio_ms += audio.duration_ms
        self._metrics.audio_s.inc(audio.duration_ms / 1000)
        self._metrics.chunk_lag_s.observe(audio.late_ms / 1000)
        if audio.late_ms > 0:
            self._metrics.underruns.inc()
        if self._due_since_s is not None:
            first_audio_s = now_s - self._due_since_s
            self.first_audio_ms = first_audio_s * 1000
            self._metrics.first_audio_s.observe(first_audio_s)
            self._due_since_s = None

    def segment_failed(self, failed: SegmentFailed) -> None:
        self._metrics.faults.labels(failed.fault.code).inc()

    def ended(self, ended: ResponseEnded, *, characters: int) -> None:
        self._free_at_s = self._clock()
        self._metrics.responses.labels(ended.status).inc()
        self._metrics.characters.inc(characters)
        if ended.audio_ms:
            took_s = self._last_audio_at_s - self._started_at_s
            self._metrics.real_time_factor.observe(took_s * 1000 / ended.audio_ms)
        if ended.fault is not None and ended.ends_session:
            self._metrics.faults.labels(ended.fault.code).inc()


class _HostingCollector:
    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting

    def collect(self) -> Iterable[Metric]:
        hosts = GaugeMetricFamily(
            "saystream_engine_hosts", "Engine processes that are running", labels=["engine"]
        )
        waiting = GaugeMetricFamily("saystream_queue", "Segments waiting for an engine", labels=["engine"])
        held = GaugeMetricFamily(
            "saystream_held_sessions",
            "Sessions waiting to begin until an engine is fast enough for another",
            labels=["engine"],
        )
        running = GaugeMetricFamily("saystream_running", "Segments being spoken", labels=["engine"])
        restarts = CounterMetricFamily(
            "saystream_host_restarts", "Engine processes started again", labels=["engine"]
        )
        for load in self._hosting.load():
            hosts.add_metric([load.engine], load.hosts)
            waiting.add_metric([load.engine], load.waiting)
            held.add_metric([load.engine], load.held)
            running.add_metric([load.engine], load.running)
            restarts.add_metric([load.engine], load.restarts)
        return (hosts, waiting, held, running, restarts)
