"""Qwen3-TTS as an engine: one checkpoint, its voices, and the thread that speaks them."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import structlog
import torch

from saystream.dsp.effects import timbre
from saystream.engines.base import (
    Engine,
    EngineInfo,
    EngineStream,
    Enrolled,
    Likeness,
    Recording,
    Span,
    SynthesisRequest,
)
from saystream.engines.options import read_options
from saystream.engines.qwen3.checkpoint import load_checkpoint
from saystream.engines.qwen3.config import SAMPLE_RATE, Kind
from saystream.engines.qwen3.graphs import capture_on, no_capture
from saystream.engines.qwen3.loop import LoopLimits, SpeechLoop
from saystream.engines.qwen3.material import pack_reference, unpack_reference
from saystream.engines.qwen3.memory import bytes_per_slot, slots_that_fit
from saystream.engines.qwen3.prompt import LANGUAGES, Layout, Prompt
from saystream.engines.qwen3.reference import Reference
from saystream.engines.qwen3.runner import Buckets, Runner
from saystream.engines.qwen3.sampling import Sampling
from saystream.engines.qwen3.voices import PreparedVoice, VoiceCache, at_model_rate, read_references
from saystream.errors import AudioTooShort, ConfigurationError, EngineUnavailable, InvalidValue
from saystream.models import ModelStore

__all__ = ["Qwen3BaseEngine", "Qwen3DesignEngine", "Qwen3Engine", "Qwen3Options"]

_MOST_SLOTS = 64
_CPU_SLOTS = 4
_BROKEN_EXIT_STATUS = 71
_WARM_UP = "The first words take longer, because everything they need is made ready with them."
_WARM_UP_PACKETS = 3
_MAX_PROMPT_SHARE = 0.5
"""Of the positions of a slot: the rest is for speech."""
_DESIGN_VOICE = "designed"
_DESIGN = "A clear and natural adult voice, calm and friendly."

_log = structlog.get_logger(__name__)

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=100)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1024)]


class Qwen3Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the checkpoint is, where it runs, and how it samples."""

    folder: str = ""
    """Of a checkpoint; if empty, ``model`` from the store of weights."""
    model: str = ""
    """A name from ``saystream models list``; empty is the smallest that fits the engine."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:1``."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of talker and predictor; ``auto`` is bfloat16 on a GPU. The codec is always float32: it makes the samples."""
    slots: Count = 0
    """Sessions at once; 0: on a GPU as many as its memory holds, up to 64; on a CPU 4."""
    max_positions: Annotated[int, msgspec.Meta(ge=256, le=32_768)] = 2048
    """Rows of prompt, text and frames that one stretch of speech may have: 2048 are 2½ minutes."""
    threads: Count = 0
    """Of a CPU; 0 leaves it to torch."""
    graphs: bool = True
    """Record the steps as CUDA graphs, if there is CUDA."""
    text_layout: Literal["streaming", "whole"] = "streaming"
    """``whole`` puts all of the text before the first frame: speech begins when the text has ended."""
    seed: int = 0
    """With the same seed a text always sounds the same; with a negative one, never quite. The seed of a request comes
    before it."""
    greedy: bool = False
    temperature: Positive | None = None
    """This and the next three are the checkpoint's own by default."""
    top_k: Count | None = None
    top_p: Share | None = None
    repetition_penalty: Positive | None = None
    max_packet_frames: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    """Frames of 80 ms that are sent together once speech is under way."""
    voice_cache_bytes: Annotated[int, msgspec.Meta(ge=0)] = 64 << 20
    """For prompts of voices that have been used."""
    voices: str = ""
    """Base: the folder with recordings to clone."""
    descriptions: dict[str, str] = {}
    """VoiceDesign: name of a voice, and what it is like."""


