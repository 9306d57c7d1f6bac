"""What a run is said to take: the arithmetic, and the prediction of stored runs from what was known before them."""

from __future__ import annotations

import math
import os
import pty
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from sample_run import load_sample_run
from small_workspace import make_workspace

from crescent_lite.cli.forecasts import in_a_line, lasting
from crescent_lite.config import load_config
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ConfigError, ModelError
from crescent_lite.events import MachineNoted
from crescent_lite.forecast.estimates import (
    ADAPTER_SLOWS,
    PRODUCTS_SHARE,
    TEMPLATE_TOKENS,
    TRAINING_START_SECONDS,
    Amount,
    Estimate,
    Lengths,
    MeasuredItems,
    Sizes,
    Speed,
    estimate,
    total,
)
from crescent_lite.forecast.gather import forecast_run, unshared_characters
from crescent_lite.records import Generation, Request
from crescent_lite.sampling import SamplerUsage
from crescent_lite.sampling.calibration import calibrate
from crescent_lite.store import Store
from crescent_lite.store.experience import Experience, fetch_experience
from crescent_lite.workspace import Workspace

SPEED = Speed(draw=100.0, prompt=400.0)
ITEMS = MeasuredItems("sums", "bare", "score", replies=200, limit=50, question_characters=14.0)
SIZES = Sizes(rounds=1, measurements=(ITEMS,), weights=134_000_000)


def seconds_of(found: Estimate, stage: str, number: int = 1) -> float:
    return next(each.seconds.value for each in found.stages if (each.stage, each.round) == (stage, number))


def test_uncertainties_of_a_product_and_of_a_sum_are_independent() -> None:
    both = Amount(3.0, 2.0).times(Amount(5.0, 2.0))
    assert both.value == 15.0
    assert both.factor == pytest.approx(math.exp(math.sqrt(2) * math.log(2)))
    assert total([Amount(10.0, 1.3), Amount(10.0, 1.4)]).factor == pytest.approx(1 + 0.5 / 2)
    assert total([]) == Amount(0.0)


def test_a_stage_takes_its_tokens_at_the_speed_and_its_prompts() -> None:
    found = estimate(load_config(preset="quick"), SIZES, Experience(), SPEED, Lengths(reply=10.0))
    prompts = 200 * (8 + 14 / 3.5)
    assert seconds_of(found, "evaluate", 0) == pytest.approx(200 * 10 / 100 + prompts / 400)
    assert seconds_of(found, "evaluate") == pytest.approx(ADAPTER_SLOWS * seconds_of(found, "evaluate", 0))


def test_what_is_stored_already_is_not_estimated_again() -> None:
    known = Sizes(rounds=1, measurements=(ITEMS.__class__(**{**ITEMS.__dict__, "known": 200}),), weights=1)
    stages = {(each.round, each.stage) for each in estimate(load_config(), known, Experience(), SPEED).stages}
    assert (0, "evaluate") not in stages
    assert (1, "evaluate") in stages


def test_a_resumed_run_owes_what_is_left() -> None:
    config, whole = load_config(preset="quick"), SIZES
    begun = Sizes(**{**SIZES.__dict__, "rounds": 2, "finished_rounds": 1, "done": {"ask": 700, "vote": 1000}})
    all_of_it = estimate(config, whole, Experience(), SPEED)
    rest = estimate(config, begun, Experience(), SPEED)
    assert rest.items("ask").value == pytest.approx(all_of_it.items("ask").value - 700)
    assert rest.items("vote").value == pytest.approx(all_of_it.items("vote").value - 1000)


def test_own_questions_are_used_up_and_cost_no_tokens() -> None:
    sizes = Sizes(**{**SIZES.__dict__, "rounds": 3, "own_questions": 900, "own_question_characters": 70.0})
    found = estimate(load_config(preset="quick"), sizes, Experience(), SPEED)
    assert found.items("ask").value == 900  # 700, then the other 200, then none
    assert {each.round for each in found.stages} == {0, 1, 2}  # without questions nothing is trained or evaluated
    assert not any(each.tokens.value for each in found.stages if each.stage == "ask")


