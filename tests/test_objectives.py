"""What is minimised: the loss of preference pairs, against TRL's, and its training on a tiny model."""

from __future__ import annotations

import dataclasses
import math
import random
from pathlib import Path

import pytest
import torch
from tiny_model import make_tiny_gguf

from crescent_lite.config import TrainConfig
from crescent_lite.errors import TrainingError
from crescent_lite.records import TokenExample, TrainingStep
from crescent_lite.training.base_gguf import read_base
from crescent_lite.training.greedy import Looks
from crescent_lite.training.learner import Learner
from crescent_lite.training.loaders import load_peft
from crescent_lite.training.objectives import objective_of
from crescent_lite.training.packages import is_installed
from crescent_lite.training.plan import TrainingPlan, read_examples, write_examples
from crescent_lite.training.trainer import train

torch.set_num_threads(1)  # a second thread makes a tiny model slower
pytestmark = pytest.mark.slow

PREFERENCE = TrainConfig(
    objective="preference",
    loader="peft",
    precision="float32",
    learning_rate=0.01,
    epochs=6,
    batch_size=8,
    micro_batch_size=4,
    rank=4,
    alpha=8,
    nll_weight=0.7,
    beta=0.3,
)


def pairs_of(count: int, weight: float = 1.0) -> list[TokenExample]:
    """Pairs whose winners end with one token and whose losers end with another."""
    chance = random.Random(5)
    found = []
    for number in range(count):
        prompt = [chance.randint(3, 280) for _ in range(6)]
        winner, loser = ([chance.randint(3, 280) for _ in range(chance.randint(4, 12))] for _ in range(2))
        found.append(TokenExample(number, (*prompt, *winner, 77), len(prompt), (*prompt, *loser, 88), weight=weight))
    return found


def plan_of(folder: Path, base: Path, examples: list[TokenExample], config: TrainConfig = PREFERENCE) -> TrainingPlan:
    folder.mkdir(parents=True)
    plan = TrainingPlan(
        base, "its checksum", folder, "peft", seed=1, examples_left_out=0, config=config, reply_tokens=12
    )
    write_examples(plan.examples_path, examples)
    return plan


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


def learner_of(plan: TrainingPlan) -> Learner:
    return Learner(load_peft(plan, read_base(plan.base_gguf)), objective_of(plan.config), seed=1)


