"""What a checkpoint says about itself: ``config.json`` and ``speech_tokenizer/config.json`` in the released format.

Only what inference needs is read. A key that every released file has is required; a key with a default in the published
code is optional here, with the same default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from saystream.errors import CheckpointInvalid

__all__ = [
    "CODEBOOKS",
    "FRAME_SAMPLES",
    "SAMPLE_RATE",
    "CodecConfig",
    "Config",
    "EncoderConfig",
    "Kind",
    "PredictorConfig",
    "SpeakerConfig",
    "StackConfig",
    "TalkerConfig",
    "read_config",
]

SAMPLE_RATE = 24_000
"""For all audio in and out, in Hz."""
FRAME_SAMPLES = 1920
"""Samples of one codec frame: 80 ms."""
CODEBOOKS = 16

Kind = Literal["custom_voice", "voice_design", "base"]


@dataclass(frozen=True, slots=True)
class StackConfig:
    """A stack of decoder layers of the Llama family, as in the talker, the predictor and the codec."""

    hidden: int
    feed_forward: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    rope_theta: float
    norm_epsilon: float
    window: int | None = None
    """Positions that a query sees, including itself; None for all before it."""


@dataclass(frozen=True, slots=True)
class TalkerConfig:
    """The language model over codec frames, and the ids of its codec vocabulary."""

    stack: StackConfig
    codec_vocabulary: int
    text_vocabulary: int
    text_hidden: int
    pad: int
    bos: int
    eos: int
    think: int
    no_think: int
    think_bos: int
    think_eos: int
    languages: Mapping[str, int] = field(default_factory=dict)
    """English name of a language or dialect -> id."""
    speakers: Mapping[str, int] = field(default_factory=dict)
    dialects: Mapping[str, str] = field(default_factory=dict)
    """Speaker -> the dialect that they speak instead of standard Chinese."""


@dataclass(frozen=True, slots=True)
class PredictorConfig:
    """The model of the other fifteen codes of a frame."""

    stack: StackConfig
    vocabulary: int


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """The decoder from codes to audio."""

    stack: StackConfig
    codebook_entries: int
    codebook_size: int
    """For the sum of codebooks; each codebook itself has half of it."""
    latent: int
    channels: int
    upsampling: tuple[int, ...]
    rates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SpeakerConfig:
    """The network from a mel spectrogram to the vector of a voice (Base only)."""

    mels: int
    size: int
    channels: tuple[int, ...]
    kernels: tuple[int, ...]
    dilations: tuple[int, ...]
    attention_channels: int
    scale: int
    squeeze_channels: int


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """The Mimi encoder from reference audio to codes (used with Base only)."""

    stack: StackConfig
    filters: int
    residual_layers: int
    rates: tuple[int, ...]
    kernel: int
    last_kernel: int
    residual_kernel: int
    dilation_growth: int
    compress: int
    codebook_entries: int
    codebook_size: int
    quantizer_hidden: int
    quantizers: int


@dataclass(frozen=True, slots=True)
class Config:
    """One checkpoint."""

    kind: Kind
    size: str
    """``0b6`` or ``1b7`` for the released ones."""
    talker: TalkerConfig
    predictor: PredictorConfig
    codec: CodecConfig
    encoder: EncoderConfig
    speaker: SpeakerConfig | None
    im_start: int
    im_end: int
    tts_pad: int
    tts_bos: int
    tts_eos: int

    @property
    def follows_instructions(self) -> bool:
        """VoiceDesign and the 1.7B CustomVoice do. The published package drops them for the 0.6B and for Base."""
        return self.kind == "voice_design" or (self.kind == "custom_voice" and self.size not in "0b6")


class _Section:
    """A JSON object whose keys are read and type-checked; an error says where in the file it is."""

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, dict):
            raise CheckpointInvalid(f"{where} is not a JSON object.")
        self._values: dict[str, Any] = values
        self._where = where

    def section(self, key: str) -> _Section:
        return _Section(self._required(key), f"{self._where}: {key}")

    def number(self, key: str, default: int | None = None) -> int:
        value = self._values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise CheckpointInvalid(f"{self._where}: {key} must be a whole number, not {value!r}.")
        return value

    def real(self, key: str, default: float) -> float:
        value = self._values.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            raise CheckpointInvalid(f"{self._where}: {key} must be a number above 0, not {value!r}.")
        return float(value)

    def numbers(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self._values.get(key, default)
        if (
            not isinstance(value, list | tuple)
            or not all(isinstance(item, int) for item in value)
            or not value
        ):
            raise CheckpointInvalid(f"{self._where}: {key} must be a list of whole numbers.")
        return tuple(value)

    def one_of(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self._required(key)
        if value not in allowed:
            raise CheckpointInvalid(f"{self._where}: {key} is {value!r}; known are {', '.join(allowed)}.")
        return cast("str", value)

    def text(self, key: str) -> str:
        value = self._required(key)
        if not isinstance(value, str):
            raise CheckpointInvalid(f"{self._where}: {key} must be a string.")
        return value

    def mapping(self, key: str) -> dict[str, Any]:
        value = self._values.get(key) or {}
        if not isinstance(value, dict):
            raise CheckpointInvalid(f"{self._where}: {key} must be an object.")
        return {str(name).lower(): item for name, item in value.items()}

    def _required(self, key: str) -> Any:
        if key not in self._values:
            raise CheckpointInvalid(f"{self._where} lacks {key}.")
        return self._values[key]


def _read(path: Path) -> _Section:
    try:
        return _Section(json.loads(path.read_bytes()), str(path))
    except FileNotFoundError:
        raise CheckpointInvalid(f"{path} is missing; a Qwen3-TTS checkpoint must have it.") from None
    except ValueError:
        raise CheckpointInvalid(f"{path} is not JSON.") from None


def _stack(section: _Section, *, theta: float, epsilon: float, window: int | None = None) -> StackConfig:
    hidden, heads = section.number("hidden_size"), section.number("num_attention_heads")
    return StackConfig(
        hidden=hidden,
        feed_forward=section.number("intermediate_size"),
        layers=section.number("num_hidden_layers"),
        heads=heads,
        kv_heads=section.number("num_key_value_heads", heads),
        head_size=section.number("head_dim", hidden // heads),
        rope_theta=section.real("rope_theta", theta),
        norm_epsilon=section.real("rms_norm_eps", epsilon),
        window=window,
    )


def _talker(section: _Section) -> TalkerConfig:
    dialects = {name: value for name, value in section.mapping("spk_is_dialect").items() if value}
    if section.number("num_code_groups") != CODEBOOKS:
        raise CheckpointInvalid(f"Only checkpoints with {CODEBOOKS} code groups are known.")
    return TalkerConfig(
        stack=_stack(section, theta=1_000_000.0, epsilon=1e-6),
        codec_vocabulary=section.number("vocab_size"),
        text_vocabulary=section.number("text_vocab_size"),
        text_hidden=section.number("text_hidden_size"),
        pad=section.number("codec_pad_id"),
        bos=section.number("codec_bos_id"),
        eos=section.number("codec_eos_token_id"),
        think=section.number("codec_think_id"),
        no_think=section.number("codec_nothink_id"),
        think_bos=section.number("codec_think_bos_id"),
        think_eos=section.number("codec_think_eos_id"),
        languages=section.mapping("codec_language_id"),
        speakers=section.mapping("spk_id"),
        dialects=dialects,
    )


def _speaker(section: _Section) -> SpeakerConfig:
    return SpeakerConfig(
        mels=section.number("mel_dim", 128),
        size=section.number("enc_dim", 1024),
        channels=section.numbers("enc_channels", (512, 512, 512, 512, 1536)),
        kernels=section.numbers("enc_kernel_sizes", (5, 3, 3, 3, 1)),
        dilations=section.numbers("enc_dilations", (1, 2, 3, 4, 1)),
        attention_channels=section.number("enc_attention_channels", 128),
        scale=section.number("enc_res2net_scale", 8),
        squeeze_channels=section.number("enc_se_channels", 128),
    )


def _codec(section: _Section) -> CodecConfig:
    if section.number("num_quantizers", CODEBOOKS) != CODEBOOKS:
        raise CheckpointInvalid(f"Only codecs with {CODEBOOKS} codebooks are known.")
    return CodecConfig(
        stack=_stack(section, theta=10_000.0, epsilon=1e-5, window=section.number("sliding_window", 72)),
        codebook_entries=section.number("codebook_size", 2048),
        codebook_size=section.number("codebook_dim"),
        latent=section.number("latent_dim", 1024),
        channels=section.number("decoder_dim", 1536),
        upsampling=section.numbers("upsampling_ratios", (2, 2)),
        rates=section.numbers("upsample_rates", (8, 5, 4, 3)),
    )


def _encoder(section: _Section) -> EncoderConfig:
    """The defaults are those of the published Mimi."""
    hidden, heads = section.number("hidden_size", 512), section.number("num_attention_heads", 8)
    stack = StackConfig(
        hidden=hidden,
        feed_forward=section.number("intermediate_size", 2048),
        layers=section.number("num_hidden_layers", 8),
        heads=heads,
        kv_heads=section.number("num_key_value_heads", heads),
        head_size=section.number("head_dim", hidden // heads),
        rope_theta=section.real("rope_theta", 10_000.0),
        norm_epsilon=section.real("norm_eps", 1e-5),
        window=section.number("sliding_window", 250),
    )
    return EncoderConfig(
        stack=stack,
        filters=section.number("num_filters", 64),
        residual_layers=section.number("num_residual_layers", 1),
        rates=section.numbers("upsampling_ratios", (8, 6, 5, 4)),
        kernel=section.number("kernel_size", 7),
        last_kernel=section.number("last_kernel_size", 3),
        residual_kernel=section.number("residual_kernel_size", 3),
        dilation_growth=section.number("dilation_growth_rate", 2),
        compress=section.number("compress", 2),
        codebook_entries=section.number("codebook_size", 2048),
        codebook_size=section.number("codebook_dim", 256),
        quantizer_hidden=section.number("vector_quantization_hidden_dimension", 256),
        quantizers=section.number("num_quantizers", 32),
    )


def read_config(folder: Path) -> Config:
    """The configuration of the checkpoint in ``folder``. Raises CheckpointInvalid, which names the file and the key."""
    main = _read(folder / "config.json")
    tokenizer = _read(folder / "speech_tokenizer" / "config.json")
    main.one_of("tokenizer_type", ("qwen3_tts_tokenizer_12hz",))
    kind = cast("Kind", main.one_of("tts_model_type", ("custom_voice", "voice_design", "base")))
    talker = main.section("talker_config")
    predictor = talker.section("code_predictor_config")
    config = Config(
        kind=kind,
        size=main.text("tts_model_size"),
        talker=_talker(talker),
        predictor=PredictorConfig(
            stack=_stack(predictor, theta=10_000.0, epsilon=1e-6),
            vocabulary=predictor.number("vocab_size", 2048),
        ),
        codec=_codec(tokenizer.section("decoder_config")),
        encoder=_encoder(tokenizer.section("encoder_config")),
        speaker=_speaker(main.section("speaker_encoder_config")) if kind == "base" else None,
        im_start=main.number("im_start_token_id"),
        im_end=main.number("im_end_token_id"),
        tts_pad=main.number("tts_pad_token_id"),
        tts_bos=main.number("tts_bos_token_id"),
        tts_eos=main.number("tts_eos_token_id"),
    )
    samples = 1
    for factor in (*config.codec.rates, *config.codec.upsampling):
        samples *= factor
    if samples != FRAME_SAMPLES:
        raise CheckpointInvalid(f"The codec gives {samples} samples a frame; only {FRAME_SAMPLES} is known.")
    return config
