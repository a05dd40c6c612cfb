"""Steps of one shape that read nothing back, whatever fills up their bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from saystream.engines.qwen3.graphs import Work
from saystream.engines.qwen3.model import Qwen3Model
from saystream.engines.qwen3.runner import Buckets, Runner, Start, StepResult, StepRow
from saystream.engines.qwen3.sampling import Sampling

from .speaking import loaded

# Each takes seconds, on a machine that has nothing else to do.
pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

NUM_SLOTS, MAX_POSITIONS = 4, 300
TEXT_ID = 40

HOST_READS = ("_local_scalar_dense", "item", "nonzero", "is_nonzero", "equal", "unique", "masked_select")
"""Operations whose answer the host has to wait for: the value itself, or the shape of what comes out."""

HOST_WRITES = ("lift", "lift_fresh", "lift_fresh_copy")
"""Tensors made of Python numbers: copied to the device from memory that a recording cannot hold on to."""

FORBIDDEN = {*HOST_READS, *HOST_WRITES}


@pytest.fixture(scope="module")
def model(checkpoints: Path) -> Iterator[Qwen3Model]:
    yield loaded(checkpoints)


def runner_on(model: Qwen3Model, *, padded: bool = True, **options: Any) -> Runner:
    buckets = Buckets.doubling if padded else Buckets.fine
    return Runner(
        model,
        num_slots=NUM_SLOTS,
        max_positions=MAX_POSITIONS,
        buckets=buckets(NUM_SLOTS, MAX_POSITIONS),
        max_top_k=50,
        **options,
    )


@torch.inference_mode()
def prompt_of(model: Qwen3Model, speaker: str) -> torch.Tensor:
    prompt = model.prompts.custom_voice(speaker, language="en")
    return torch.cat((prompt.prefix, prompt.forced + model.text_vectors(torch.tensor([TEXT_ID]))))


class Sessions:
    """Sessions in the first slots of a runner, each with another speaker and seed."""

    def __init__(self, runner: Runner, num_sessions: int = 3, *, greedy: bool = False) -> None:
        speakers = sorted(runner.model.config.talker.speakers)
        self.runner = runner
        self.prompts = [prompt_of(runner.model, speakers[slot]) for slot in range(num_sessions)]
        for slot in range(num_sessions):
            runner.model.codec.reset(slot)
        runner.start(
            [
                Start(slot, prompt, Sampling(seed=slot, greedy=greedy))
                for slot, prompt in enumerate(self.prompts)
            ]
        )
        self.frames = [0] * num_sessions

    def rows(self, *slots: int) -> list[StepRow]:
        return [
            StepRow(
                slot,
                len(self.prompts[slot]) + self.frames[slot],
                self.frames[slot],
                self.frames[slot],
                TEXT_ID + self.frames[slot],
            )
            for slot in slots
        ]

    def step(self, *slots: int) -> StepResult:
        result = self.runner.step(self.rows(*slots))
        for slot in slots:
            self.frames[slot] += 1
        return result


def codes_of(sessions: Sessions, *slots: int, num_frames: int = 8) -> np.ndarray:
    """(frames, rows, 16)."""
    return np.stack([sessions.step(*slots).codes for _ in range(num_frames)])


def test_buckets_hold_every_number() -> None:
    assert Buckets.doubling(6, 700) == Buckets((1, 2, 4, 6), (256, 512, 700))
    assert Buckets.doubling(1, 256) == Buckets((1,), (256,))
    assert Buckets.fine(3, 130) == Buckets((1, 2, 3), (64, 128, 130))


def test_rows_that_fill_up_a_bucket_change_nothing(model: Qwen3Model) -> None:
    exact = codes_of(Sessions(runner_on(model, padded=False)), 0, 1, 2)
    padded_sessions = Sessions(runner_on(model, padded=True))
    padded = codes_of(padded_sessions, 0, 1, 2)
    np.testing.assert_array_equal(padded, exact)
    sound = padded_sessions.step(0, 1, 2).samples
    exact_sessions = Sessions(runner_on(model, padded=False))
    codes_of(exact_sessions, 0, 1, 2)
    np.testing.assert_allclose(sound, exact_sessions.step(0, 1, 2).samples, atol=1e-4)


def test_a_row_does_not_depend_on_those_beside_it_nor_on_its_place(model: Qwen3Model) -> None:
    together = codes_of(Sessions(runner_on(model)), 0, 1, 2)
    for slot in range(3):
        alone = codes_of(Sessions(runner_on(model)), slot)
        np.testing.assert_array_equal(alone[:, 0], together[:, slot])
    turned = codes_of(Sessions(runner_on(model)), 2, 0, 1)
    np.testing.assert_array_equal(turned, together[:, [2, 0, 1]])


class Operations(TorchDispatchMode):
    """Notes each operation with the shapes that it works on."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[str, tuple[Any, ...]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        shapes = tuple(tuple(arg.shape) for arg in args if isinstance(arg, torch.Tensor))
        name = func.overloadpacket.__name__
        if name in ("index", "index_put", "index_put_") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        ):
            name = "nonzero"  # what it begins with on a GPU
        self.done.append((name, shapes))
        return func(*args, **(kwargs or {}))

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.done}