class Qwen3Engine(Engine):
    """A CustomVoice checkpoint. Takes the fields of :class:`Qwen3Options` as keywords.

    ``load`` raises ModelMissing, CheckpointInvalid, ConfigurationError or EngineUnavailable.
    """

    name: ClassVar[str] = "qwen3"
    kind: ClassVar[Kind] = "custom_voice"
    default_model: ClassVar[str] = "qwen3-tts-0.6b-customvoice"
    native_voices: ClassVar[tuple[str, ...]] = (
        "Serena", "Vivian", "Ryan", "Aiden", "Sohee", "Ono Anna", "Dylan", "Eric",
    )  # fmt: skip
    """The system voices that its speakers are named after; Dylan and Eric speak their dialects."""
    enrolls: ClassVar[Likeness] = ""

    def __init__(self, **options: Any) -> None:
        self.options = read_options(self.name, Qwen3Options, options)
        self._loop: SpeechLoop | None = None
        self._references: dict[str, Reference] = {}

    # --- loading ---------------------------------------------------------------------------------------------------

    def load(self) -> None:
        options = self.options
        if options.threads:
            torch.set_num_threads(options.threads)
        device = _device(options.device)
        dtype = _dtype(options.dtype, device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        folder = (
            Path(options.folder) if options.folder else ModelStore().path(options.model or self.default_model)
        )
        self._model = load_checkpoint(folder, device=device, dtype=dtype, codec_dtype=torch.float32)
        config = self._model.config
        if config.kind != self.kind:
            raise ConfigurationError(
                f"{folder} is a {config.kind} checkpoint; the engine {self.name} runs {self.kind}.",
                param=f"engines.{self.name}.folder",
            )
        self._sampling = _sampling(folder, options)
        self._layout = Layout(options.text_layout)
        num_slots = self._num_slots(device)
        runner = self._runner(device, num_slots)
        self._cache: VoiceCache[PreparedVoice] = VoiceCache(options.voice_cache_bytes)
        if self.kind == "base":
            self._references = read_references(self._model, Path(options.voices))
        spoken = [code for code, name in LANGUAGES.items() if name in config.talker.languages]
        self.info = EngineInfo(
            name=self.name,
            sample_rate=SAMPLE_RATE,
            languages=dict.fromkeys(spoken, "native"),
            voices=self._voices(),
            concurrency=num_slots,
            incremental_text=self._layout is Layout.STREAMING,
            native_voices=self.native_voices,
            normalizes_text=True,
            instructions=config.follows_instructions,
            enrolls=self.enrolls,
        )
        limits = LoopLimits(max_packet_frames=options.max_packet_frames)
        self._loop = SpeechLoop(runner, num_slots=num_slots, limits=limits, on_broken=self.broken)
        self._thread = threading.Thread(target=self._run, args=(device,), name=self.name, daemon=True)
        self._thread.start()
        self._warm_up()

    def _num_slots(self, device: torch.device) -> int:
        options = self.options
        slot_bytes = bytes_per_slot(self._model, options.max_positions)
        self._model.allocate(slots=0, max_positions=1)
        num_slots, free_bytes = options.slots or _CPU_SLOTS, None
        if device.type == "cuda":
            torch.cuda.empty_cache()
            free_bytes, _ = torch.cuda.mem_get_info(device)
            fitting = slots_that_fit(free_bytes, slot_bytes, options.slots or _MOST_SLOTS)
            if fitting < max(1, options.slots):
                raise EngineUnavailable(
                    f"The card has {free_bytes >> 20} MiB free; {max(1, options.slots)} sessions of"
                    f" {slot_bytes >> 20} MiB each do not fit. Set slots or max_positions lower."
                )
            num_slots = fitting
        _log.info(
            "memory planned",
            device=str(device),
            slots=num_slots,
            slot_mib=round(slot_bytes / 2**20, 1),
            free_mib=None if free_bytes is None else free_bytes >> 20,
        )
        return num_slots

    def _runner(self, device: torch.device, num_slots: int) -> Runner:
        positions = self.options.max_positions
        recorded = device.type == "cuda" and self.options.graphs
        # Padding is free where launching takes the time, and costs what it adds where computing does.
        buckets = Buckets.doubling if device.type == "cuda" else Buckets.fine
        runner = Runner(
            self._model,
            num_slots=num_slots,
            max_positions=positions,
            buckets=buckets(num_slots, positions),
            max_top_k=self._sampling.top_k or self._model.config.talker.codec_vocabulary,
            filters_top_p=self._sampling.top_p < 1,
            capture=capture_on(device) if recorded else no_capture,
        )
        if recorded:
            runner.record()
            _log.info("steps recorded", graphs=runner.num_recorded)
        return runner

    def _run(self, device: torch.device) -> None:
        assert self._loop is not None
        if device.type == "cuda":
            torch.cuda.set_device(device)  # every thread has its own
        self._loop.run()

    def _warm_up(self) -> None:
        """Whatever is slow the first time, such as choosing kernels, is slow before anyone listens."""
        stream = self.open(
            SynthesisRequest(voice=self.info.voices[0], language=next(iter(self.info.languages)))
        )
        stream.push(Span(_WARM_UP))
        stream.end_input()
        for number, _ in enumerate(stream.chunks(), 1):
            if number == _WARM_UP_PACKETS:
                stream.cancel()

    def broken(self, error: BaseException) -> None:
        """The device failed in the middle of a step; nothing that it does from now on can be trusted. The pool starts
        another process."""
        os._exit(_BROKEN_EXIT_STATUS)

    def close(self) -> None:
        """End all streams and the thread. For programs that continue without the engine."""
        if self._loop is not None:
            self._loop.close()
            self._thread.join()

    # --- speaking --------------------------------------------------------------------------------------------------

    def open(self, request: SynthesisRequest) -> EngineStream:
        """Raises InvalidValue for an unknown voice, or material that another engine has enrolled."""
        if not request.material and request.voice not in self.info.voices:
            raise InvalidValue("voice", request.voice, self.info.voices)
        assert self._loop is not None
        sampling = self._sampling
        if request.seed is not None:
            sampling = replace(sampling, seed=request.seed)
        elif self.options.seed < 0:
            sampling = replace(sampling, seed=secrets.randbits(63))
        stages = timbre(SAMPLE_RATE, speed=request.speed, pitch=request.pitch, formant=request.formant)
        return self._loop.open(self._voice_of(request), sampling, stages)

    def _voice_of(self, request: SynthesisRequest) -> Callable[[], PreparedVoice]:
        language = request.language if request.language in self.info.languages else ""
        instruct = request.instructions if self.info.instructions else ""
        key = (request.material or request.voice, language, instruct)
        reference = self._enrolled(request.material) if request.material else None

        def make() -> PreparedVoice:
            if reference is None:
                prompt = self._prompt(request.voice, language, instruct)
            else:
                prompt = self._cloned(reference, language, instruct)
            rows, room = (
                len(prompt.prefix) + len(prompt.forced),
                int(self.options.max_positions * _MAX_PROMPT_SHARE),
            )
            if rows > room:
                raise InvalidValue(
                    "instructions",
                    f"{len(instruct)} characters",
                    f"a prompt of at most {room} rows, not {rows}",
                )
            return PreparedVoice(self._model, prompt)

        return lambda: self._cache.get(key, make)

    def _enrolled(self, material: bytes) -> Reference:
        """Raises InvalidValue for what this checkpoint has not enrolled."""
        if not self.enrolls:
            raise InvalidValue("material", f"{len(material)} bytes", f"none: {self.name} enrolls no voices")
        config = self._model.config
        return unpack_reference(material, hidden=config.talker.stack.hidden, device=self._model.device)

    @torch.inference_mode()
    def _cloned(self, reference: Reference, language: str, instruct: str) -> Prompt:
        return self._model.prompts.clone(reference, language=language, instruct=instruct, layout=self._layout)

    def _voices(self) -> tuple[str, ...]:
        return tuple(self._model.config.talker.speakers)

    @torch.inference_mode()
    def _prompt(self, voice: str, language: str, instruct: str) -> Prompt:
        return self._model.prompts.custom_voice(
            voice, language=language, instruct=instruct, layout=self._layout
        )


class Qwen3DesignEngine(Qwen3Engine):
    """A VoiceDesign checkpoint: its voices are the option ``descriptions``; the instructions of a session, if any,
    describe another one."""

    name = "qwen3-design"
    kind = "voice_design"
    default_model = "qwen3-tts-1.7b-voicedesign"

    def _voices(self) -> tuple[str, ...]:
        return tuple(self.options.descriptions) or (_DESIGN_VOICE,)

    @torch.inference_mode()
    def _prompt(self, voice: str, language: str, instruct: str) -> Prompt:
        description = instruct or self.options.descriptions.get(voice, _DESIGN)
        return self._model.prompts.voice_design(description, language=language, layout=self._layout)


class Qwen3BaseEngine(Qwen3Engine):
    """A Base checkpoint: its voices are recordings in the folder of the option ``voices``, and those that are enrolled
    while it runs."""

    name = "qwen3-base"
    kind = "base"
    default_model = "qwen3-tts-0.6b-base"
    enrolls = "clone"

    def _voices(self) -> tuple[str, ...]:
        return tuple(self._references)

    def enroll(self, recording: Recording) -> Enrolled:
        """The vector of the voice, and its codes if the transcript is known. Raises AudioTooShort."""
        samples = at_model_rate(recording.samples, recording.sample_rate)
        try:
            reference = self._model.reference(samples, recording.transcript)
        except ValueError as error:
            raise AudioTooShort(f"The recording cannot be a voice: {error}.") from error
        return Enrolled(pack_reference(reference))

    def _prompt(self, voice: str, language: str, instruct: str) -> Prompt:
        return self._cloned(self._references[voice], language, instruct)


def _device(wanted: str) -> torch.device:
    """Raises ConfigurationError for an invalid name, and EngineUnavailable if there is no such device."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ConfigurationError(
            f"The option device is '{wanted}'; it may be auto, cpu, cuda or cuda:1.",
            param="engines.qwen3.device",
        ) from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise EngineUnavailable(f"There is no device {wanted} here; torch sees {torch.cuda.device_count()}.")
    return device


def _dtype(wanted: str, device: torch.device) -> torch.dtype:
    if wanted == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def _sampling(folder: Path, options: Qwen3Options) -> Sampling:
    """The checkpoint's ``generation_config.json``, as changed by the options."""
    own = Sampling()
    file = folder / "generation_config.json"
    given: dict[str, Any] = json.loads(file.read_bytes()) if file.is_file() else {}

    def chosen(name: str) -> Any:
        option = getattr(options, name)
        return given.get(name, getattr(own, name)) if option is None else option

    return Sampling(
        temperature=chosen("temperature"),
        top_k=chosen("top_k"),
        top_p=chosen("top_p"),
        repetition_penalty=chosen("repetition_penalty"),
        greedy=options.greedy or not given.get("do_sample", True),
        seed=options.seed,
    )
