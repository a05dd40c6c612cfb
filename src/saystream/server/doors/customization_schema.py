"""The operation of the customization door as the OpenAPI document describes it."""

from __future__ import annotations

from typing import Any, Final

from saystream.protocol.customization.answers import CustomizationAnswer
from saystream.protocol.customization.names import FAMILIES
from saystream.protocol.customization.requests import ACTIONS, PREVIEW_FORMATS, PREVIEW_SAMPLE_RATES
from saystream.protocol.http.errors import DashScopeError
from saystream.server.web.openapi import Answer, Operation

__all__ = ["OPERATION"]

_CREATING = "To create: "


def _described(**descriptions: str) -> dict[str, Any]:
    """Which values are taken depends on the model and the action, and what an action does not read is not checked."""
    return {name: {"description": description} for name, description in descriptions.items()}


_INPUT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["action"],
    "properties": {
        "action": {
            "enum": sorted({action for actions in ACTIONS.values() for action in actions}),
            "description": "Each model has its own: "
            + "; ".join(f"{family}: {', '.join(actions)}" for family, actions in ACTIONS.items())
            + ".",
        },
        **_described(
            target_model=f"{_CREATING}the only model that takes the voice.",
            preferred_name=f"{_CREATING}a part of the voice's name; CosyVoice says `prefix`.",
            prefix="CosyVoice: a part of the voice's name, to create or to list.",
            audio=f"{_CREATING}the recording, as an object with `data`, a data URI or an address.",
            url="CosyVoice: the address of the recording; a data URI is taken, too.",
            text="What is said in the recording, at most 4096 characters.",
            consent="A note of who agreed to the use of the recording, at most 1024 characters.",
            language="A code such as `en`.",
            language_hints="CosyVoice: an array of codes, of which the first counts.",
            max_prompt_audio_length="CosyVoice: as much of the recording is used, 3 to 30 seconds.",
            enable_preprocess="CosyVoice: true to reduce noise and even out the volume.",
            enable_volume_normalization="CosyVoice: true to even out the volume.",
            voice_prompt="To design: a description of the voice.",
            preview_text="To design: what the voice says in the preview.",
            voice="The name of a voice; CosyVoice says `voice_id`.",
            voice_id="CosyVoice: the name of a voice.",
            page_index="To list: counts from 0.",
            page_size="To list: 10 if it is absent.",
        ),
    },
}

OPERATION: Final = Operation(
    name="customize_voices",
    summary="Voices of one's own",
    description="Voices are cloned from a recording or designed from a description. A voice belongs to the workspace of"
    " its key, to the model that made it, and to one model that speaks with it.",
    request={
        "type": "object",
        "required": ["model", "input"],
        "properties": {
            "model": {"enum": list(FAMILIES)},
            "input": _INPUT,
            "parameters": {
                "type": ["object", "null"],
                "description": "Of the preview of a designed voice.",
                "properties": _described(
                    sample_rate=f"{', '.join(map(str, PREVIEW_SAMPLE_RATES))} Hz; 24000 if it is absent.",
                    response_format=f"{', '.join(PREVIEW_FORMATS)}; wav if it is absent.",
                ),
            },
        },
    },
    answers={
        200: Answer("Done.", {"application/json": CustomizationAnswer}),
        430: Answer("CosyVoice: the recording is of no use.", {"application/json": DashScopeError}),
    },
    refusals=(400, 401, 403, 404, 408, 415, 429, 503),
)
