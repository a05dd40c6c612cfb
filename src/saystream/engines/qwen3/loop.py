"""The thread that owns the device: it takes in what streams were told, plans a step, runs it, and repeats."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import structlog
import torch

from saystream.engines.qwen3.batch import Batch, Take
from saystream.engines.qwen3.config import FRAME_SAMPLES
from saystream.engines.qwen3.packets import Packetizer
from saystream.engines.qwen3.prompt import Layout, frame_limit
from saystream.engines.qwen3.runner import Runner, Start, StepRow
from saystream.engines.qwen3.sampling import Sampling
from saystream.engines.qwen3.speech import Speech, SpeechStream
from saystream.engines.qwen3.text_queue import TextCutter, TextQueue

if TYPE_CHECKING:
    from torch import Tensor

    from saystream.dsp.stage import Stage
    from saystream.engines.qwen3.prompt import Prompt

__all__ = ["LoopLimits", "SpeechLoop", "VoicePrompt"]

_SEED_STEP = 0x9E37_79B9_7F4A_7C15
"""From the seed of one take of a stream to that of the next."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """What one stream may hold."""

    max_packet_frames: int = 4
    max_unread_frames: int = 100
    """Audio of one stream that has not been read, 8 s; above this the stream is held."""
    max_start_rows: int = 512
    """Prompt rows computed between two steps, unless one prompt has more."""


class VoicePrompt(Protocol):
    """What a stream speaks with. Created on the engine's thread."""

    prompt: Prompt

    def prepare_codec(self, slot: int) -> int:
        """Put the codec's slot into the state before the first frame; returns how many frames it has had."""


@dataclass(slots=True)
class _Session:
    speech: Speech
    voice: VoicePrompt
    sampling: Sampling
    prompt: Prompt
    """Of its current take: that of the voice, with the text if the layout is whole."""


