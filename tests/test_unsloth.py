"""Real training with Unsloth's CPU backend: a few steps on the embedded model give the same losses as PEFT."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from crescent_lite.config import TrainConfig
from crescent_lite.models import find_model
from crescent_lite.records import TokenExample, TrainedAdapter, TrainingStep
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.training import finetune
from crescent_lite.training.base_gguf import read_base
from crescent_lite.training.packages import is_installed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed("unsloth"), reason="Unsloth is not installed: make unsloth"),
]

CONFIG = TrainConfig(epochs=2.0, batch_size=2, micro_batch_size=1, rank=4, alpha=8, warmup_fraction=0.0)


@pytest.fixture(scope="module")
def examples() -> list[TokenExample]:
    model = GgufModel(find_model("embedded").path, vocabulary_only=True)
    template = ChatTemplate(model)
    encoded = [template.encode_example(f"What is {n} + 3?", f"{n} + 3 = {n + 3}") for n in range(4)]
    model.close()
    return [TokenExample(number, tuple(ids), length) for number, (ids, length) in enumerate(encoded)]


def test_unsloth_trains_as_peft_does(examples: list[TokenExample], tmp_path: Path) -> None:
    base = find_model("embedded")
    losses: dict[str, list[float]] = {}
    for loader in ("unsloth", "peft"):
        config = dataclasses.replace(CONFIG, loader=loader)
        *steps, adapter = finetune(examples, base=base, config=config, seed=1, out_dir=tmp_path / loader)
        assert isinstance(adapter, TrainedAdapter)
        assert (adapter.loader, adapter.gguf_path.is_file()) == (loader, True)
        losses[loader] = [step.loss for step in steps if isinstance(step, TrainingStep)]
    assert len(losses["unsloth"]) == 4
    # Both start from the same adapter; Unsloth reads the weights as bfloat16 and may compute in bfloat16.
    assert losses["unsloth"] == pytest.approx(losses["peft"], rel=0.1)
    assert read_base(base.path).architecture == "llama"


def test_unsloth_learns_pairs_as_peft_does(examples: list[TokenExample], tmp_path: Path) -> None:
    """Each question's solution over the solution of the next question."""
    pairs = []
    for example, other in zip(examples, [*examples[1:], examples[0]], strict=True):
        prompt, reply = example.input_ids[: example.prompt_length], other.input_ids[other.prompt_length :]
        pairs.append(dataclasses.replace(example, rejected_ids=(*prompt, *reply)))
    losses: dict[str, list[float]] = {}
    for loader in ("unsloth", "peft"):
        config = dataclasses.replace(CONFIG, loader=loader, objective="preference", epochs=1.0)
        *steps, _ = finetune(pairs, base=find_model("embedded"), config=config, seed=1, out_dir=tmp_path / loader)
        losses[loader] = [step.loss for step in steps if isinstance(step, TrainingStep)]
    assert losses["unsloth"] == pytest.approx(losses["peft"], rel=0.1)