def operations_of(work: Callable[[], object]) -> Operations:
    operations = Operations()
    # Inference mode lets operations pass this net unseen; the works themselves are what a step calls in it.
    with torch.inference_mode(False), torch.no_grad(), operations:
        work()
    return operations


def works_of(sessions: Sessions, *slots: int, length: int = 256) -> tuple[Work, Work]:
    """The two recorded works of a step, their inputs in place."""
    runner = sessions.runner
    buffers = runner._buffers_of(4)
    runner._fill(buffers, sessions.rows(*slots))
    return (lambda: runner._sound(buffers), lambda: runner._talk(buffers, length))


def test_the_net_for_host_reads_and_writes_catches_them() -> None:
    tensor = torch.ones(3)
    assert operations_of(lambda: tensor.sum().item()).names & FORBIDDEN
    assert operations_of(lambda: tensor[tensor > 0]).names & FORBIDDEN
    assert operations_of(lambda: torch.tensor([1, 2])).names & FORBIDDEN
    assert not operations_of(lambda: tensor * 2).names & FORBIDDEN


def test_nothing_goes_to_or_from_the_host_within_a_step(model: Qwen3Model) -> None:
    for work in works_of(Sessions(runner_on(model)), 0, 1, 2):
        operations = operations_of(work)
        assert len(operations.done) > 100
        assert not operations.names & FORBIDDEN