class SpeechLoop:
    """Speaks the streams of one model. ``run`` in one thread; everything else may be called from any thread."""

    def __init__(
        self,
        runner: Runner,
        *,
        num_slots: int,
        limits: LoopLimits,
        on_broken: Callable[[BaseException], None],
    ) -> None:
        """``on_broken`` is called when a step of the device failed: no stream continues then."""
        self._runner = runner
        self._limits = limits
        self._on_broken = on_broken
        self._batch = Batch(
            num_slots=num_slots, max_positions=runner.max_positions, max_start_rows=limits.max_start_rows
        )
        self._sessions: dict[SpeechStream, _Session] = {}
        self._by_take: dict[Take, _Session] = {}
        self._opened: deque[tuple[SpeechStream, Callable[[], VoicePrompt], Sampling]] = deque()
        self._woken = threading.Condition()
        self._something_new = False
        self._closed = False
        self.steps = 0
        """Steps done so far."""

    # --- any thread ------------------------------------------------------------------------------------------------

    def open(
        self, make_voice: Callable[[], VoicePrompt], sampling: Sampling, stages: Sequence[Stage] = ()
    ) -> SpeechStream:
        """A new stream whose audio passes through ``stages``. ``make_voice`` is called on the engine's thread; whatever
        it raises is raised to the reader of the stream."""
        stream = SpeechStream(self._wake, stages)
        self._opened.append((stream, make_voice, sampling))
        self._wake()
        return stream

    def close(self) -> None:
        """Let ``run`` return; open streams end there."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        with self._woken:
            self._something_new = True
            self._woken.notify()

    # --- the thread of the engine ----------------------------------------------------------------------------------

    def run(self) -> None:
        """Until ``close``."""
        while not self._closed:
            if not self.turn():
                with self._woken:
                    self._woken.wait_for(lambda: self._something_new)
        self._end_all(None)

    def turn(self) -> bool:
        """Take in what is new and do one step; False if there was nothing to do until something new comes."""
        try:
            return self._turn()
        except Exception as error:
            # Whatever it was: if this thread ended, every stream would wait for ever.
            _log.exception("step failed")
            self._closed = True
            self._end_all(error)
            self._on_broken(error)
            return False

    def _turn(self) -> bool:
        with self._woken:
            self._something_new = False
        self._take_in()
        plan = self._batch.plan()
        if plan.starts:
            self._start(plan.starts)
        if plan.steps:
            self._step(plan.steps)
        self._flush_held()
        return bool(plan) or any(stream.has_text for stream in self._sessions)

    def _take_in(self) -> None:
        while self._opened:
            self._begin(*self._opened.popleft())
        for stream, session in list(self._sessions.items()):
            take = session.speech.take
            if stream.cancelled:
                self._end(session)
                continue
            try:
                session.speech.accept_text()
                if take is None or (take.slot is None and take.text.spoken):
                    self._next_take(session)
            except Exception as error:  # of one text or voice: the others are not affected
                _log.exception("stream failed")
                self._end(session, error)
                continue
            if session.speech.take is not None:
                unread = stream.unread_samples // FRAME_SAMPLES
                session.speech.take.paused = unread >= self._limits.max_unread_frames

    def _begin(self, stream: SpeechStream, make_voice: Callable[[], VoicePrompt], sampling: Sampling) -> None:
        if stream.cancelled:
            return
        try:
            voice = make_voice()
        except Exception as error:  # a voice that is not available is a fault of its own stream
            stream.end(error)
            return
        model = self._runner.model
        room = self._runner.max_positions - len(voice.prompt.prefix) - len(voice.prompt.forced)
        speech = Speech(
            stream,
            new_tokenizer=model.tokens.incremental,
            new_queue=lambda: TextQueue(
                eos_id=model.eos_id, pad_id=model.pad_id, is_speakable=model.tokens.is_speakable
            ),
            cutter=TextCutter(soft_bytes=max(1, room * 2 // 5), hard_bytes=max(1, room * 3 // 5)),
            packetizer=Packetizer(self._limits.max_packet_frames),
        )
        self._sessions[stream] = _Session(speech, voice, sampling, voice.prompt)

    def _next_take(self, session: _Session) -> None:
        """A take for the text that is left, or the end of the stream if there is none."""
        speech = session.speech
        if (old := speech.take) is not None:
            self._batch.leave(old)
            self._by_take.pop(old, None)
            speech.take = None
        if not speech.go_on():
            self._end(session)
            return
        whole = session.voice.prompt.layout is Layout.WHOLE
        if whole and not speech.text.closed:
            return
        prompt, num_ids = session.voice.prompt, 0
        if whole:
            ids = speech.text.take_all()
            with torch.inference_mode():
                prompt, num_ids = prompt.with_text(ids), len(ids)
        take = Take(
            prompt_rows=len(prompt.prefix),
            text_rows=len(prompt.forced),
            text=speech.text,
            frame_limit=frame_limit,
            lead_ids=prompt.text_ids,
            ids_in_prompt=num_ids,
        )
        self._batch.join(take)
        session.prompt = prompt
        speech.take = take
        self._by_take[take] = session

    def _end(self, session: _Session, fault: BaseException | None = None) -> None:
        speech = session.speech
        if speech.take is not None:
            self._batch.leave(speech.take)
            self._by_take.pop(speech.take, None)
        if (packet := speech.packetizer.flush()) is not None:
            speech.stream.give(packet)
        del self._sessions[speech.stream]
        speech.stream.end(fault)

    def _end_all(self, fault: BaseException | None) -> None:
        for session in list(self._sessions.values()):
            self._end(session, fault)
        while self._opened:
            self._opened.popleft()[0].end(fault)

    # --- the device ------------------------------------------------------------------------------------------------

    def _start(self, takes: Sequence[Take]) -> None:
        starts = []
        for take in takes:
            session = self._by_take[take]
            assert take.slot is not None
            session.speech.codec_frames = session.voice.prepare_codec(take.slot)
            seed = session.sampling.seed + session.speech.takes * _SEED_STEP
            session.speech.takes += 1
            starts.append(Start(take.slot, self._prompt_of(take), replace(session.sampling, seed=seed)))
        self._runner.start(starts)
        for take in takes:
            self._batch.started(take)
            self._by_take[take].speech.count_text()

    @torch.inference_mode()
    def _prompt_of(self, take: Take) -> Tensor:
        prompt = self._by_take[take].prompt
        if not take.text_rows:
            return prompt.prefix
        ids = torch.tensor(take.take_ids(take.text_rows), device=prompt.prefix.device)
        return torch.cat((prompt.prefix, prompt.forced + self._runner.model.text_vectors(ids)))

    def _step(self, takes: Sequence[Take]) -> None:
        rows = []
        for take in takes:
            assert take.slot is not None
            codec_frames = self._by_take[take].speech.codec_frames
            (text_id,) = take.take_ids(1)
            rows.append(StepRow(take.slot, take.position, codec_frames + take.frames, take.frames, text_id))
        result = self._runner.step(rows)
        self.steps += 1
        for take, samples, ended in zip(takes, result.samples, result.ended, strict=True):
            speech = self._by_take[take].speech
            if (packet := speech.packetizer.push(samples)) is not None:
                speech.stream.give(packet)
            self._batch.stepped(take, ended=ended)
            if take.ending is not None:
                self._after(take)
            speech.count_text()

    def _after(self, take: Take) -> None:
        """A take has ended by itself: its stream continues with the text that is left, if any."""
        if take.ending != "spoken":
            _log.warning("speech cut off", reason=take.ending, frames=take.frames)
        self._next_take(self._by_take[take])

    def _flush_held(self) -> None:
        """A stream that waits for text must not hold back audio."""
        for session in self._sessions.values():
            speech = session.speech
            waits = speech.take is None or speech.take.slot is None or not speech.take.can_step
            if waits and (packet := speech.packetizer.flush()) is not None:
                speech.stream.give(packet)