def test_a_training_takes_its_examples_at_the_speed_of_the_processor() -> None:
    config = load_config(preset="quick")
    sizes = Sizes(**{**SIZES.__dict__, "teacher_labels": Amount(30.0), "train_prompt_characters": 35.0})
    fast = Speed(draw=100.0, prompt=400.0, products=30e9)
    found = estimate(config, sizes, Experience(), fast, Lengths(text=13.0, vote=14.0))
    example = TEMPLATE_TOKENS + 35 / 3.5 + 13 + 14
    (stage,) = [each for each in found.stages if each.stage == "train"]
    assert stage.tokens.value == pytest.approx(30 * example * config.train.epochs)
    steps = stage.tokens.value * 2 * 134_000_000 / (PRODUCTS_SHARE * 30e9)
    assert stage.seconds.value == pytest.approx(TRAINING_START_SECONDS + steps)


def test_without_any_speed_there_is_no_time() -> None:
    found = estimate(load_config(), SIZES, Experience(), None)
    assert not found.has_speed
    assert found.items("vote").value > 0


def test_the_rest_of_a_stored_run_is_predicted_from_its_first_round(tmp_path: Path) -> None:
    """The second round of the sample run, from what its first round showed; 15 and 17 s, 74 and 36 s, ..."""
    workspace = load_sample_run(tmp_path / "w")
    with closing(Store.open(workspace.database_path)) as store:
        run = store.runs.fetch_run(1)
        machine = MachineNoted("", "", "a processor", 2, 24.0, (), {})
        costs = {number: store.runs.fetch_stage_costs(1, number) for number in (0, 1)}
        past = fetch_experience(store.database, run.base_id, "arithmetic", machine)
        elsewhere = fetch_experience(
            store.database, run.base_id, "arithmetic", MachineNoted("", "", "", 8, 1, (), {})
        )
    assert not elsewhere.speeds
    assert elsewhere.texts == past.texts == 248
    items = tuple(
        MeasuredItems("arithmetic", prompt, "score", 80, 48, 16.0) for prompt in ("bare", "arithmetic/solve")
    )
    sizes = Sizes(rounds=1, measurements=items, weights=134_515_008)
    config = load_config(workspace.config_path)
    found = estimate(config, sizes, past, None)
    spent = sum(cost.seconds for each in costs.values() for cost in each)
    assert found.seconds.value == pytest.approx(spent, rel=0.3)
    assert found.seconds.low < spent < found.seconds.high


def test_only_what_differs_between_prompts_is_read() -> None:
    assert unshared_characters(["What is 2 + 3?", "What is 4 + 5?"]) == 6.0
    assert unshared_characters(["alone"]) == 5.0


class TimedSampler(FakeSampler):
    """Pretends that each token takes 10 ms and each token of a prompt, which is read once for all samples, 2 ms."""

    def sample(self, requests, watch=None):  # type: ignore[no-untyped-def]
        read = set()
        for completion in super().sample(requests):
            prompt_tokens = 0 if completion.key in read else completion.prompt_tokens
            read.add(completion.key)
            self.usage.prompt_tokens += prompt_tokens
            self.usage.seconds += 0.01 * completion.tokens + 0.002 * prompt_tokens
            yield completion


def test_a_calibration_tells_drawing_from_reading() -> None:
    votes = [Request(f"vote {n}", "2 + 3?", Generation(8), tuple(range(4))) for n in range(4)]
    found = calibrate(TimedSampler(), {"vote": votes}, [Request("long", "2 + 3?", Generation(8))], seconds=5)
    assert found is not None
    assert (found.draw, found.prompt) == (pytest.approx(100), pytest.approx(500))
    assert found.lengths == {"vote": 5.0}


class SteppingSampler(FakeSampler):
    """Reads 100 tokens of prompts in each of ten steps of 0.5 s, then draws 10 tokens in each of forty of 0.1 s."""

    def sample(self, requests, watch=None):  # type: ignore[no-untyped-def]
        for step in range(50):
            reads = step < 10
            self.usage.prompt_tokens += 100 * reads
            self.usage.tokens += 10 * (not reads)
            self.usage.seconds += 0.5 if reads else 0.1
            watch("vote", "")
        yield from ()


def test_drawing_is_timed_after_the_last_prompt_was_read() -> None:
    votes = [Request("vote", "2 + 3?", Generation(8), (0,))]
    found = calibrate(SteppingSampler(), {"vote": votes}, votes, seconds=5)
    assert found is not None
    assert (found.draw, found.prompt) == (pytest.approx(100), pytest.approx(200))


