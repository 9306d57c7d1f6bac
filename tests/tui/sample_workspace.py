"""A workspace filled through the store, as an engine would: a round at any point that a test needs.

Example: sample = SampleWorkspace(tmp_path); sample.begin_run(); question_id = sample.ask("What is 2 + 3?")
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot

from crescent_lite.config import Config, VoteConfig
from crescent_lite.consensus import decide
from crescent_lite.events import RoundStarted, RunStarted, StageFinished
from crescent_lite.records import (
    Answer,
    Attempt,
    Benchmark,
    BenchmarkItem,
    Completion,
    Generation,
    ItemScore,
    Measurement,
    ModelFile,
    PromptText,
    QuestionVerdict,
    Request,
    TrainedAdapter,
    TrainingStep,
)
from crescent_lite.store import Round, StageCost, Store
from crescent_lite.workspace import Workspace
from crescent_tui.screens.confirm import TYPED_ON_SECONDS

PROMPT = PromptText("sample/solve", "Solve: {question}", "0" * 64)


class SampleWorkspace:
    """A workspace with what an engine has written so far."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(folder)
        self.workspace.create("")
        self.store = Store.open(self.workspace.database_path)
        self.run_id = self.base_id = self.votes = 0
        self.round: Round | None = None

    def begin_run(self, base: str = "SmolLM2-135M-Instruct", questions: int = 40, votes: int = 8) -> None:
        """Start a run."""
        config = Config().as_dict()
        self.votes = votes
        config["bait"]["questions"], config["vote"]["votes_per_question"] = questions, votes
        self.base_id = self.store.runs.insert_model(ModelFile(base, Path("base.gguf"), "1" * 64, "embedded"))
        self.store.runs.insert_prompt(PROMPT)
        self.run_id = self.store.runs.insert_run("improvement", self.base_id, {})
        self.store.runs.set_plan(self.run_id, config, 2)
        self.note(RunStarted(self.run_id, False, 2, base))

    def begin_round(self, number: int = 1) -> None:
        """Start a round."""
        self.round = self.store.runs.insert_round(self.run_id, number, self.base_id)
        self.note(RoundStarted(number))

    def ask(
        self, text: str, verdict: QuestionVerdict | None = None, *, index: int | None = None, raw: str | None = None
    ) -> int:
        """Insert a question; without a verdict it is kept."""
        assert self.round
        if index is None:
            index = self.store.database.value("SELECT count(*) FROM questions")
        completion = Completion(str(index), 0, index, raw or text, "stop", 12, 30)
        attempt = Attempt(Request(str(index), PROMPT.text, Generation(64)), PROMPT.sha256, index)
        question = self.store.questions.insert_asked(self.round, attempt, completion)
        self.store.questions.set_verdict(question.question_id, verdict or QuestionVerdict("kept", "new", text))
        return question.question_id

    def vote(self, question_id: int, text: str, answer_key: str | None, index: int) -> int:
        """Insert a vote."""
        completion = Completion(str(question_id), index, index, text, "stop", 9, 40)
        answer = Answer(answer_key, answer_key, "whole") if answer_key is not None else None
        return self.store.votes.insert_vote(question_id, completion, answer, self.base_id, PROMPT.sha256).vote_id

    def conclude(self, question_id: int) -> None:
        """Count the votes."""
        verdict = decide(self.store.votes.fetch_votes(question_id), VoteConfig(votes_per_question=self.votes))
        self.store.votes.insert_consensus(question_id, verdict)

    def train(self, losses: list[float], planned: int, finished: bool = True) -> None:
        """Insert a training with these losses."""
        assert self.round
        training_id = self.store.trainings.start_training(self.round.round_id, [])
        for step, loss in enumerate(losses, 1):
            self.store.trainings.insert_step(training_id, TrainingStep(step, planned, 0.1, loss, 1e-4, 900, 120.0))
        if finished:
            model = ModelFile("adapter", Path("adapter.gguf"), "2" * 64, "trained", "adapter")
            adapter_id = self.store.runs.insert_model(model, self.base_id)
            adapter = TrainedAdapter(Path("adapter.gguf"), Path("peft"), "peft", 64.0)
            self.store.trainings.finish_training(training_id, self.round.round_id, adapter, adapter_id)

    def score(self, round_number: int, model_id: int, right: int, items: int, of: int, prompt: str = "bare") -> None:
        """Insert an evaluation: `items` of `of` items are evaluated, `right` of them right."""
        sums = tuple(BenchmarkItem(f"{n}", f"{n} + 1?", f"{n + 1}", f"n:{n + 1}") for n in range(of))
        benchmark = Benchmark("sums", "sums.jsonl", "3" * 64, sums)
        benchmark_id = self.store.evaluations.insert_benchmark(benchmark)
        used = dataclasses.replace(PROMPT, name=prompt, sha256=prompt.ljust(64, "4"))
        self.store.runs.insert_prompt(used)
        measurement = Measurement(benchmark, used, Generation(64))
        evaluation_id = self.store.evaluations.insert_evaluation(
            self.run_id, round_number, model_id, benchmark_id, measurement, seed=1
        )
        for n in range(items):
            completion = Completion(f"{n}", 0, n, str(n + 1), "stop", 4, 20)
            score = ItemScore(str(n), str(n), strict=False, flexible=n < right)
            self.store.evaluations.insert_item(evaluation_id, f"{n}", completion, score)

    def cost(self, stage: str, seconds: float, round_number: int = 1) -> None:
        """Insert the cost of a finished stage."""
        self.store.runs.add_stage_cost(self.run_id, round_number, StageCost(stage, seconds, seconds, 100, 100, True))
        self.note(StageFinished(round_number, stage, seconds, 14_210, 40))  # type: ignore[arg-type]

    def note(self, event: object) -> None:
        """Insert an event."""
        self.store.runs.insert_event(self.run_id, type(event).__name__, dataclasses.asdict(event))  # type: ignore[call-overload]


