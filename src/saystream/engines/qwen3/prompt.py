"""What the talker is given before it speaks: one row for each position, a text vector and a codec vector added up.

Rows, in order (text side + codec side)::

    instruction   its ids                     nothing               VoiceDesign, CustomVoice 1.7B
    role          <|im_start|> assistant \\n   nothing
    tags          tts_pad each                no_think think_bos think_eos, or
                                              think think_bos LANGUAGE think_eos
    speaker       tts_pad                     a row of the codec embedding, or the x-vector
    start         tts_bos                     pad
    STREAMING     text, one for each          bos, then the reference's frames, then what is generated
    WHOLE         text then tts_eos           pad
                  tts_pad                     bos, then the reference's frames, then what is generated

The layouts are those of the published package; the parity tests compare every row.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from saystream.engines.qwen3.config import Config
from saystream.engines.qwen3.reference import Reference
from saystream.engines.qwen3.tokens import Tokens
from saystream.errors import InvalidValue
from saystream.languages import LANGUAGE_NAMES

__all__ = ["LANGUAGES", "Layout", "Prompt", "PromptBuilder", "frame_limit"]

LANGUAGES = {code: name.lower() for code, name in LANGUAGE_NAMES.items()}
"""ISO 639-1 code -> the name that a checkpoint has for it, if it speaks the language."""


class Layout(enum.Enum):
    """Where the text goes."""

    STREAMING = "streaming"
    """One text id beside each frame: speech begins with the first word. The package's default for cloned voices."""
    WHOLE = "whole"
    """All of it before the first frame. The package's default for the other voices."""


def frame_limit(text_ids: int) -> int:
    """Frames after which the speech of this many ids is cut off: a model does not end by itself in one of 300 runs.

    Twelve frames for each id and at least 192 (15 s) are the limits that vLLM-Omni ships for these checkpoints.
    """
    return max(192, 12 * text_ids)


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """The beginning of one session; the package's docstring says how to continue from it."""

    prefix: Tensor
    """[P, H]: rows that need no text."""
    forced: Tensor
    """[K, H]: codec sides that each wait for a text vector; empty once the text is in the prefix."""
    text_ids: tuple[int, ...] = ()
    """Ids at the start of the text side: what the reference says."""
    codes: Tensor | None = None
    """[N, 16]: the reference's codes, for the codec."""
    instruct_dropped: bool = False
    """An instruction was given, but this checkpoint does not follow it."""
    layout: Layout = Layout.STREAMING
    _whole: Callable[[Prompt, Sequence[int]], Prompt] | None = None

    def with_text(self, ids: Sequence[int]) -> Prompt:
        """For ``Layout.WHOLE``: the prompt with the user's ``ids`` in it. Raises InvalidValue if there are none."""
        if self._whole is None:
            raise ValueError("the text of a streaming prompt comes beside its frames")
        if not ids:
            raise InvalidValue("text", "", "text with something to speak")
        return self._whole(self, ids)