class HostTensors(TorchDispatchMode):
    """Notes each operation that takes or gives a tensor of the host."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0
        self.on_the_host: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = func(*args, **(kwargs or {}))
        self.done += 1
        tensors = [leaf for leaf in tree_leaves((args, kwargs, given)) if isinstance(leaf, torch.Tensor)]
        if any(tensor.device.type == "cpu" for tensor in tensors):
            self.on_the_host.add(func.overloadpacket.__name__)
        return given


def test_a_model_on_another_device_steps_without_a_tensor_of_the_host(checkpoints: Path) -> None:
    """The other device is one that has shapes and no numbers; on a GPU such a tensor would be an error or a wait."""
    model = loaded(checkpoints).to("meta")
    model.prepare()
    runner = runner_on(model)
    text_id = torch.tensor([TEXT_ID], device="meta")
    prompt = model.prompts.custom_voice(sorted(model.config.talker.speakers)[0], language="en")
    rows = torch.cat((prompt.prefix, prompt.forced + model.text_vectors(text_id)))
    model.codec.reset(0)
    runner.start([Start(0, rows, Sampling())])
    buffers = runner._buffers_of(4)
    with torch.no_grad(), HostTensors() as tensors:
        runner._sound(buffers)
        runner._talk(buffers, 256)
    assert tensors.done > 1000
    assert tensors.on_the_host == set()


def test_every_step_of_a_bucket_does_the_same_to_the_same_shapes(model: Qwen3Model) -> None:
    sessions = Sessions(runner_on(model))
    first = [operations_of(work).done for work in works_of(sessions, 0)]
    for _ in range(5):
        sessions.step(0, 1, 2)
    later = [operations_of(work).done for work in works_of(sessions, 2, 1, 0)]
    assert later == first


def traced(work: Work) -> Work:
    """What a CUDA graph does to a work, on a CPU: its operations are noted once and done again on the same tensors.
    A Python number that it used is noted as it was, and a tensor that moved is not found again."""
    with torch.inference_mode(False), torch.no_grad():
        graph = make_fx(lambda: work())()
    return lambda: graph()


def test_a_recorded_step_does_what_the_code_does(model: Qwen3Model) -> None:
    def run(**options: Any) -> tuple[np.ndarray, np.ndarray, int]:
        runner = Runner(
            model,
            num_slots=2,
            max_positions=64,
            buckets=Buckets((2,), (32, 64)),
            max_top_k=50,
            **options,
        )
        with torch.inference_mode(False), torch.no_grad():
            if options:
                runner.record.__wrapped__(runner)
            sessions = Sessions(runner, 2)
        codes, sound = [], []
        for turn in range(30):
            result = sessions.step(*((0, 1) if turn % 3 else (1,)))
            codes += result.codes.tolist()
            sound += result.samples
        return np.array(codes), np.array(sound), runner.num_recorded

    eager_codes, eager_sound, _ = run()
    codes, sound, num_recorded = run(capture=traced)
    assert num_recorded == 3, "the sound of one bucket, and the talk at two lengths"
    np.testing.assert_array_equal(codes, eager_codes)
    np.testing.assert_allclose(sound, eager_sound, atol=1e-5)


def test_steps_make_nothing_that_stays(model: Qwen3Model) -> None:
    runner = runner_on(model)
    sessions = Sessions(runner)
    sessions.step(0, 1, 2)
    before = {id(tensor) for tensor in vars(runner).values() if isinstance(tensor, torch.Tensor)}
    addresses = [tensor.data_ptr() for tensor in model.buffers()]
    for _ in range(20):
        sessions.step(0, 1, 2)
    assert {id(tensor) for tensor in vars(runner).values() if isinstance(tensor, torch.Tensor)} == before
    assert [tensor.data_ptr() for tensor in model.buffers()] == addresses
    assert len(runner._buffers) == 1


def test_the_end_and_other_codes_of_no_sound_are_not_drawn_too_early(
    model: Qwen3Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = model.config.talker.eos

    def scores(hidden: torch.Tensor) -> torch.Tensor:
        likely = torch.zeros(len(hidden), model.config.talker.codec_vocabulary)
        likely[:, end] = 100.0
        likely[:, end + 1] = 200.0
        return likely

    monkeypatch.setattr(model.talker, "logits", scores)
    sessions = Sessions(runner_on(model), 1)
    results = [sessions.step(0) for _ in range(2)]
    assert all(result.codes[0, 0] < 2048 for result in results)
    assert [result.ended for result in results] == [[False], [True]]


def test_bfloat16_says_nearly_the_same(checkpoints: Path, model: Qwen3Model) -> None:
    """The talker's scores and the predictor's, of the same rows, in the two precisions."""
    half = loaded(checkpoints, dtype=torch.bfloat16, codec_dtype=torch.float32)
    answers = []
    for one in (model, half):
        runner = runner_on(one)
        sessions = Sessions(runner, greedy=True)
        result = sessions.step(0, 1, 2)
        answers.append((runner._hidden[:3].float(), np.array(result.samples)))
        assert runner._hidden.dtype == one.talker.model.dtype
    (hidden, _), (half_hidden, half_sound) = answers
    error = (hidden - half_hidden).norm() / hidden.norm()
    assert error < 0.05
    assert half_sound.dtype == np.float32 and np.isfinite(half_sound).all()
