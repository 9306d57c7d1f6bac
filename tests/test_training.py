"""Real fine-tuning of a tiny model: the child process, the loss, and the adapter in llama.cpp."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import llama_cpp
import numpy as np
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from processes import training_process
from safetensors.numpy import load_file, save_file
from tiny_model import HEADS, TinyArchitecture, as_base, make_tiny_gguf, split_gguf
from transformers import AutoTokenizer

from crescent_lite.config import TrainConfig
from crescent_lite.errors import (
    CrescentError,
    MissingPackageError,
    ModelError,
    OutOfMemoryError,
    TrainingError,
)
from crescent_lite.records import TokenExample, TrainedAdapter, TrainingStep
from crescent_lite.sampling.machine_limits import Memory
from crescent_lite.training import choose_loader, finetune, save_transformers_folder
from crescent_lite.training.adapter_gguf import UNSUPPORTED_FIELDS, write_adapter_gguf
from crescent_lite.training.architectures import LINEAR_LAYERS
from crescent_lite.training.base_gguf import read_base
from crescent_lite.training.loaders import dequantised, half_precision_of, load_peft, refuse_too_large
from crescent_lite.training.losses import NO_LOSS, padded
from crescent_lite.training.objectives.interface import TokenSequence
from crescent_lite.training.packages import require_packages
from crescent_lite.training.plan import TrainingPlan, write_examples
from crescent_lite.training.trainer import train

torch.set_num_threads(1)  # a second thread makes a tiny model slower

pytestmark = pytest.mark.slow
HOT = TrainConfig(
    loader="peft",
    precision="float32",
    learning_rate=0.01,
    epochs=8,
    batch_size=4,
    micro_batch_size=2,
    rank=4,
    alpha=8,
)
"""Enough training to memorise six short examples, with the same number type on every processor."""
PROBE = [1, 40, 50, 60, 70, 2, 13, 99, 120, 7, 33, 200]


def examples_of(count: int) -> list[TokenExample]:
    random = np.random.default_rng(7)
    return [TokenExample(i, tuple(map(int, random.integers(3, 280, 10 + i))), 6) for i in range(count)]


def plan_of(folder: Path, base: Path, config: TrainConfig) -> TrainingPlan:
    folder.mkdir(parents=True)
    plan = TrainingPlan(base, "its checksum", folder, "peft", seed=1, examples_left_out=0, config=config)
    write_examples(plan.examples_path, examples_of(6))
    return plan


def llama_cpp_logits(base: Path, adapter: Path | None) -> np.ndarray:
    model = llama_cpp.Llama(
        str(base),
        lora_path=str(adapter) if adapter else None,
        n_ctx=64,
        n_threads=1,
        type_k=llama_cpp.GGML_TYPE_F32,
        type_v=llama_cpp.GGML_TYPE_F32,
        logits_all=True,
        verbose=False,
    )
    model.eval(PROBE)
    logits = np.array(model.scores[: len(PROBE)])
    model.close()
    return logits


def torch_logits(plan: TrainingPlan, adapter: TrainedAdapter) -> np.ndarray:
    base = load_peft(plan, read_base(plan.base_gguf)).model.unload()
    with torch.no_grad():
        return PeftModel.from_pretrained(base, adapter.peft_dir).eval()(torch.tensor([PROBE])).logits[0].numpy()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="module")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> list[TrainingStep | TrainedAdapter]:
    out_dir = tmp_path_factory.mktemp("training")
    useless = [TokenExample(98, tuple(range(3, 203)), 6), TokenExample(99, (3, 4, 5), 3)]
    config = dataclasses.replace(HOT, max_example_tokens=100)
    examples = [*examples_of(6), *useless]
    return list(finetune(examples, base=as_base(tiny), config=config, seed=1, out_dir=out_dir))


def test_every_step_is_reported_and_the_loss_falls(finished: list[TrainingStep | TrainedAdapter]) -> None:
    steps = [event for event in finished if isinstance(event, TrainingStep)]
    assert [step.step for step in steps] == list(range(1, 17))
    assert {step.steps for step in steps} == {16}
    assert steps[-1].loss < steps[0].loss / 4
    assert steps[-1].epoch == pytest.approx(8)
    assert steps[-1].tokens == 8 * sum(len(example.input_ids) for example in examples_of(6))
    assert all(step.tokens_per_second > 0 and step.learning_rate >= 0 for step in steps)


def test_the_adapter_comes_last_with_its_record(finished: list[TrainingStep | TrainedAdapter]) -> None:
    adapter = finished[-1]
    assert isinstance(adapter, TrainedAdapter)
    assert adapter.loader == "peft"
    assert adapter.train_seconds > 0
    assert adapter.details["examples"] == "6"
    assert adapter.details["examples_left_out"] == "2"
    assert {"torch", "transformers", "peft", "device", "weights"} <= set(adapter.details)
    assert (adapter.peft_dir / "adapter_model.safetensors").is_file()
    assert not list(adapter.gguf_path.parent.glob("*.unfinished"))


@pytest.mark.parametrize(
    ("architecture", "rope_factors"),
    [("llama", True), *((architecture, False) for architecture in LINEAR_LAYERS)],
)
def test_llama_cpp_with_the_adapter_agrees_with_transformers(
    architecture: TinyArchitecture, rope_factors: bool, tmp_path: Path
) -> None:
    """The tolerance is larger for architectures with a GELU, which llama.cpp looks up in a table of 16-bit floats."""
    base = make_tiny_gguf(tmp_path / "tiny.gguf", architecture, rope_factors=rope_factors)
    plan = plan_of(tmp_path / "training", base, HOT)
    adapter = train(plan, read_base(base), lambda step: None)
    tuned = llama_cpp_logits(base, adapter.gguf_path)
    has_gelu = architecture in ("gemma2", "gemma3", "starcoder2")
    assert np.abs(tuned - torch_logits(plan, adapter)).max() < (0.02 if has_gelu else 1e-3)
    assert np.abs(tuned - llama_cpp_logits(base, None)).max() > 1


def test_q_and_k_in_another_order_do_not_agree(tiny: Path, tmp_path: Path) -> None:
    """The comparison above would detect a wrong permutation."""
    plan = plan_of(tmp_path / "training", tiny, HOT)
    adapter = train(plan, read_base(tiny), lambda step: None)
    wrong = tmp_path / "wrong.gguf"
    write_adapter_gguf(adapter.peft_dir, dataclasses.replace(read_base(tiny), heads=HEADS // 2), wrong, "")
    assert np.abs(llama_cpp_logits(tiny, wrong) - torch_logits(plan, adapter)).max() > 0.1


@pytest.mark.parametrize(
    ("precision", "said"), [("float32", "float32"), ("bfloat16", "bfloat16"), ("nf4", "4-bit NF4")]
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="tests the behaviour on a CPU")
def test_the_base_has_the_requested_precision(
    precision: Literal["float32", "bfloat16", "nf4"], said: str, tiny: Path, tmp_path: Path
) -> None:
    if precision == "nf4":
        pytest.importorskip("bitsandbytes", reason="4-bit weights need bitsandbytes: make unsloth")
    steps: list[TrainingStep] = []
    config = dataclasses.replace(HOT, precision=precision)
    adapter = train(plan_of(tmp_path / "training", tiny, config), read_base(tiny), steps.append)
    assert adapter.details["weights"] == said
    assert steps[-1].loss < steps[0].loss / 4
    assert load_file(adapter.peft_dir / "adapter_model.safetensors")
    assert np.abs(llama_cpp_logits(tiny, adapter.gguf_path) - llama_cpp_logits(tiny, None)).max() > 1


def test_the_loss_does_not_depend_on_how_a_batch_is_split(tiny: Path, tmp_path: Path) -> None:
    def losses(micro_batch_size: int) -> list[float]:
        config = dataclasses.replace(HOT, epochs=2, micro_batch_size=micro_batch_size)
        steps: list[TrainingStep] = []
        train(plan_of(tmp_path / str(micro_batch_size), tiny, config), read_base(tiny), steps.append)
        return [step.loss for step in steps]

    one_by_one = losses(1)
    assert losses(2) == pytest.approx(one_by_one, rel=1e-3)
    assert losses(4) == pytest.approx(one_by_one, rel=1e-3)


def test_the_same_seed_gives_the_same_adapter(tiny: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(HOT, epochs=1)
    plans = [plan_of(tmp_path / name, tiny, config) for name in "ab"]
    first, second = (train(plan, read_base(tiny), lambda step: None).gguf_path for plan in plans)
    assert first.read_bytes() == second.read_bytes()


def test_a_split_base_trains_the_same_adapter(tiny: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(HOT, epochs=1)
    first = split_gguf(tiny, tmp_path / "parts")[0]
    plans = [plan_of(tmp_path / name / "round-1", base, config) for name, base in (("a", tiny), ("b", first))]
    whole, split = (train(plan, read_base(plan.base_gguf), lambda step: None).gguf_path for plan in plans)
    assert whole.read_bytes() == split.read_bytes()


def test_weights_from_a_folder_train_the_same_adapter(tiny: Path, tmp_path: Path) -> None:
    dequantised(read_base(tiny), torch.float32).save_pretrained(tmp_path / "folder")
    config = dataclasses.replace(HOT, epochs=1)
    from_folder = dataclasses.replace(config, weights=str(tmp_path / "folder"))
    plans = [plan_of(tmp_path / "a", tiny, config), plan_of(tmp_path / "b", tiny, from_folder)]
    first, second = (train(plan, read_base(tiny), lambda step: None).gguf_path for plan in plans)
    assert first.read_bytes() == second.read_bytes()


def test_a_folder_without_safetensors_is_refused(tiny: Path, tmp_path: Path) -> None:
    dequantised(read_base(tiny), torch.float32).save_pretrained(tmp_path / "folder")
    (tmp_path / "folder" / "model.safetensors").rename(tmp_path / "folder" / "pytorch_model.bin")
    config = dataclasses.replace(HOT, weights=str(tmp_path / "folder"))
    with pytest.raises(ModelError, match=r"train\.weights: .* cannot be loaded"):
        train(plan_of(tmp_path / "training", tiny, config), read_base(tiny), lambda step: None)


def test_a_base_beyond_the_memory_that_may_be_used_is_refused_before_loading(tiny: Path) -> None:
    base = read_base(tiny)
    refuse_too_large(base, torch.float32, Memory(4 * base.parameters, 8 * base.parameters, True))
    with pytest.raises(OutOfMemoryError, match="as float32, but only"):
        refuse_too_large(base, torch.float32, Memory(4 * base.parameters - 1, 8 * base.parameters, True))


def test_a_loss_that_is_not_finite_ends_the_training(tiny: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(HOT, learning_rate=1.0, warmup_fraction=0.0, alpha=4096, epochs=60)
    base = make_tiny_gguf(tmp_path / "broken.gguf", broken=True)
    with pytest.raises(TrainingError, match=r"the loss became nan at step 1, .*learning_rate"):
        train(plan_of(tmp_path / "training", base, config), read_base(base), lambda step: None)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rope_scaling": "yarn"}, r"positions are scaled \(yarn\)"),
        ({"architecture": "gemma2", "head_width": 128}, "heads are 128 wide"),
        ({"rotary_width": 8}, "positions rotate 8 of a head's 16 values"),
        ({"shapes": {"blk.0.attn_q.weight": (64, 64)}}, "reads only 20 of its 1 tensors"),
    ],
)
def test_a_gguf_that_transformers_misreads_is_refused(
    settings: dict[str, Any], words: str, tiny: Path, tmp_path: Path
) -> None:
    base = dataclasses.replace(read_base(tiny), **settings)
    with pytest.raises(ModelError, match=words):
        train(plan_of(tmp_path / "training", tiny, HOT), base, lambda step: None)


def test_tokens_that_the_weights_do_not_have_are_refused(tiny: Path, tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "training", tiny, HOT)
    write_examples(plan.examples_path, [TokenExample(1, (1, 2, 5000), 1)])
    with pytest.raises(TrainingError, match="token 5000"):
        train(plan, read_base(tiny), lambda step: None)


def test_the_folder_ends_where_the_gguf_does_and_pads_with_something_else(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    save_transformers_folder(tiny, tmp_path / "folder")  # Unsloth rejects a padding token that equals the end token
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "folder")
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_a_tokenizer_that_transformers_cannot_read_is_one_line(tmp_path: Path) -> None:
    base = make_tiny_gguf(tmp_path / "tiny.gguf", "lfm2")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError, match=r"transformers cannot read its tokenizer \(KeyError: 'lfm2'\), which"):
        save_transformers_folder(base, tmp_path / "folder")


# --- the child process ---


def child_pid(parent: int) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if children := psutil.Process(parent).children():
            return children[0].pid
        time.sleep(0.05)
    raise AssertionError("no child appeared")


def is_gone(pid: int, within_seconds: float) -> bool:
    try:
        psutil.Process(pid).wait(timeout=within_seconds)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_closing_the_iterator_stops_the_child(tiny: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(HOT, epochs=1000)
    events = finetune(examples_of(6), base=as_base(tiny), config=config, seed=1, out_dir=tmp_path)
    assert isinstance(next(events), TrainingStep)
    child = training_process()
    started = time.monotonic()
    events.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 4
    assert is_gone(child.pid, 0.1)
    assert not (tmp_path / "adapter.gguf").exists()


PARENT = """
import sys
from pathlib import Path
from crescent_lite.config import TrainConfig
from crescent_lite.records import ModelFile, TokenExample
from crescent_lite.training import finetune
path, out_dir = map(Path, sys.argv[1:])
base, config = ModelFile("base", path, "", "base"), TrainConfig(loader="peft", epochs=1000)
list(finetune([TokenExample(1, (1, 5, 6, 7), 2)], base=base, config=config, seed=1, out_dir=out_dir))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_the_child_ends_when_its_parent_is_killed(tiny: Path, tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tiny), str(tmp_path)])
    child = child_pid(parent.pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert is_gone(child, within_seconds=5)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
@pytest.mark.parametrize(
    ("sent", "kind", "words"),
    [
        ("SIGKILL", OutOfMemoryError, "train.micro_batch_size"),
        ("SIGTERM", TrainingError, r"ended by signal 15 \(Terminated\): its log is empty"),
    ],
)
def test_a_child_ended_from_outside_is_reported(
    sent: str, kind: type[CrescentError], words: str, tiny: Path, tmp_path: Path
) -> None:
    def end_child() -> None:
        psutil.Process(child_pid(os.getpid())).send_signal(getattr(signal, sent))

    thread = threading.Thread(target=end_child)
    thread.start()
    with pytest.raises(kind, match=words):
        list(finetune(examples_of(2), base=as_base(tiny), config=HOT, seed=1, out_dir=tmp_path))
    thread.join()


def test_a_base_that_is_not_a_gguf_is_one_line_from_the_child(tmp_path: Path) -> None:
    base = as_base(tmp_path / "text.gguf")
    base.path.write_text("not a model")
    with pytest.raises(ModelError, match=r"text\.gguf: not a readable GGUF file") as caught:
        list(finetune(examples_of(2), base=base, config=HOT, seed=1, out_dir=tmp_path / "t"))
    assert "\n" not in str(caught.value)
    assert "training.log" in str(caught.value)


MISSING = """
import sys
from pathlib import Path
sys.modules["peft"] = None
from crescent_lite.config import TrainConfig
from crescent_lite.errors import MissingPackageError
from crescent_lite.records import ModelFile, TokenExample
from crescent_lite.training import finetune
try:
    examples, out_dir = [TokenExample(1, (1, 2), 1)], Path(sys.argv[1])
    list(finetune(examples, base=ModelFile("x", Path("x"), "", "x"), config=TrainConfig(), seed=1, out_dir=out_dir))
except MissingPackageError as error:
    assert "torch" not in sys.modules
    sys.exit(str(error))
"""


def test_a_missing_package_is_named_before_anything_is_started(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", MISSING, str(tmp_path / "t")], capture_output=True, text=True, check=False
    )
    assert ended.stderr.strip() == "fine-tuning needs peft: run `pip install 'crescent-lite[train]'`"
    assert not (tmp_path / "t").exists()


def test_unsloth_must_be_installed_when_it_is_requested() -> None:
    with pytest.raises(MissingPackageError, match="run `make unsloth`"):
        require_packages("unsloth", installed=lambda package: package != "unsloth")


def test_the_requested_loader_is_used() -> None:
    assert choose_loader(TrainConfig(loader="peft"))[0] == "peft"
    assert choose_loader(TrainConfig(loader="unsloth"))[0] == "unsloth"


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [
        (None, torch.bfloat16),
        ((9, 0), torch.bfloat16),
        ((8, 0), torch.bfloat16),
        ((7, 5), torch.float16),
        ((7, 0), torch.float16),
    ],
)
def test_bfloat16_is_used_where_the_hardware_has_it(capability: tuple[int, int] | None, dtype: torch.dtype) -> None:
    """A T4 (7.5) and a V100 (7.0) only emulate it."""
    assert half_precision_of(capability) == dtype


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"max_example_tokens": 8}, TrainingError, "none of the 2 examples"),
        ({"weights": "no such folder"}, ModelError, "train.weights"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_the_parent(
    change: dict[str, object], kind: type[CrescentError], words: str, tiny: Path, tmp_path: Path
) -> None:
    config = dataclasses.replace(HOT, **change)  # type: ignore[arg-type]
    with pytest.raises(kind, match=words):
        list(finetune(examples_of(2), base=as_base(tiny), config=config, seed=1, out_dir=tmp_path / "t"))


# --- the adapter as GGUF ---


@pytest.fixture
def peft_dir(finished: list[TrainingStep | TrainedAdapter], tmp_path: Path) -> Iterator[Path]:
    adapter = finished[-1]
    assert isinstance(adapter, TrainedAdapter)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / name).write_bytes((adapter.peft_dir / name).read_bytes())
    yield tmp_path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("use_rslora", True),
        ("use_dora", True),
        ("rank_pattern", {"q_proj": 2}),
        ("alpha_pattern", {"q_proj": 2}),
        ("modules_to_save", ["lm_head"]),
        ("lora_bias", True),
        ("trainable_token_indices", [1]),
        ("layer_replication", [[0, 2]]),
        ("bias", "all"),
        ("peft_type", "LOHA"),
    ],
)
def test_an_adapter_that_gguf_cannot_express_is_refused_by_name(
    field: str, value: object, peft_dir: Path, tiny: Path
) -> None:
    assert field in UNSUPPORTED_FIELDS
    settings = json.loads((peft_dir / "adapter_config.json").read_text())
    (peft_dir / "adapter_config.json").write_text(json.dumps({**settings, field: value}))
    with pytest.raises(TrainingError, match=field):
        write_adapter_gguf(peft_dir, read_base(tiny), peft_dir / "adapter.gguf", "")
    assert not (peft_dir / "adapter.gguf").exists()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("nan", "is not a matrix of finite numbers"),
        ("vector", "is not a matrix of finite numbers"),
        ("rank", "have different ranks"),
        ("empty", "has no tensors"),
        ("no alpha", "no number for lora_alpha"),
        ("half", "half of a LoRA pair"),
    ],
)
def test_a_damaged_adapter_is_one_line(damage: str, words: str, peft_dir: Path, tiny: Path) -> None:
    tensors = load_file(peft_dir / "adapter_model.safetensors")
    name = next(iter(sorted(tensors)))  # a lora_A
    if damage == "nan":
        tensors[name][0, 0] = np.nan
    elif damage == "vector":
        tensors[name] = tensors[name][0]
    elif damage == "rank":
        tensors[name] = np.ascontiguousarray(tensors[name][:-1])
    elif damage == "half":
        del tensors[name]
    save_file({} if damage == "empty" else tensors, peft_dir / "adapter_model.safetensors")
    if damage == "no alpha":
        (peft_dir / "adapter_config.json").write_text('{"lora_alpha": null}')
    with pytest.raises(TrainingError, match=words):
        write_adapter_gguf(peft_dir, read_base(tiny), peft_dir / "adapter.gguf", "")


