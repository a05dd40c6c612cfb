"""The settings of checkpoints with random weights: the released ones, and tiny ones with the same ids and rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["DIALECTS", "SPEAKERS", "codec_settings", "main_settings"]

_LANGUAGES = {
    "chinese": 2055, "english": 2050, "german": 2053, "italian": 2070, "portuguese": 2071, "spanish": 2054,
    "japanese": 2058, "korean": 2064, "french": 2061, "russian": 2069, "beijing_dialect": 2074,
    "sichuan_dialect": 2062,
}  # fmt: skip
SPEAKERS = {
    "serena": 3066, "vivian": 3065, "uncle_fu": 3010, "ryan": 3061, "aiden": 2861, "ono_anna": 2873, "sohee": 2864,
    "eric": 2875, "dylan": 2878,
}  # fmt: skip
"""Of the released CustomVoice checkpoints, with their ids."""
DIALECTS = {"eric": "sichuan_dialect", "dylan": "beijing_dialect"}

_COMMON: dict[str, Any] = {
    "hidden_act": "silu", "initializer_range": 0.02, "rms_norm_eps": 1e-6, "attention_bias": False,
    "attention_dropout": 0, "use_cache": True, "tie_word_embeddings": False, "use_sliding_window": False,
    "max_position_embeddings": 32_768, "num_code_groups": 16, "rope_theta": 1_000_000,
}  # fmt: skip

_TINY_TALKER = {
    "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "text_hidden_size": 64,
    "rope_scaling": {"interleaved": True, "mrope_section": [4, 2, 2], "rope_type": "default"},
}  # fmt: skip
_TINY_PREDICTOR = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16,
}  # fmt: skip
_REAL_TALKER = {
    "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
    "text_hidden_size": 2048,
    "rope_scaling": {"interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"},
}  # fmt: skip
_REAL_WIDTHS = {
    "0.6B": {"hidden_size": 1024, "intermediate_size": 3072},
    "1.7B": {"hidden_size": 2048, "intermediate_size": 6144},
}
_REAL_PREDICTOR = {
    "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 5, "num_attention_heads": 16,
    "num_key_value_heads": 8, "head_dim": 128,
}  # fmt: skip

_TINY_DECODER = {
    "codebook_dim": 32, "hidden_size": 32, "latent_dim": 32, "decoder_dim": 32, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 16, "num_hidden_layers": 2, "intermediate_size": 64,
}  # fmt: skip
_REAL_DECODER = {
    "codebook_dim": 512, "hidden_size": 512, "latent_dim": 1024, "decoder_dim": 1536, "num_attention_heads": 16,
    "num_key_value_heads": 16, "head_dim": 64, "num_hidden_layers": 8, "intermediate_size": 1024,
}  # fmt: skip
_TINY_ENCODER = {
    "hidden_size": 32, "num_filters": 4, "codebook_dim": 16, "vector_quantization_hidden_dimension": 16,
    "num_quantizers": 16, "num_hidden_layers": 2, "intermediate_size": 64, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 16, "upsample_groups": 32,
}  # fmt: skip
_REAL_ENCODER = {
    "hidden_size": 512, "num_filters": 64, "codebook_dim": 256, "vector_quantization_hidden_dimension": 256,
    "num_quantizers": 32, "num_hidden_layers": 8, "intermediate_size": 2048, "num_attention_heads": 8,
    "num_key_value_heads": 8, "head_dim": 64, "upsample_groups": 512,
}  # fmt: skip


def main_settings(
    kind: str, model_size: str, control: Mapping[str, int], text_rows: int, size: str | None
) -> dict[str, Any]:
    """``config.json``. ``control`` gives the ids of control tokens, ``size`` is None for a tiny checkpoint."""
    custom = kind == "custom_voice"
    predictor = _COMMON | (_TINY_PREDICTOR if size is None else _REAL_PREDICTOR)
    predictor |= {"model_type": "qwen3_tts_talker_code_predictor", "vocab_size": 2048, "rope_scaling": None}
    talker = _COMMON | (_TINY_TALKER if size is None else _REAL_TALKER | _REAL_WIDTHS[size])
    talker |= {
        "model_type": "qwen3_tts_talker", "vocab_size": 3072, "text_vocab_size": text_rows,
        "position_id_per_seconds": 13, "codec_pad_id": 2148, "codec_bos_id": 2149, "codec_eos_token_id": 2150,
        "codec_think_id": 2154, "codec_nothink_id": 2155, "codec_think_bos_id": 2156, "codec_think_eos_id": 2157,
        "codec_language_id": {
            name: identity for name, identity in _LANGUAGES.items() if custom or "dialect" not in name
        },
        "spk_id": SPEAKERS if custom else {},
        "spk_is_dialect": {name: DIALECTS.get(name, False) for name in SPEAKERS} if custom else {},
        "code_predictor_config": predictor,
    }  # fmt: skip
    settings = {
        "architectures": ["Qwen3TTSForConditionalGeneration"], "model_type": "qwen3_tts",
        "tokenizer_type": "qwen3_tts_tokenizer_12hz", "tts_model_size": model_size, "tts_model_type": kind,
        # Above 4.57.2 that version of transformers takes any local checkpoint for Mistral's and changes its tokenizer.
        "transformers_version": "4.57.2",
        "im_start_token_id": control["<|im_start|>"], "im_end_token_id": control["<|im_end|>"],
        "tts_pad_token_id": control["<tts_pad>"], "tts_bos_token_id": control["<tts_text_bos>"],
        "tts_eos_token_id": control["<tts_text_eod>"], "talker_config": talker,
    }  # fmt: skip
    if kind == "base":
        settings["speaker_encoder_config"] = _speaker_settings(talker["hidden_size"], tiny=size is None)
    return settings


def _speaker_settings(hidden: int, *, tiny: bool) -> dict[str, Any]:
    widths = {
        "enc_channels": [16, 16, 16, 16, 48], "enc_attention_channels": 8, "enc_res2net_scale": 4, "enc_se_channels": 8,
    } if tiny else {
        "enc_channels": [512, 512, 512, 512, 1536], "enc_attention_channels": 128, "enc_res2net_scale": 8,
        "enc_se_channels": 128,
    }  # fmt: skip
    return widths | {
        "mel_dim": 128, "enc_dim": hidden, "enc_kernel_sizes": [5, 3, 3, 3, 1], "enc_dilations": [1, 2, 3, 4, 1],
        "sample_rate": 24_000,
    }  # fmt: skip


def codec_settings(size: str | None) -> dict[str, Any]:
    """``speech_tokenizer/config.json``; both released sizes have the same codec."""
    decoder = (_TINY_DECODER if size is None else _REAL_DECODER) | {
        "codebook_size": 2048, "num_quantizers": 16, "sliding_window": 72, "max_position_embeddings": 8000,
        "rope_theta": 10_000, "rms_norm_eps": 1e-5, "attention_bias": False, "hidden_act": "silu",
        "layer_scale_initial_scale": 0.01, "num_semantic_quantizers": 1, "semantic_codebook_size": 4096,
        "vector_quantization_hidden_dimension": 512, "upsample_rates": [8, 5, 4, 3], "upsampling_ratios": [2, 2],
    }  # fmt: skip
    encoder = (_TINY_ENCODER if size is None else _REAL_ENCODER) | {
        "model_type": "mimi", "sampling_rate": 24_000, "audio_channels": 1, "num_residual_layers": 1,
        "upsampling_ratios": [8, 6, 5, 4], "codebook_size": 2048, "num_semantic_quantizers": 1, "sliding_window": 250,
        "frame_rate": 12.5, "use_causal_conv": True, "max_position_embeddings": 8000,
    }  # fmt: skip
    return {
        "architectures": ["Qwen3TTSTokenizerV2Model"], "model_type": "qwen3_tts_tokenizer_12hz",
        "encoder_valid_num_quantizers": 16, "input_sample_rate": 24_000, "output_sample_rate": 24_000,
        "decode_upsample_rate": 1920, "encode_downsample_rate": 1920, "decoder_config": decoder,
        "encoder_config": encoder,
    }  # fmt: skip