def filled_workspace(folder: Path) -> SampleWorkspace:
    """A round that is asked, checked, voted on, trained and almost evaluated; one transaction, for speed."""
    sample = SampleWorkspace(folder)
    with sample.store.database.transaction():
        _fill(sample)
    return sample


def _fill(sample: SampleWorkspace) -> None:
    sample.begin_run()
    sample.score(0, sample.base_id, right=29, items=120, of=120)
    sample.score(0, sample.base_id, right=41, items=120, of=120, prompt="solve")
    sample.cost("evaluate", 31.0, 0)
    sample.begin_round()
    kept = [sample.ask(f"What is {n} + {n * 3 % 17}?") for n in range(1, 15)]
    for n in range(14):
        sample.ask(
            f"What is {n + 1} plus {n * 3 % 17}?",
            QuestionVerdict("rejected", "near_duplicate", f"What is {n + 1} plus {n * 3 % 17}?", kept[n], 91.3),
        )
    for n in range(9):
        sample.ask(f"What is the capital of country {n}?", QuestionVerdict("rejected", "no_number", "What is it?"))
    for n in range(3):
        sample.ask("", QuestionVerdict("rejected", "empty", ""), raw=f"\n\n{' ' * n}")
    for n, question_id in enumerate(kept):
        for index in range(8):
            agrees = index < 3 + n % 6
            answer = str(n + 1 + n * 3 % 17) if agrees else (None if index == 7 else str(index))
            text = f"We add the two numbers.\nThe answer is {answer}." if answer else "I like sums."
            sample.vote(question_id, text, f"n:{answer}" if answer else None, index)
        sample.conclude(question_id)
    for stage, seconds in (("ask", 65.4), ("vote", 187.0), ("train", 64.0)):
        sample.cost(stage, seconds)
    losses = [2.4 * 0.985**step + 0.1 * (step * 7 % 5) / 5 for step in range(120)]
    sample.train(losses, 120)
    adapter_id = int(sample.store.database.value("SELECT max(model_id) FROM models"))
    sample.score(1, adapter_id, right=43, items=120, of=120)
    sample.score(1, adapter_id, right=20, items=61, of=120, prompt="solve")


def shown(app: App[None]) -> str:
    """The text on the screen, line by line."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def shown_words(app: App[None]) -> str:
    """The text on the screen as one line, independent of where its lines wrap."""
    return " ".join(shown(app).split())


async def until(pilot: Pilot[None], condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until the condition holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"still false after {seconds} s; on the screen:\n{shown(pilot.app)}"
        await pilot.pause(0.02)


async def each_size(pilot: Pilot[None]) -> AsyncIterator[tuple[int, int]]:
    """Give the terminal of a running app one size after another: narrow and low, medium, wide and tall."""
    for size in ((80, 24), (120, 40), (200, 60)):
        await pilot.resize_terminal(*size)
        yield size


def fills(app: App[None], size: tuple[int, int]) -> bool:
    """Whether the screen has as many columns and lines as the terminal."""
    return [len(line) for line in shown(app).splitlines()] == [size[0]] * size[1]


async def agree(pilot: Pilot[None], title: str) -> None:
    """Wait for the panel with this title, and press enter once it takes the key for an answer."""
    await until(pilot, lambda: title in shown(pilot.app))
    await pilot.pause(TYPED_ON_SECONDS + 0.05)
    await pilot.press("enter")
    await until(pilot, lambda: title not in shown(pilot.app))
