"""The way from an engine's samples to a listener's bytes: one chain for each response, whatever its segments."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saystream.audio import Effects
from saystream.dsp.encoders import UNCOMPRESSED, make_encoder, settled
from saystream.dsp.voicing import Voicing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from saystream.audio import AudioChunk, AudioFormat, Mark, Samples
    from saystream.dsp.stage import Stage
    from saystream.dsp.voicing import Music

__all__ = ["FADE_MS", "LEAST_DELTA_MS", "Chain", "EncodedAudio"]

LEAST_DELTA_MS = 10
"""Sound in the shortest delta of a container that does not compress (ruling 23)."""

FADE_MS = LEAST_DELTA_MS
"""Long enough that a response that is cut off does not end in a click, too short to be heard as more of it."""


@dataclass(frozen=True, slots=True)
class EncodedAudio:
    """What one delta carries."""

    encoded: bytes
    """Never empty."""
    duration_ms: float
    """Sound that went into the encoder for it."""
    marks: tuple[Mark, ...] = ()
    """Marks of the words that begin in this delta, with times in the audio of the whole response."""


class Chain:
    """Shape what engines say, see ``voicing``, cut it into deltas, and encode it.

    Nothing is held back except what ``delay_ms`` says, and silence that may be the end of a segment. What a push
    completes is cut into even pieces of at most ``delta_ms``; the first piece of the response is ``first_delta_ms``, so
    that it leaves while the rest is still being processed. If the effects change nothing, no stage is used for them.

    In a container that does not compress, no delta holds less than ``LEAST_DELTA_MS`` of sound: that much is always
    held back, so that what comes last can join it. Both lengths of a delta must be at least twice that. A whole
    response that is shorter ends in silence.

    Marks go along: their times become those of the audio that comes out. A mark of a segment without sound, or with a
    time after the last sound, is dropped.
    """

    def __init__(
        self,
        audio_format: AudioFormat,
        *,
        effects: Effects | None = None,
        first_delta_ms: float,
        delta_ms: float,
    ) -> None:
        """Raises :class:`~saystream.errors.InvalidValue` for a container that this build cannot write."""
        self.audio_format = settled(audio_format)
        """What is written: it may differ from the format requested, see ``encoders.settled``."""
        self._effects = effects or Effects()
        self._sample_rate = self.audio_format.sample_rate
        self._encoder = make_encoder(self.audio_format)
        self._voicing = Voicing(self._sample_rate, self._effects, self._cut)
        self._pieces: deque[Samples] = deque()
        """Ready but not yet encoded."""
        self._next_piece_samples = max(1, round(first_delta_ms * self._sample_rate / 1000))
        self._delta_samples = max(1, round(delta_ms * self._sample_rate / 1000))
        least_ms = LEAST_DELTA_MS if self.audio_format.container in UNCOMPRESSED else 0
        self._least_samples = -(-least_ms * self._sample_rate // 1000)
        self._held_back = np.zeros(0, np.float32)
        """The sound after the last of the pieces."""
        self._samples_in_encoder = 0
        self._samples_encoded = 0
        self._marks = self._voicing.marks

    def delay_ms(self, source_rate: int) -> float:
        """Sound from an engine of this rate that goes in before the first bytes of sound come out.

        Silence at the beginning of a segment is not counted: it is held back until there is sound.
        """
        tempo_ms, behind_ms = self._voicing.delay_ms(source_rate)
        least_ms = 2 * self._least_samples * 1000 / self._sample_rate
        return tempo_ms + (behind_ms + least_ms + self._encoder.delay_ms) * self._effects.speech_rate

    def push(self, chunk: AudioChunk) -> Iterator[EncodedAudio]:
        """The rate of the chunks may change between segments, because another engine may speak the next one.

        Results that are not read come with the next call.
        """
        self._voicing.push(chunk)
        return self._encode_pieces()

    def end_segment(self, pause_ms: float) -> None:
        """What comes next is another segment, at least ``pause_ms`` after the sound of this one, at speech rate 1.

        The engine's own silence counts towards the pause, and is cut if it is longer (``silence.TRAILING_MS``). After
        the last segment there is no pause.
        """
        self._voicing.end_segment(pause_ms)

    def pause(self, duration_ms: float) -> Iterator[EncodedAudio]:
        """Silence of exactly this between the sound before and the sound after it, also at the begin and the end of the
        response. Pauses in a row add up."""
        self._voicing.pause(duration_ms)
        return self._encode_pieces()

    def play(self, sound: AudioChunk) -> Iterator[EncodedAudio]:
        """A sound that no engine makes: volume and voice effect are those of the voice, speed and pitch its own."""
        self._voicing.play(sound)
        return self._encode_pieces()

    def change(
        self,
        effects: Effects,
        *,
        make_effect: Callable[[int], Stage] | None = None,
        music: Music | None = None,
    ) -> Iterator[EncodedAudio]:
        """What comes next has other effects, another ``make_effect(sample_rate)`` behind them, and other music under
        it: the same object goes on, another one or ``None`` ends it, half a second after the voice."""
        self._voicing.change(effects, make_effect=make_effect, music=music)
        return self._encode_pieces()

    def release(self) -> Iterator[EncodedAudio]:
        """The sound that is held back for a tail, when nothing may follow for a while. A tail then ends in silence."""
        if len(self._held_back) >= max(1, self._least_samples):
            self._pieces.append(self._held_back)
            self._held_back = self._held_back[:0]
        return self._encode_pieces()

    def flush(self) -> Iterator[EncodedAudio]:
        """Everything that was held back, except the silence at the end. The chain cannot be used afterwards."""
        self._voicing.flush()
        yield from self._end(self._held_back)

    def cut_off(self) -> Iterator[EncodedAudio]:
        """End at once, instead of ``flush``: 10 ms of the sound that is ready, faded out, and nothing more.

        What was returned before can no longer be faded. If nothing is ready, the stream ends as it is.
        """
        self._voicing.flush()
        fading = _joined([*self._pieces, self._held_back])[: FADE_MS * self._sample_rate // 1000]
        self._pieces.clear()
        yield from self._end(fading * np.linspace(1, 0, len(fading), dtype=np.float32))

    def _end(self, last: Samples) -> Iterator[EncodedAudio]:
        """Encode the pieces, then ``last``, and finish the container."""
        yield from self._encode_pieces()
        is_header_alone = self.audio_format.container == "wav" and not self._samples_encoded
        if len(last) or is_header_alone:
            missing = max(0, self._least_samples - len(last))
            yield from self._encoded(np.concatenate([last, np.zeros(missing, np.float32)]))
        yield from self._deltas(self._encoder.flush(), 0)

    def _cut(self, stretches: list[Samples]) -> None:
        """Cut all but the last of the sound into pieces."""
        samples = _joined([self._held_back, *stretches])
        least = self._least_samples
        num_ready = len(samples) - least
        if num_ready < max(1, least):
            self._held_back = samples
            return
        ready, self._held_back = samples[:num_ready], samples[num_ready:]
        self._pieces.append(ready[: self._next_piece_samples])
        rest = ready[self._next_piece_samples :]
        self._next_piece_samples = self._delta_samples
        if len(rest) < least:
            self._held_back = np.concatenate([rest, self._held_back])
        elif len(rest):
            self._pieces.extend(np.array_split(rest, -(-len(rest) // self._delta_samples)))

    def _encode_pieces(self) -> Iterator[EncodedAudio]:
        while self._pieces:
            yield from self._encoded(self._pieces.popleft())

    def _encoded(self, piece: Samples) -> Iterator[EncodedAudio]:
        yield from self._deltas(self._encoder.push(piece), len(piece))

    def _deltas(self, encoded: bytes, num_samples: int) -> list[EncodedAudio]:
        """No delta while the encoder is still gathering input; the next one then counts that input too."""
        self._samples_in_encoder += num_samples
        if not encoded:
            return []
        duration_ms = self._samples_in_encoder * 1000 / self._sample_rate
        self._samples_encoded += self._samples_in_encoder
        self._samples_in_encoder = 0
        marks = (
            self._marks.take(self._samples_encoded * 1000 / self._sample_rate) if self._marks.placed else ()
        )
        return [EncodedAudio(encoded, duration_ms, marks)]


def _joined(stretches: Collection[Samples]) -> Samples:
    if len(stretches) == 1:
        return next(iter(stretches))
    return np.concatenate([np.zeros(0, np.float32), *stretches])
