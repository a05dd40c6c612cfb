"""The reference page of models and voices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from saystream.catalog import Catalog, Door, Model, Voice
from saystream.languages import LANGUAGES
from saystream.parameters import PARAMETERS, Choices, Parameter, Range

_DOORS: dict[Door, str] = {"realtime": "Realtime models", "http": "HTTP models", "inference": "Task models"}

_OPENING = """\
# Models and voices

<!-- Made from src/saystream/catalog by scripts/docs. Do not edit by hand. -->

These are the models and voices of the catalogue, and what each model takes. Names are case-sensitive. A value that a
model does not take is refused with an `invalid_value` error that names the allowed ones; every model takes any
parameter at its default. The languages are
{languages}.
"""

_PARAMETERS = """\
## Parameters

These are the parameters besides voice, format, sample rate and language. *Listed* means that a model takes values other
than the default only if it has the parameter under "Also takes". [The realtime
protocol](realtime.md#session-fields) lists all fields.

"""

_OPEN_WEIGHTS = """\
## Open weights

The released checkpoints of the same kind as each hosted model, best first. Whatever the model, a language is spoken by
the first engine in the settings that can; [Qwen3-TTS](../topics/qwen3.md) says how to set up these engines.

"""

_VOICES = """\
The last column says which models take the voice:

* **I**: `qwen3-tts-instruct-flash*`
* **F**: `qwen3-tts-flash*`, except the snapshots of 2025-09-18
* **S**: those snapshots
* **Q**: every `qwen-tts*`
* **L**: every `qwen-tts*` except `qwen-tts` and `qwen-tts-2025-04-10`

The realtime model of the same name takes the same voices, and `qwen-tts-realtime*` takes Q and L. The models for cloned
and designed voices take none of these.

`Ebona` is in older voice tables but not in the current one; the models marked F take her.

The age is our estimate from the character. It guides the recipe by which an engine with other voices imitates this one.
"""

_SAMBERT = """\
`sambert-*-v1` are 43 models, [a voice each](#sambert), at the same path: `wav`, `mp3` and `pcm` at 8, 16, 22.05 and
24 kHz, nine of them at 48 kHz as well, and at most 10000 characters. Six foreign ones give no times of words.
"""

_TASK_VOICES = """\
Nobody wrote recipes for these: [a rule](../topics/voices.md#voices-by-rule) makes one of sex, age, character and
language for each engine, so that a voice always sounds the same, and unlike all others of its family. A voice that was
made for a language speaks it where a text does not tell which language it is in. Ages, and the characters of foreign
voices, are our reading.

`longanhuan` and `longanyang` are voices of `cosyvoice-v3-plus` as well. SSML and times of words are taken from every
voice whose model takes them; the service has them for some.
"""

_TASK_MODELS = (
    ("cosyvoice-v3-flash", ("cosyvoice-v3",)),
    ("cosyvoice-v2", ("cosyvoice-v2",)),
    ("cosyvoice-v1", ("cosyvoice-v1",)),
    ("Qwen-Audio-TTS", ("qwen-audio",)),
    ("Sambert", ("sambert",)),
)

_OF_EACH_MODEL = ("voice", "response_format", "sample_rate", "language_type")
"""Parameters for which each model has its own values."""

_MARKS = (
    ("I", "qwen3-tts-instruct-flash"),
    ("F", "qwen3-tts-flash"),
    ("S", "qwen3-tts-flash-2025-09-18"),
)


def models_page(catalog: Catalog) -> str:
    """The whole page, ending in one newline."""
    *first, last = (language.name for language in LANGUAGES)
    sections = [_OPENING.format(languages=f"{', '.join(first)} and {last}")]
    for door, title in _DOORS.items():
        models = [model for model in catalog.models if model.door == door and not _is_sambert(model)]
        sections.append(f"## {title}\n\nPath: `{models[0].path}`\n\n{_model_table(models, catalog)}")
    sections += [_SAMBERT, _open_weights(catalog)]
    sections += [
        _PARAMETERS + _parameter_table(),
        f"## Voices of Qwen-TTS\n\n{_VOICES}",
        _voice_table(catalog),
    ]
    sections.append(f"## Voices of CosyVoice, Qwen-Audio-TTS and Sambert\n\n{_TASK_VOICES}")
    for title, chosen in _TASK_MODELS:
        voices = [voice for voice in catalog.all_voices if voice.models[0].startswith(chosen)]
        sections.append(f"### {title}\n\n{_task_voice_table(voices)}")
    return "\n".join(sections)


def _is_sambert(model: Model) -> bool:
    return model.task == "out"


def _task_voice_table(voices: Iterable[Voice]) -> str:
    rows = [
        (
            f"`{voice.name}`",
            voice.chinese_name or "–",
            voice.sex,
            voice.age,
            voice.character,
            voice.language or voice.dialect or "–",
        )
        for voice in voices
    ]
    return _table(("Voice", "Name", "Sex", "Age", "Character", "Made for"), rows)


def _open_weights(catalog: Catalog) -> str:
    rows: dict[str, Sequence[str]] = {}
    for model in catalog.models:
        if model.door == "inference":
            continue
        weights = ", ".join(f"`{name}`" for name in model.checkpoints)
        rows.setdefault(model.family, (f"`{model.undated.replace('-realtime', '')}*`", weights or "–"))
    return _OPEN_WEIGHTS + _table(("Models, at both doors", "Open weights"), list(rows.values()))


def _model_table(models: Iterable[Model], catalog: Catalog) -> str:
    rows = [
        (
            f"`{model.name}`" + (f" = `{model.stands_for}`" if model.stands_for else ""),
            model.summary,
            str(len(catalog.voices(model.name))) if model.voice_kind == "system" else model.voice_kind,
            str(len(model.languages)) if len(model.languages) > 2 else ", ".join(model.languages),
            " ".join(model.response_formats),
            " ".join(f"{rate / 1000:g}" for rate in model.sample_rates),
            " ".join(f"`{parameter}`" for parameter in model.parameters) or "–",
            _text_limit(model),
            model.usage,
        )
        for model in models
    ]
    head = (
        "Model",
        "What it is",
        "Voices",
        "Languages",
        "Formats",
        "kHz",
        "Also takes",
        "Text limit",
        "Usage",
    )
    return _table(head, rows)


def _text_limit(model: Model) -> str:
    if model.max_characters is not None:
        return f"{model.max_characters} characters"
    return "–" if model.max_tokens is None else f"{model.max_tokens} tokens"


def _parameter_table() -> str:
    rows = [
        (
            f"`{name}`",
            _values(parameter),
            _default(parameter),
            "listed" if parameter.is_listed else "all",
        )
        for name, parameter in PARAMETERS.items()
        if name not in _OF_EACH_MODEL
    ]
    return _table(("Parameter", "Values", "Default", "Models"), rows)


def _values(parameter: Parameter) -> str:
    match parameter.values:
        case Choices(values):
            return ", ".join(f"`{value}`" for value in values)
        case Range():
            return f"{parameter.values} {parameter.unit}".rstrip() + ", whole" * isinstance(
                parameter.default, int
            )
        case _:
            return str(parameter.allowed)


def _default(parameter: Parameter) -> str:
    if parameter.default == "":
        return "that of the model" if parameter.name == "voice" else "none"
    written = msgspec.json.encode(parameter.default).decode().strip('"')
    return f"`{written}`"


def _voice_table(catalog: Catalog) -> str:
    rows = []
    for voice in catalog.system_voices:
        marks = [mark for mark, model in _MARKS if model in voice.models]
        if "qwen-tts-latest" in voice.models:
            marks.append("Q" if "qwen-tts" in voice.models else "L")
        row = (f"`{voice.name}`", voice.chinese_name, voice.sex, voice.age, voice.character)
        rows.append((*row, voice.dialect or "–", " ".join(marks)))
    return _table(("Voice", "Name", "Sex", "Age", "Character", "Dialect", "Models"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
