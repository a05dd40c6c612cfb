from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saystream.engines.kokoro.match.encoder import RATE, SpeakerEncoder
from saystream.errors import EngineUnavailable

torch = pytest.importorskip("torch")

BENCHMARK = Path(__file__).parents[4] / "benchmarks" / "campplus.py"


def shapes() -> dict[str, tuple[int, ...]]:
    """Of all convolutions."""
    made: dict[str, tuple[int, ...]] = {"head.conv1": (32, 1, 3, 3), "head.conv2": (32, 32, 3, 3)}
    for layer in ("head.layer1", "head.layer2"):
        for block in (0, 1):
            made |= {f"{layer}.{block}.conv{number}": (32, 32, 3, 3) for number in (1, 2)}
        made[f"{layer}.0.shortcut.0"] = (32, 32, 1, 1)
    made["xvector.tdnn.linear"] = (128, 320, 5)
    width = 128
    for block, layers in enumerate((12, 24, 16), start=1):
        for inner in range(1, layers + 1):
            name = f"xvector.block{block}.tdnnd{inner}"
            made |= {
                f"{name}.linear1": (128, width, 1),
                f"{name}.cam_layer.linear_local": (32, 128, 3),
                f"{name}.cam_layer.linear1": (64, 128, 1),
                f"{name}.cam_layer.linear2": (32, 64, 1),
            }
            width += 32
        made[f"xvector.transit{block}.linear"] = (width // 2, width, 1)
        width //= 2
    made["xvector.dense.linear"] = (192, 2 * width, 1)
    return made


def norms() -> dict[str, int]:
    """Of all channels that are normalised."""
    made = {f"head.bn{number}": 32 for number in (1, 2)}
    for layer in ("head.layer1", "head.layer2"):
        made |= {f"{layer}.{block}.bn{number}": 32 for block in (0, 1) for number in (1, 2)}
        made[f"{layer}.0.shortcut.1"] = 32
    for name, shape in shapes().items():
        if ".linear1" in name and "cam_layer" not in name:
            place = name.removesuffix(".linear1")
            made |= {f"{place}.nonlinear1.batchnorm": shape[1], f"{place}.nonlinear2.batchnorm": 128}
        elif ".transit" in name:
            made[name.removesuffix(".linear") + ".nonlinear.batchnorm"] = shape[1]
    return made | {
        "xvector.tdnn.nonlinear.batchnorm": 128,
        "xvector.out_nonlinear.batchnorm": 512,
        "xvector.dense.nonlinear.batchnorm": 192,
    }


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the right form, with numbers drawn by chance."""
    chance = torch.Generator().manual_seed(1)
    state: dict[str, Any] = {}
    for name, shape in shapes().items():
        state[f"{name}.weight"] = torch.randn(shape, generator=chance) / np.sqrt(np.prod(shape[1:]))
        if "cam_layer.linear1" in name or "cam_layer.linear2" in name:
            state[f"{name}.bias"] = torch.randn(shape[0], generator=chance)
    for name, channels in norms().items():
        state[f"{name}.running_mean"] = torch.randn(channels, generator=chance)
        state[f"{name}.running_var"] = torch.rand(channels, generator=chance) + 0.5
        state[f"{name}.num_batches_tracked"] = torch.tensor(3)
        if not name.startswith("xvector.dense"):
            state[f"{name}.weight"] = torch.rand(channels, generator=chance) + 0.5
            state[f"{name}.bias"] = torch.randn(channels, generator=chance)
    path = tmp_path_factory.mktemp("campplus") / "weights.pt"
    torch.save(state, path)
    return path


def test_it_hears_what_the_network_hears_in_torch(weights: Path) -> None:
    spec = importlib.util.spec_from_file_location("campplus_in_torch", BENCHMARK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    samples = np.random.default_rng(2).normal(0, 0.1, round(1.03 * RATE)).astype(np.float32)
    expected = module.CampPlus(weights).embedding(samples)
    np.testing.assert_allclose(SpeakerEncoder(weights).embedding(samples), expected, atol=1e-4)


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"no archive"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(EngineUnavailable, match=r"CAM\+\+"):
        SpeakerEncoder(tmp_path / "weights.pt")
    with pytest.raises(EngineUnavailable):
        SpeakerEncoder(tmp_path / "missing.pt")


def test_a_pickle_that_wants_anything_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "weights.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(EngineUnavailable, match="UnpicklingError"):
        SpeakerEncoder(tmp_path / "weights.pt")