class ReadingSampler(TimedSampler):
    """Reads a prompt of 99 tokens for every two tokens that it draws, whatever is asked."""

    def sample(self, requests, watch=None):  # type: ignore[no-untyped-def]
        yield from FakeSampler.sample(self, requests)
        self.usage = SamplerUsage(tokens=20, prompt_tokens=1000, seconds=26.0)


def test_where_drawing_and_reading_cannot_be_told_apart_a_prompt_token_costs_half_a_drawn_one() -> None:
    votes = [Request("vote", "2 + 3?", Generation(8), (0,))]
    found = calibrate(ReadingSampler(), {"vote": votes}, votes, seconds=5)
    assert found is not None
    assert (found.draw, found.prompt) == (pytest.approx(520 / 26), pytest.approx(2 * 520 / 26))


def test_a_sampler_that_draws_nothing_tells_no_speed() -> None:
    sampler = FakeSampler()
    assert calibrate(sampler, {}, [], seconds=1) is None
    assert sampler.usage == SamplerUsage()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "w", min_examples=1000)


def test_a_forecast_calibrates_once_and_stores_nothing(workspace: Workspace) -> None:
    opened: list[Path] = []

    def opener(path: Path, _config: object) -> FakeSampler:
        opened.append(path)
        return TimedSampler()

    first = forecast_run(workspace, RunOptions(), opener=opener)
    again = forecast_run(workspace, RunOptions(), opener=opener)
    assert first.estimate == again.estimate
    assert len(opened) == 1
    assert not workspace.database_path.exists()
    said = first.as_dict()
    assert (said["run"], said["rounds"], said["texts"]["likely"]) == (None, 1, pytest.approx(40.8))
    assert said["minutes"]["low"] < said["minutes"]["likely"] < said["minutes"]["high"]
    assert in_a_line(first).startswith("about ")


def test_a_forecast_says_what_differs_from_the_latest_run(workspace: Workspace) -> None:
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))
    changed = RunOptions(new=True, overrides=("vote.votes_per_question=3",))
    found = forecast_run(workspace, changed, opener=lambda _path, _config: TimedSampler())
    assert found.compared_with == 1
    assert found.differing == (("vote.votes_per_question", 4, 3),)
    assert not [each for each in found.estimate.stages if (each.round, each.stage) == (0, "evaluate")]


def test_a_forecast_refuses_what_the_run_would_refuse(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match="did you mean"):
        forecast_run(workspace, RunOptions(overrides=("vote.votes=3",)))
    with pytest.raises(ModelError):
        forecast_run(workspace, RunOptions(overrides=("model.source=missing.gguf",)))


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (Amount(40.0), "40 s"),
        (Amount(660.0, 1.5), "11 min (7 min to 16 min)"),
        (Amount(18_600.0, 1.0), "5 h 10 min"),
    ],
)
def test_a_time_is_said_in_words(amount: Amount, words: str) -> None:
    assert lasting(amount) == words


ASK = """
from argparse import Namespace
from crescent_lite.cli.forecasts import agree
from crescent_lite.forecast import Forecast
from crescent_lite.forecast.estimates import Amount, Estimate, StageEstimate
stage = StageEstimate(1, "vote", Amount(9.0), Amount(9.0), Amount({seconds}))
found = Forecast(Estimate((stage,), 1.0, 1.0), None, 1, "tiny", "a test", 1, 1)
print("agreed:", agree(Namespace(yes={yes}), found))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "yes", "typed", "agreed", "asked"),
    [
        (1801.0, False, "y", True, True),
        (1801.0, False, "", False, True),
        (1801.0, True, "", True, False),
        (1799.0, False, "", True, False),
    ],
)
def test_a_terminal_is_asked_before_more_than_half_an_hour(
    seconds: float, yes: bool, typed: str, agreed: bool, asked: bool
) -> None:
    here, there = pty.openpty()
    program = ASK.format(seconds=seconds, yes=yes)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=there, stdout=subprocess.PIPE, stderr=there
    ) as child:
        os.close(there)
        os.write(here, f"{typed}\n".encode())
        assert child.stdout is not None
        said = child.stdout.read().decode()
    screen = os.read(here, 10_000).decode()
    os.close(here)
    assert f"agreed: {agreed}" in said
    assert ("Go on? [y/N]" in screen) is asked


@pytest.mark.slow
def test_what_is_no_terminal_is_not_asked() -> None:
    program = ASK.format(seconds=9999.0, yes=False)
    ended = subprocess.run([sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert b"agreed: True" in ended.stdout
    assert b"Go on?" not in ended.stderr