class PromptBuilder:
    """Makes prompts for one checkpoint."""

    def __init__(
        self,
        config: Config,
        tokens: Tokens,
        text_vectors: Callable[[Tensor], Tensor],
        frame_vectors: Callable[[Tensor], Tensor],
        codec_embedding: Callable[[Tensor], Tensor],
        device: torch.device,
    ) -> None:
        self._config, self._tokens, self._device = config, tokens, device
        self._text_vectors, self._frame_vectors, self._codec_embedding = (
            text_vectors,
            frame_vectors,
            codec_embedding,
        )
        assistant, newline = tokens.encode("assistant"), tokens.encode("\n")
        user = tokens.encode("user")
        self._role = [config.im_start, *assistant, *newline]
        self._user = [config.im_start, *user, *newline]
        self._turn_end = [config.im_end, *newline]

    def custom_voice(
        self, speaker: str, *, language: str = "", instruct: str = "", layout: Layout = Layout.STREAMING
    ) -> Prompt:
        """A speaker of the checkpoint; ``language`` is an ISO 639-1 code, "" lets the model decide.

        Raises InvalidValue for a speaker or language that the checkpoint does not have.
        """
        talker = self._config.talker
        name = speaker.lower()
        if name not in talker.speakers:
            raise InvalidValue(
                "voice", speaker, sorted(talker.speakers), reason="The checkpoint has no such speaker."
            )
        language_id = self._language(language)
        if language in ("", "zh") and name in talker.dialects:
            language_id = talker.languages[talker.dialects[name]]
        vector = self._codec([talker.speakers[name]])
        return self._prompt(language_id, vector, instruct, layout, None)

    def voice_design(self, instruct: str, *, language: str = "", layout: Layout = Layout.STREAMING) -> Prompt:
        """A voice described in words."""
        return self._prompt(self._language(language), None, instruct, layout, None)

    def clone(
        self,
        reference: Reference,
        *,
        language: str = "",
        instruct: str = "",
        layout: Layout = Layout.STREAMING,
    ) -> Prompt:
        """A voice from a recording: by its vector and, if the reference has codes, by continuing it."""
        vector = reference.x_vector.to(self._device)[None]
        return self._prompt(self._language(language), vector, instruct, layout, reference)

    def _language(self, code: str) -> int | None:
        """Raises InvalidValue for a language that the checkpoint does not have."""
        if not code:
            return None
        name = LANGUAGES.get(code, code)
        if name not in self._config.talker.languages:
            known = [code for code, name in LANGUAGES.items() if name in self._config.talker.languages]
            raise InvalidValue("language", code, known, reason="The checkpoint does not speak it.")
        return self._config.talker.languages[name]

    def _prompt(
        self,
        language: int | None,
        speaker: Tensor | None,
        instruct: str,
        layout: Layout,
        reference: Reference | None,
    ) -> Prompt:
        talker = self._config.talker
        rows = []
        followed = self._config.follows_instructions
        if instruct.strip() and followed:
            ids = self._tokens.encode(instruct)
            rows.append(self._text([*self._user, *ids, *self._turn_end]))
        rows.append(self._text(self._role))
        tags = [talker.no_think] if language is None else [talker.think]
        tags += [talker.think_bos, *([] if language is None else [language]), talker.think_eos]
        sides = [self._codec(tags), *([] if speaker is None else [speaker.to(rows[0].dtype)])]
        rows += [side + self._text([self._config.tts_pad]) for side in sides]
        rows.append(self._text([self._config.tts_bos]) + self._codec([talker.pad]))
        forced = self._codec([talker.bos])
        codes: Tensor | None = None
        text_ids: tuple[int, ...] = ()
        if reference is not None and reference.codes is not None:
            codes = reference.codes.to(self._device)
            forced = torch.cat((forced, self._frame_vectors(codes)))
            text_ids = tuple(self._tokens.encode(reference.text))
        return Prompt(
            prefix=torch.cat(rows),
            forced=forced,
            text_ids=text_ids,
            codes=codes,
            instruct_dropped=bool(instruct.strip()) and not followed,
            layout=layout,
            _whole=self._whole if layout is Layout.WHOLE else None,
        )

    def _whole(self, prompt: Prompt, ids: Sequence[int]) -> Prompt:
        texts = self._text([*prompt.text_ids, *ids, self._config.tts_eos]) + self._codec(
            [self._config.talker.pad]
        )
        frames = prompt.forced + self._text([self._config.tts_pad])
        prefix = torch.cat((prompt.prefix, texts, frames))
        return dataclasses.replace(prompt, prefix=prefix, forced=prompt.forced[:0], text_ids=(), _whole=None)

    def _text(self, ids: Sequence[int]) -> Tensor:
        return self._text_vectors(torch.tensor(list(ids), device=self._device))

    def _codec(self, ids: Sequence[int]) -> Tensor:
        return self._codec_embedding(torch.tensor(list(ids), device=self._device))