def change_adapter(learner: Learner) -> None:
    """Give the adapter weights that change the model, so that it differs from the reference."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, weight in learner.model.named_parameters():
            if weight.requires_grad and "lora_B" in name:
                weight.copy_(torch.randn_like(weight) * 0.05)


def test_a_plan_keeps_its_pairs(tiny: Path, tmp_path: Path) -> None:
    pairs = pairs_of(3, weight=0.25)
    assert list(read_examples(plan_of(tmp_path / "plan", tiny, pairs).examples_path)) == pairs


@pytest.mark.skipif(not is_installed("trl"), reason="TRL is not installed: make unsloth")
def test_loss_and_gradients_are_those_of_trl(tiny: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    pairs = pairs_of(5)
    plan = plan_of(tmp_path / "plan", tiny, pairs)
    learner = learner_of(plan)
    model = learner.model
    options = DPOConfig(
        output_dir=str(tmp_path / "trl"),
        loss_type=["sigmoid", "sft"],
        loss_weights=[1.0, PREFERENCE.nll_weight],
        beta=PREFERENCE.beta,
        per_device_train_batch_size=1,
        use_cpu=True,
        bf16=False,
        report_to=[],
    )
    rows = [
        {
            "prompt_ids": list(pair.input_ids[: pair.prompt_length]),
            "chosen_ids": list(pair.input_ids[pair.prompt_length :]),
            "rejected_ids": list(pair.rejected_ids[pair.prompt_length :]),
        }
        for pair in pairs
    ]
    from datasets import Dataset

    tokenizer = AutoTokenizer.from_pretrained(str(tiny.parent), gguf_file=tiny.name)
    trainer = DPOTrainer(
        model=model,
        args=options,
        train_dataset=Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}]),
        processing_class=tokenizer,
    )
    references = learner.reference(pairs)
    change_adapter(learner)
    model.train()
    model.zero_grad(set_to_none=True)
    theirs = 0.0
    for row in rows:
        loss = trainer.compute_loss(model, trainer.data_collator([row])) / len(rows)
        loss.backward()
        theirs += float(loss.detach())
    their_gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}

    referred = [
        dataclasses.replace(pair, reference=reference) for pair, reference in zip(pairs, references, strict=True)
    ]
    ours = learner.gradients([referred[:3], referred[3:]])
    assert ours.loss == pytest.approx(theirs, abs=1e-4)
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            torch.testing.assert_close(weight.grad, their_gradients[name], atol=1e-4, rtol=1e-3)


def test_before_the_first_step_a_pair_costs_log_two_and_its_likelihood(tiny: Path, tmp_path: Path) -> None:
    pairs = pairs_of(4, weight=0.5)
    learner = learner_of(plan_of(tmp_path / "plan", tiny, pairs))
    change_adapter(learner)
    referred = [
        dataclasses.replace(pair, reference=reference)
        for pair, reference in zip(pairs, learner.reference(pairs), strict=True)
    ]
    measured = learner.measure([referred])
    likelihood = sum(
        -pair.reference[0] / (len(pair.input_ids) - pair.prompt_length) for pair in referred if pair.reference
    ) / len(referred)
    assert measured.loss == pytest.approx(0.5 * (math.log(2) + PREFERENCE.nll_weight * likelihood), rel=1e-5)
    assert measured.measures["winner_logprob_change"] == pytest.approx(0, abs=1e-5)


def test_training_on_pairs_makes_winners_likelier_than_losers(tiny: Path, tmp_path: Path) -> None:
    steps: list[TrainingStep] = []
    plan = plan_of(tmp_path / "plan", tiny, pairs_of(16))
    adapter = train(plan, read_base(tiny), steps.append)
    assert adapter.details["objective"] == "preference"
    assert steps[-1].measures["pair_accuracy"] == 1
    assert steps[-1].measures["winner_logprob_change"] > 0 > steps[-1].measures["loser_logprob_change"]
    assert steps[-1].tokens == 6 * sum(pair.tokens for pair in pairs_of(16))


def test_a_killed_training_on_pairs_ends_with_the_same_adapter(tiny: Path, tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    config = dataclasses.replace(PREFERENCE, checkpoint_seconds=0, held_out=0.1, dropout=0.1)
    ended = []
    for name, kills in (("unbroken", []), ("killed", [2, 5, 9])):
        plan = plan_of(tmp_path / name, tiny, pairs_of(60), config)
        for last in kills:

            def until(step: TrainingStep, last: int = last) -> None:
                if step.step == last:
                    raise KilledError

            with pytest.raises(KilledError):
                train(plan, read_base(tiny), until)
        steps: list[TrainingStep] = []
        adapter = train(plan, read_base(tiny), steps.append)
        measured = [(step.measures, step.replies) for step in steps[-3:]]
        ended.append(((adapter.peft_dir / "adapter_model.safetensors").read_bytes(), measured))
    assert ended[0] == ended[1]
    assert any("held_out_pair_accuracy" in measures for measures, _ in ended[0][1])
    assert any(replies for _, replies in ended[0][1])


def test_an_example_without_a_loser_cannot_be_a_pair(tiny: Path, tmp_path: Path) -> None:
    alone = dataclasses.replace(pairs_of(1)[0], rejected_ids=())
    with pytest.raises(TrainingError, match="no losing solution"):
        train(plan_of(tmp_path / "plan", tiny, [alone]), read_base(tiny), lambda step: None)


def test_the_weights_of_solutions_change_their_part_of_the_loss(tiny: Path, tmp_path: Path) -> None:
    first, second = (dataclasses.replace(pair, rejected_ids=()) for pair in pairs_of(2))
    config = dataclasses.replace(PREFERENCE, objective="sft")
    learner = learner_of(plan_of(tmp_path / "plan", tiny, [first], config))
    (one,), (two,) = learner.reference([first]), learner.reference([second])
    lengths = [len(each.input_ids) - each.prompt_length for each in (first, second)]
    weighted = learner.measure([[dataclasses.replace(first, weight=0.25), second]])
    expected = -(0.25 * one[0] + two[0]) / (0.25 * lengths[0] + lengths[1])
    assert weighted.loss == pytest.approx(expected, rel=1e-5)


def test_looks_reply_as_the_model_would_and_leave_its_training_alone(tiny: Path, tmp_path: Path) -> None:
    ended, steps = [], []
    for replies in (0, 50):
        config = dataclasses.replace(PREFERENCE, held_out=0.1, dropout=0.1, look_replies=replies)
        plan = plan_of(tmp_path / str(replies), tiny, pairs_of(60), config)
        steps.append(list[TrainingStep]())
        adapter = train(plan, read_base(tiny), steps[-1].append)
        ended.append((adapter.peft_dir / "adapter_model.safetensors").read_bytes())
    assert ended[0] == ended[1]
    assert not any(step.replies for step in steps[0])

    looks = [step for step in steps[1] if step.replies]
    assert (looks[0].step, looks[-1].step) == (1, len(steps[1]))
    for reply in looks[0].replies:  # those of the base, one by one and without padding
        prompt = next(pair for pair in pairs_of(60) if pair.question_id == reply.question_id)
        model = load_peft(plan, read_base(tiny)).model
        alone = model.generate(
            torch.tensor([prompt.input_ids[: prompt.prompt_length]]),
            do_sample=False,
            max_new_tokens=12,
            eos_token_id=77,
        )[0, prompt.prompt_length :].tolist()
        assert list(reply.token_ids) == [token for token in alone if token != 77]
        assert reply.ended == (77 in alone)


def test_looks_draw_at_most_a_twentieth_of_the_tokens_trained_on() -> None:
    held_out = [TokenExample(number, (1,) * 110, 10) for number in range(40)]
    many = Looks(held_out, most_replies=50, most_tokens=640, training_tokens=400_000)
    few = Looks(held_out, most_replies=50, most_tokens=640, training_tokens=30_000)
    none = Looks(held_out, most_replies=50, most_tokens=640, training_tokens=10_000)

    many.tokens, few.tokens = 40 * 100, 7 * 100
    assert many.steps(range(5, 101, 5)) == {25, 50, 75, 100}  # with the one before the first step, 20,000 tokens
    assert few.steps([10, 20]) == {20}
    assert not none.is_wanted
