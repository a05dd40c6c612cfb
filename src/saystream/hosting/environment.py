"""What an engine's process sees of the server's environment: what Python, its libraries and its own options need.

The rest stays with the server: its environment may hold passwords of databases, keys of other engines and whatever
else the machine's owner keeps there, and an engine may print, log or send what it sees.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping

import msgspec

from saystream.protocol.json import NOT_JSON

__all__ = ["engine_environment"]

_NAMES = frozenset(
    (
        "HOME",
        "LANG",
        "LANGUAGE",
        "LOGNAME",
        "PATH",
        "TEMP",
        "TMP",
        "TMPDIR",
        "TZ",
        "USER",
        "VIRTUAL_ENV",
        "SAYSTREAM_MODELS_DIR",
        # Of libraries that also read a key from a variable with the same beginning.
        "HF_HOME",
        "HF_HUB_CACHE",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_CACHE",
        "TRANSFORMERS_OFFLINE",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
    )
)

_BEGINNINGS = (
    # The system, the loader of libraries, memory, Python.
    *("LC_", "XDG_", "LD_", "DYLD_", "MALLOC_", "MIMALLOC_", "PYTHON"),
    # Threads and numbers.
    *("BLIS_", "GOMP_", "GOTO_", "KMP_", "MKL_", "NUMBA_", "NUMEXPR_", "OMP_", "OPENBLAS_", "VECLIB_"),
    # Runtimes of models, and the devices they use.
    *("CUDA", "CUBLAS", "CUDNN_", "GPU_", "HIP_", "HSA_", "NCCL_", "NVIDIA_", "ROCR_", "ROCM_"),
    *("ONNX_", "OPENVINO_", "ORT_", "OV_", "PYTORCH_", "TORCH", "TRITON_"),
    # Data of the engines that come with saystream.
    *("ESPEAK_", "OPEN_JTALK_", "SUPERTONIC_"),
)

_PROXIES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""In either case."""

_NAMES_A_VARIABLE = "_env"
_ADDRESSES = ("http://", "https://", "ws://", "wss://")


_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""NumPy's own threads spin while they wait, on cores that models compute on; what they do for an engine is little."""


def engine_environment(
    environment: Mapping[str, str], options: Mapping[str, object], *, further: Collection[str] = ()
) -> dict[str, str]:
    """The part of ``environment`` that the process of an engine with these ``options`` gets.

    Besides what every engine gets, these are: the variables that its options name (``key_env``), the proxies if one of
    its options is an address, and ``further`` ones by name.
    """
    wanted = {*_NAMES, *further}
    connects = False
    for name, value in _texts(options):
        if name.endswith(_NAMES_A_VARIABLE):
            wanted.add(value)
        connects = connects or value.startswith(_ADDRESSES)
    return _ONE_THREAD | {
        name: value
        for name, value in environment.items()
        if name in wanted or name.startswith(_BEGINNINGS) or (connects and name.upper() in _PROXIES)
    }


def _texts(options: object, name: str = "") -> Iterator[tuple[str, str]]:
    """All texts in ``options``, however deep, each with the name of the option that it is in."""
    if isinstance(options, str):
        yield name, options
        if options.startswith(("[", "{")):  # an option that came in an environment variable holds JSON
            with contextlib.suppress(*NOT_JSON):
                yield from _texts(msgspec.json.decode(options), name)
    elif isinstance(options, Mapping):
        for inner, value in options.items():
            yield from _texts(value, str(inner))
    elif isinstance(options, list | tuple):
        for value in options:
            yield from _texts(value, name)
