"""Random numbers for a model in ONNX that draws its own: afterwards it takes them as inputs, so a seed repeats its
output. Pure.

Each of its nodes that draws is replaced by some that take as many numbers as it would have drawn from an input, from
the beginning again if there are too few: only the model knows how many it needs. Messages of protobuf are read and
written here because only some engines need the library for ONNX.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["with_noise_inputs"]

_DRAWS = b"RandomNormalLike"
_FLOAT, _INT64 = 1, 7
_INT_ATTRIBUTE = 2
_ZERO, _ONE = "saystream/noise/zero", "saystream/noise/one"

# Numbers of fields.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT = 1, 5, 11
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_TYPE, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_TYPE = 1, 3, 20


def with_noise_inputs(model: bytes) -> tuple[bytes, tuple[str, ...]]:
    """``model``, the content of a file, with the names of the inputs that it then has besides: each is given any
    number of float32 that are normally distributed, but at least one. Nodes that draw from another distribution stay.

    Raises ValueError for what is no protobuf.
    """
    names: list[str] = []
    parts: list[bytes | memoryview] = []
    for number, content, whole in _fields(memoryview(model)):
        if number == _MODEL_GRAPH and content is not None:
            parts.append(_message(number, _graph(content, names)))
        else:
            parts.append(whole)
    return (b"".join(parts), tuple(names)) if names else (model, ())


def _graph(graph: memoryview, names: list[str]) -> bytes:
    parts: list[bytes | memoryview] = []
    for number, content, whole in _fields(graph):
        if number == _GRAPH_NODE and content is not None and (drawn := _drawn(content)) is not None:
            like, output = drawn
            names.append(f"saystream/noise/{len(names)}")
            parts += _taking(names[-1], like, output)
        else:
            parts.append(whole)
    if names:
        parts += [_constant(_ZERO, 0), _constant(_ONE, 1), *map(_input, names)]
    return b"".join(parts)


def _drawn(node: memoryview) -> tuple[str, str] | None:
    """What a node draws from the standard normal distribution: the value that it is shaped like, and its name."""
    like = output = ""
    draws, is_standard = False, True
    for number, content, _ in _fields(node):
        text = b"" if content is None else bytes(content)
        if number == _NODE_TYPE:
            draws = text == _DRAWS
        elif number == _NODE_INPUT:
            like = text.decode()
        elif number == _NODE_OUTPUT:
            output = text.decode()
        elif number == _NODE_ATTRIBUTE:
            is_standard = is_standard and _name_of_attribute(text) not in (b"mean", b"scale")
    return (like, output) if draws and is_standard else None


def _name_of_attribute(attribute: bytes) -> bytes:
    names = [content for number, content, _ in _fields(memoryview(attribute)) if number == _ATTRIBUTE_NAME]
    return bytes(names[0] or b"") if names else b""


def _taking(noise: str, like: str, output: str) -> list[bytes]:
    """The nodes that compute ``output``, of the shape of ``like``, from the numbers in ``noise``."""
    shape, count, places, length, wrapped, taken = (
        f"{noise}/{name}" for name in ("shape", "count", "places", "length", "wrapped", "taken")
    )
    return [
        _node("Shape", [like], shape),
        _node("ReduceProd", [shape], count, keepdims=0),
        _node("Range", [_ZERO, count, _ONE], places),
        _node("Size", [noise], length),
        _node("Mod", [places, length], wrapped),
        _node("Gather", [noise, wrapped], taken),
        _node("Reshape", [taken, shape], output),
    ]


# --- messages --------------------------------------------------------------------------------------------------------


def _node(kind: str, inputs: list[str], output: str, **attributes: int) -> bytes:
    content = [
        *(_message(_NODE_INPUT, name.encode()) for name in inputs),
        _message(_NODE_OUTPUT, output.encode()),
        _message(_NODE_NAME, f"{output}/node".encode()),
        _message(_NODE_TYPE, kind.encode()),
        *(_message(_NODE_ATTRIBUTE, _attribute(name, value)) for name, value in attributes.items()),
    ]
    return _message(_GRAPH_NODE, b"".join(content))


def _attribute(name: str, value: int) -> bytes:
    return (
        _message(_ATTRIBUTE_NAME, name.encode())
        + _whole(_ATTRIBUTE_INT, value)
        + _whole(_ATTRIBUTE_TYPE, _INT_ATTRIBUTE)
    )


def _constant(name: str, value: int) -> bytes:
    tensor = _whole(2, _INT64) + _message(8, name.encode()) + _message(9, value.to_bytes(8, "little"))
    return _message(_GRAPH_INITIALIZER, tensor)


def _input(name: str) -> bytes:
    """A list of float32 of any length."""
    shape = _message(1, _message(2, b"numbers"))
    kind = _message(1, _whole(1, _FLOAT) + _message(2, shape))
    return _message(_GRAPH_INPUT, _message(1, name.encode()) + _message(2, kind))


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _whole(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | None, memoryview]]:
    """The number of each field, its content if it has a length, and all of it as it stands."""
    place = 0
    while place < len(message):
        start = place
        key, place = _read(message, place)
        content: memoryview | None = None
        match key & 7:
            case 0:
                _, place = _read(message, place)
            case 1:
                place += 8
            case 2:
                length, place = _read(message, place)
                content = message[place : place + length]
                place += length
            case 5:
                place += 4
            case _:
                raise ValueError("not a message of protobuf")
        if place > len(message):
            raise ValueError("a message of protobuf that is cut off")
        yield key >> 3, content, message[start:place]


def _read(message: memoryview, place: int) -> tuple[int, int]:
    """A varint, and the place after it."""
    value = shift = 0
    while place < len(message):
        value |= (message[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if message[place - 1] < 0x80:
            return value, place
    raise ValueError("a message of protobuf that is cut off")
