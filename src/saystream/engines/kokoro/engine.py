"""Kokoro as an engine."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from saystream.audio import SpeechChunk
from saystream.dsp.effects import shaped, timbre
from saystream.dsp.equaliser import Equaliser
from saystream.dsp.mark_times import MarkTimes
from saystream.dsp.silence import SegmentEdges
from saystream.engines.ahead import StepsAhead
from saystream.engines.base import (
    Engine,
    EngineInfo,
    EngineStream,
    Enrolled,
    Recording,
    SegmentStream,
    Span,
    SynthesisRequest,
)
from saystream.engines.kokoro.constants import SAMPLE_RATE
from saystream.engines.kokoro.cores import claim_cores, num_cores
from saystream.engines.kokoro.match.bases import Bases
from saystream.engines.kokoro.match.encoder import SpeakerEncoder
from saystream.engines.kokoro.match.material import Match, Tuning
from saystream.engines.kokoro.match.search import Matcher
from saystream.engines.kokoro.memory import give_back_memory
from saystream.engines.kokoro.model import Reading, WholeModel
from saystream.engines.kokoro.parts import folder_of_parts
from saystream.engines.kokoro.reading import LANGUAGES, Reader
from saystream.engines.kokoro.runtime import Interrupt, Interrupted
from saystream.engines.kokoro.splitting import split
from saystream.engines.kokoro.statistics import Statistics
from saystream.engines.kokoro.stream import StreamingModel
from saystream.engines.kokoro.styles import Styles
from saystream.engines.kokoro.timing import WordMarks
from saystream.engines.kokoro.voices import clear_in_english, gain, is_british, parse_voice
from saystream.engines.kokoro.windows import Precision
from saystream.engines.options import read_options
from saystream.errors import EngineUnavailable, InvalidValue, ModelMissing
from saystream.text.pauses import pause_after_ms

if TYPE_CHECKING:
    from saystream.audio import Samples
    from saystream.dsp.stage import Stage
    from saystream.text.rewriting import Rewritten

__all__ = ["KokoroEngine"]

_DEFAULT_VOICE = "af_heart"

_OWN_SPEEDS = (0.8, 1.25)
"""What the model itself is asked for; the rest is left to the stages."""

_STREAM_THREADS = 1
"""A second one costs CPU time and brings no sound sooner (measured)."""
_WHOLE_THREADS = 2
"""A better use of two cores than one thread each for two passes: listeners wait for the end of a pass."""

_MAX_OPEN_STREAMS = 16
"""For each that computes: an open one keeps a few megabytes and a thread."""

_ENCODER_MODEL, _ENCODER_FILE = "campplus", "campplus_cn_en_common.pt"

_PROBES = {
    "en": "We walked along the river to the old town, and sat down by the bridge.",
    "zh": "我们沿着河边走到老城，在桥边坐了下来。",
}
"""What is said while a speaker is matched: about three seconds with all kinds of sounds."""
_PROBE_PAUSE_S = 0.3
"""Between two windows of a probe while somebody listens."""

_WARM_UP = "The first sentence takes longer than the next."
"""Long enough for windows."""


class _Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    folder: str = ""
    """With ``model.onnx`` and ``voices/``; "" is what ``saystream models pull kokoro`` has fetched."""
    threads: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    """Of the model for one pass; 0 is one where sound is made window by window, else two."""
    concurrency: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    """Streams that compute at once; 0 is one for each ``threads`` cores. With fewer than that, the process keeps to as
    many cores as they need."""
    precision: Precision = "auto"
    """Of the windows. ``auto`` is bf16 where that is faster on this machine and sounds the same."""


class KokoroEngine(Engine):
    """Takes ``folder``, ``threads``, ``concurrency`` and ``precision``. ``info`` is known after ``load()``: its voices
    are files.

    A voice is one of ``info.voices`` or a mix of up to four, such as ``zf_xiaoxiao:0.6+af_heart:0.4``.
    """

    def __init__(self, **options: Any) -> None:
        """Raises ConfigurationError for an option that cannot be."""
        self._options = read_options("kokoro", _Options, options)
        self._reader = Reader()
        self._heard = 0
        """Streams that are being read."""

    def load(self) -> None:
        """Raises EngineUnavailable where the weights are missing or no language can be read."""
        folder = self._folder()
        self._styles = Styles(folder / "voices")
        if not (folder / "model.onnx").is_file() or not self._styles.voices:
            raise EngineUnavailable(
                f"{folder} holds no Kokoro model: it must contain model.onnx and voices/*.bin."
            )
        languages = self._readable()
        first, others = [*languages][:1], [*languages][1:]
        # Side by side: most of the loading of the model holds no lock of Python.
        with ThreadPoolExecutor(1, "readers") as beside:
            beside.submit(self._prepare, first)
            self._model = self._load_model(folder)
        give_back_memory()
        voices = self._styles.voices
        default = _DEFAULT_VOICE if _DEFAULT_VOICE in voices else voices[0]
        streams = self._num_streams(self._model.threads)
        self.info = EngineInfo(
            name="kokoro",
            sample_rate=SAMPLE_RATE,
            languages=languages,
            voices=(default, *(voice for voice in voices if voice != default)),
            concurrency=streams,
            parallel=streams,
            runtime=self._model.runtime,
            chunk_ms=self._model.chunk_ms,
            marks=True,
            enrolls="voice_match" if Bases(voices).names else "",
            alphabets={"*": ("pinyin", "arpabet", "ipa")},
        )
        if language := next(iter(languages), None):
            request = SynthesisRequest(default, language)
            factor = self._measured_factor(request)
            self.info = replace(
                self.info, realtime_factor=factor, concurrency=streams * self._open_streams(factor)
            )
        # Dictionaries of the other languages take seconds of CPU time: by now the engine can speak.
        threading.Thread(target=self._prepare, args=(others,), name="readers", daemon=True).start()

    @classmethod
    def prepare(cls, folder: Path) -> None:
        """Cuts the model into the parts that give its sound window by window.

        Raises EngineUnavailable for an export that cannot be cut, or where the parts cannot be written: the model is
        spoken as it is.
        """
        # Here, because the package onnx takes a second to import and is of no use afterwards.
        try:
            from saystream.engines.kokoro.cut.make import make_parts
        except ModuleNotFoundError as missing:
            raise EngineUnavailable(
                f"Kokoro's model is cut into parts by the package '{missing.name}', which is not installed."
                " Install it with: pip install 'saystream[kokoro]'"
            ) from missing

        make_parts(folder)

    def open(self, request: SynthesisRequest) -> EngineStream:
        """A cancel also ends a pass of the model that is under way."""
        interrupt = Interrupt()
        ahead: StepsAhead[Samples | Reading] = StepsAhead()
        return SegmentStream(
            lambda span: self._listened(span, request, interrupt, ahead), interrupt=interrupt, ahead=ahead
        )

    def _listened(
        self,
        span: Span,
        request: SynthesisRequest,
        interrupt: Interrupt,
        ahead: StepsAhead[Samples | Reading],
    ) -> Iterator[SpeechChunk]:
        self._heard += 1
        try:
            yield from self.speak(span, request, interrupt, ahead)
        finally:
            self._heard -= 1

    def speak(
        self,
        span: Span,
        request: SynthesisRequest,
        interrupt: Interrupt,
        ahead: StepsAhead[Samples | Reading],
    ) -> Iterator[SpeechChunk]:
        """Raises InvalidValue for a voice or a language that it does not have."""
        if request.language not in self.info.languages:
            raise InvalidValue("language", request.language, self.info.languages)
        if request.material:
            match = Match.unpack(request.material, self._styles.voices)
            voice = match.rhythm
        else:
            match = None
            voice = parse_voice(request.voice, self._styles.voices)
        symbols = self._reader.read(
            span.text,
            request.language,
            british=is_british(voice),
            pronunciations=span.pronunciations,
        )
        if match is None:
            english = self._reader.has_english(span.text, request.language)
            manner, stages = self._as_voice(voice, request, interrupt, ahead, english=english)
        else:
            manner, stages = self._as_match(match, request, interrupt, ahead)
        words = WordMarks(span.offset, phonemes=request.phonemes, chinese=request.language == "zh")
        marks = MarkTimes(manner.wanted_speed / manner.speed)
        for samples in shaped(self._pieces(symbols, manner, words, marks), stages):
            # Those of a pass are known before its first sound, and come with it.
            yield SpeechChunk(samples, marks.take(math.inf) if request.marks else ())

    def _as_voice(
        self,
        voice: dict[str, float],
        request: SynthesisRequest,
        interrupt: Interrupt,
        ahead: StepsAhead[Samples | Reading],
        *,
        english: bool,
    ) -> tuple[_Manner, list[Stage]]:
        timbre_of = rhythm_of = voice
        if english:
            timbre_of, rhythm_of = clear_in_english(voice, self._styles.voices)
        speed = _own_speed(request.speed)
        manner = _Manner(
            timbre_of,
            rhythm_of,
            speed,
            request.intonation,
            request.speed,
            gain(timbre_of),
            None,
            interrupt,
            ahead,
        )
        stages = timbre(
            SAMPLE_RATE, speed=request.speed / speed, pitch=request.pitch, formant=request.formant
        )
        return manner, stages

    def _as_match(
        self,
        match: Match,
        request: SynthesisRequest,
        interrupt: Interrupt,
        ahead: StepsAhead[Samples | Reading],
    ) -> tuple[_Manner, list[Stage]]:
        """Like somebody who was enrolled."""
        wanted_speed = request.speed * match.speed
        speed = _own_speed(wanted_speed)
        tuning, pitch = (match.tuning, 1.0) if self._model.tunes else (None, match.hz / match.own_hz)
        volume = 10 ** (match.gain_db / 20)
        manner = _Manner(
            match.timbre,
            match.rhythm,
            speed,
            request.intonation,
            wanted_speed,
            volume,
            tuning,
            interrupt,
            ahead,
        )
        stages = timbre(
            SAMPLE_RATE,
            speed=wanted_speed / speed,
            pitch=request.pitch * pitch,
            formant=request.formant * match.formant,
        )
        if match.levels_db:
            stages.append(Equaliser(SAMPLE_RATE, match.levels_db))
        return manner, stages

    def enroll(self, recording: Recording) -> Enrolled:
        """Voice match: a mix of its voices that is tuned to the speaker. With the weights of ``campplus``, one that
        they hear as similar, too. Raises AudioSilent."""
        matcher = Matcher(
            Bases(self._styles.voices), self._encoder(), sample_rate=SAMPLE_RATE, say=self._probe
        )
        match, similarity = matcher.match(recording)
        return Enrolled(match.pack(), similarity)

    def _encoder(self) -> SpeakerEncoder | None:
        """Read anew each time: voices are enrolled seldom, and it takes 28 MB."""
        from saystream.models import ModelStore

        try:
            return SpeakerEncoder(ModelStore().path(_ENCODER_MODEL) / _ENCODER_FILE)
        except (ModelMissing, EngineUnavailable) as missing:
            _log(f"Speakers are matched by pitch, pace and spectrum alone. {missing.message}")
            return None

    def _probe(self, match: Match) -> Samples:
        """What a match sounds like. Streams that are heard go first."""
        language = next(
            (each for each in ("en", "zh") if each in self.info.languages), next(iter(self.info.languages))
        )
        request = SynthesisRequest("", language, material=match.pack())
        chunks: list[Samples] = []
        for chunk in self.speak(Span(_PROBES.get(language, _WARM_UP)), request, Interrupt(), StepsAhead()):
            chunks.append(chunk.samples)
            if self._heard:
                time.sleep(_PROBE_PAUSE_S)
        return np.concatenate([*chunks, np.zeros(0, np.float32)])

    def _pieces(
        self, symbols: Rewritten, manner: _Manner, words: WordMarks, marks: MarkTimes
    ) -> Iterator[Samples]:
        """Without the silence around each pass, but for the pause that is due between two; until it is interrupted.

        A pass is read as a step of the one before it, so that another thread can do that.
        """
        edges = SegmentEdges(SAMPLE_RATE)
        volume = np.float32(manner.volume)
        parts = list(self._passes(symbols))
        reading: Reading | None = None
        with suppress(Interrupted):
            for part, following in zip_longest(parts, parts[1:]):
                reading = reading or self._read(part, manner)
                if reading.bounds_ms is not None:
                    words.timed(part, reading.bounds_ms)
                steps: list[Callable[[], Samples | Reading]] = [*reading.steps]
                if (
                    following is not None
                ):  # before the last window, so that no core waits; but after the first
                    steps.insert(max(1, len(steps) - 1), partial(self._read, following, manner))
                for made in manner.ahead.in_order(steps):
                    if isinstance(made, Reading):
                        reading = made
                        continue
                    ready = edges.push(made * volume)
                    marks.push(words.take(), edges)
                    yield from ready
                marks.end_segment(edges)
                edges.end_segment(pause_after_ms(part.text) / manner.speed)

    def _read(self, part: Rewritten, manner: _Manner) -> Reading:
        return self._model.read(
            part.text,
            manner.rhythm,
            timbre=manner.timbre,
            speed=manner.speed,
            intonation=manner.intonation,
            tuning=manner.tuning,
            interrupt=manner.interrupt,
        )

    def _passes(self, symbols: Rewritten) -> Iterator[Rewritten]:
        end = 0
        for part in split(symbols.text, self._model.limits):
            start, end = end, end + len(part)
            if said := symbols[start:end].strip():
                yield said

    def _load_model(self, folder: Path) -> StreamingModel | WholeModel:
        parts = folder_of_parts(folder)
        if parts is not None:
            threads = self._options.threads or _STREAM_THREADS
            streams = self._num_streams(threads)
            claim_cores(streams * threads)
            return StreamingModel(
                parts,
                self._styles,
                Statistics.read(),
                streams=streams,
                threads=threads,
                precision=self._options.precision,
            )
        _log(
            f"{folder} has no parts, so a text is heard only when all of its sound is made."
            " Make them with: saystream models pull kokoro"
        )
        threads = self._options.threads or _WHOLE_THREADS
        return WholeModel(folder / "model.onnx", self._styles, threads=threads)

    def _num_streams(self, threads: int) -> int:
        return self._options.concurrency or max(1, num_cores() // threads)

    def _measured_factor(self, request: SynthesisRequest) -> float | None:
        """Warms up. In CPU time, which other programs of this machine do not lengthen."""
        began_s = time.process_time()
        chunks = list(self.speak(Span(_WARM_UP), request, Interrupt(), StepsAhead()))
        busy_s = (time.process_time() - began_s) / self._model.threads
        num_samples = sum(len(chunk.samples) for chunk in chunks)
        return busy_s * SAMPLE_RATE / num_samples if num_samples else None

    def _open_streams(self, factor: float | None) -> int:
        """For each that computes. Where sound is made window by window, two for each listener that it keeps in sound: a
        new one finds a place."""
        if not factor or not isinstance(self._model, StreamingModel):
            return 1
        return min(_MAX_OPEN_STREAMS, 2 * math.ceil(1 / factor))

    def _folder(self) -> Path:
        if self._options.folder:
            return Path(self._options.folder)
        from saystream.models import ModelStore

        return ModelStore().path("kokoro")

    def _readable(self) -> dict[str, str]:
        """The languages for which everything is installed, and how well each is spoken."""
        return {language: quality for language, quality in LANGUAGES.items() if self._can_read(language)}

    def _can_read(self, language: str) -> bool:
        try:
            self._reader.check(language)
        except EngineUnavailable as missing:
            _log(missing.message)
            return False
        return True

    def _prepare(self, languages: Sequence[str]) -> None:
        """Makes readers before they are needed. One that cannot be made is named here, and fails each text of its
        language."""
        for language in languages:
            try:
                self._reader.prepare(language)
            except EngineUnavailable as fault:
                _log(fault.message)
        give_back_memory()


def _own_speed(wanted: float) -> float:
    slowest, fastest = _OWN_SPEEDS
    return min(max(wanted, slowest), fastest)


def _log(message: str) -> None:
    """Kept for the log by the gateway."""
    print(message, file=sys.stderr)  # noqa: T201


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a text is said by the model."""

    timbre: Mapping[str, float]
    rhythm: Mapping[str, float]
    speed: float
    """That of the model, not that of what is heard."""
    intonation: float
    wanted_speed: float
    """That of what is heard."""
    volume: float
    tuning: Tuning | None
    interrupt: Interrupt
    ahead: StepsAhead[Samples | Reading]