def test_an_unknown_architecture_is_refused(peft_dir: Path, tiny: Path) -> None:
    base = dataclasses.replace(read_base(tiny), architecture="mamba")
    with pytest.raises(TrainingError, match="'mamba' cannot be fine-tuned here"):
        write_adapter_gguf(peft_dir, base, peft_dir / "adapter.gguf", "")


def test_an_adapter_of_another_model_is_refused(peft_dir: Path, tiny: Path) -> None:
    base = read_base(tiny)
    wider = dataclasses.replace(base, shapes={**base.shapes, "blk.0.attn_q.weight": (64, 96)})
    with pytest.raises(TrainingError, match=r"blk\.0\.attn_q\.weight has 96 columns but the adapter 64"):
        write_adapter_gguf(peft_dir, wider, peft_dir / "adapter.gguf", "")


def test_a_tensor_outside_a_lora_pair_is_refused(peft_dir: Path, tiny: Path) -> None:
    tensors = load_file(peft_dir / "adapter_model.safetensors")
    tensors["base_model.model.model.norm.weight"] = np.ones(64, dtype=np.float32)
    save_file(tensors, peft_dir / "adapter_model.safetensors")
    with pytest.raises(TrainingError, match="does not belong to a LoRA pair"):
        write_adapter_gguf(peft_dir, read_base(tiny), peft_dir / "adapter.gguf", "")


# --- pure parts ---


@given(st.lists(st.tuples(st.lists(st.integers(0, 200), min_size=1), st.integers(0, 9)), min_size=1, max_size=5))
def test_a_batch_pads_without_learning_from_prompt_or_padding(rows: list[tuple[list[int], int]]) -> None:
    examples = [TokenExample(0, tuple(ids), min(prompt, len(ids))) for ids, prompt in rows]
    batch = padded([TokenSequence(each.input_ids, each.prompt_length) for each in examples])
    shape = (len(rows), max(len(ids) for ids, _ in rows))
    assert {tuple(t.shape) for t in (batch.input_ids, batch.labels)} == {shape}
    for index, example in enumerate(examples):
        length = len(example.input_ids)
        assert tuple(batch.input_ids[index][:length].tolist()) == example.input_ids
        learnt = batch.labels[index].ne(NO_LOSS)
        assert learnt.sum() == length - example.prompt_length
        assert not learnt[: example.prompt_length].any()
