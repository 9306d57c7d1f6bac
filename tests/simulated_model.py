"""A model that is known through and through, so that an alarm can be checked: whole runs without any training.

`Nature` says how the model of one round behaves; `simulated` is a run of such models which `loop.run` plays from its
first to its last stage, on a real database. Its rounds have their adapters from the start, so that the loop finds
nothing to train; everything else is asked, voted, measured and judged as ever.
Simulated: how hard an item is, chance, and what changes from one training to the next, which is other items right
and wrong at the same skill. Example:
    job = simulated(tmp_path, [Nature()] * 3 + [Nature(collapse=1.0)])      # falls onto one answer in round 3
    events = list(loop.run(job))
"""

from __future__ import annotations

import dataclasses
import math
import random
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from crescent_lite.config import BenchmarkConfig, load_config
from crescent_lite.evaluation.choices import choice_item
from crescent_lite.prompts.sets import load_prompt_set
from crescent_lite.records import (
    Benchmark,
    BenchmarkItem,
    Completion,
    FinishReason,
    ModelFile,
    Request,
    Role,
    TrainedAdapter,
    derive_seed,
)
from crescent_lite.sampling import SamplerUsage
from crescent_lite.stages.frame import Job
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

HARDNESS = 1.5
"""Standard deviation of how hard items are, in logits."""
UNREST = 0.6
"""Standard deviation of what one training does to one item: of equal models about one item in six differs."""
NAMES = ("Tom", "Ann", "Maya", "Liam", "Omar", "Nina", "Ruth", "Ivan", "Zoe", "Hugo", "Lena", "Paul")
THINGS = ("apples", "books", "stamps", "marbles", "tickets", "candles", "bricks", "roses", "pencils", "coins")
OPENINGS = (
    "{a} has {m} {t} in a large basket beside the kitchen door.",
    "At the fair {a} wins {m} {t} with a single throw.",
    "A lorry brings {m} {t} to the shop where {a} works on Mondays.",
    "{a} counts {m} {t} before breakfast and writes it down.",
    "For the school play {a} needs {m} {t} from the attic.",
    "Yesterday {a} found {m} {t} under the old bridge.",
    "The museum lends {a} a box with {m} {t} from Peru.",
    "{a}'s grandmother keeps {m} {t} behind the piano.",
)
MIDDLES = (
    "On the way home {b} adds another {n} to it.",
    "Then {b} comes along and hands over {n} more.",
    "In the evening a parcel from {b} holds {n} of the same kind.",
    "{b}, who lives next door, brings {n} as a present.",
    "A week later {b} sends {n} by train.",
    "The winner {b} gives up the prize, which is {n}.",
    "By accident {b} orders {n} twice and returns half of it, so that {n} arrive.",
    "Out of kindness {b} shares {n} from last summer.",
)
ENDINGS = (
    "How many {t} does {a} have now?",
    "How many {t} are there in all?",
    "What is the number of {t} at the end?",
    "Find out how many {t} {a} can count.",
    "How many {t} must be carried upstairs?",
    "How many {t} will {a} write down tonight?",
)
ELSEWHERE = (
    "{m} people sit in a bus. At the next stop {n} get on. What does the driver count?",
    "A tower of {m} metres stands on a hill of {n} metres. Its top is how high above the plain?",
    "Jo walks {m} steps east and then {n} steps more in the same direction. How far is it back?",
)
"""Wordings of benchmarks, which no question repeats by chance."""


@dataclass(frozen=True)
class Nature:
    """How the model of a round behaves."""

    skill: float = 0.0
    """In logits: at 0 it is right for about half of the items."""
    bias: float = 0.0
    """Share of the questions, always the same ones, for which it is sure of a wrong answer."""
    collapse: float = 0.0
    """How often it says 1, whatever was asked."""
    variety: float = 1.0
    """Share of the wordings that it still knows, of drills of the numbers."""
    nonsense: float = 0.1
    """How often it asks something that is no question."""
    tokens: float = 80.0
    """Length of half of its solutions."""
    cut_off: float = 0.02
    """How often a solution does not end."""
    marked: float = 0.85
    """Share of the items for which it says which number is the answer."""
    general: float = 0.5
    """Its skill in the general suite."""
    leak: float = 0.0
    """How often it writes an item of a benchmark instead of a question of its own."""
    temperature: float = 1.0
    """What of its uncertainty is left: a sharp model says of each item always the same."""


class SimulatedModel:
    """A Sampler whose adapter's folder, `round-3`, says which nature it has. Round 0 is the base."""

    def __init__(self, natures: Sequence[Nature], leaked: Sequence[str], seed: int, drill: bool) -> None:
        self.usage = SamplerUsage()
        self._natures, self._leaked, self._seed, self._drill = natures, leaked, seed, drill
        self._number = 0

    def use_adapter(self, path: Path | None) -> None:
        self._number = int(path.parent.name.removeprefix("round-")) if path else 0

    def encode_example(self, user: str, solution: str) -> tuple[Sequence[int], int]:
        raise NotImplementedError("nothing is trained")

    def close(self) -> None:
        pass

    def sample(self, requests: Iterable[Request]) -> Iterator[Completion]:
        waiting = requests if isinstance(requests, deque) else deque(requests)
        nature = self._natures[min(self._number, len(self._natures) - 1)]
        while waiting:
            request = waiting.popleft()
            for index in request.sample_indexes:
                seed = request.sample_seed(index)
                # the same request of another round is another model's
                chance = random.Random(seed * 100 + self._number)
                text, tokens, finish = self._say(request, nature, chance)
                self.usage.tokens += tokens
                yield Completion(request.key, index, seed, text, finish, tokens, 40)

    def _say(self, request: Request, nature: Nature, chance: random.Random) -> tuple[str, int, FinishReason]:
        if " ask " in request.key or request.key.startswith("rewrite "):
            return self._ask(nature, chance), 30, "stop"
        if "\nA. " in request.user:
            return self._choose(request, nature), 2, "stop"
        tokens = max(1, round(nature.tokens * math.exp(chance.gauss(0, 0.4))))
        if chance.random() < nature.cut_off or tokens > request.generation.max_tokens:
            return "Let us think about it once more, and then", request.generation.max_tokens, "length"
        return self._solve(request, nature, chance), tokens, "stop"

    def _ask(self, nature: Nature, chance: random.Random) -> str:
        if chance.random() < nature.nonsense:
            return " I like to help with that."
        if chance.random() < nature.leak:
            return " " + chance.choice(self._leaked)
        return " " + question(chance, self._drill, nature.variety)

    def _solve(self, request: Request, nature: Nature, chance: random.Random) -> str:
        first, second = map(int, re.findall(r"\d+", request.user)[:2])
        item = f"{first} {second} {request.user[:20]}"  # the same whatever is asked for after it
        right, habit = first + second, self._habit(item)
        wrong = [right + step for step in habit.missteps]
        is_biased = habit.chance < nature.bias
        greedy = request.generation.temperature == 0
        margin = nature.skill - habit.hardness + self._unrest(item)
        noise = 0.0 if greedy else nature.temperature * math.log(1 / max(1e-12, chance.random()) - 1 + 1e-12)
        answer = right if margin + noise > 0 else wrong[0 if greedy else chance.randrange(3)]
        answer = wrong[0] if is_biased else answer
        if chance.random() < nature.collapse:
            answer = 1
        is_marked = 1 - habit.chance + 0.1 * self._unrest(f"mark {item}") < nature.marked
        return f"\\boxed{{{answer}}}" if is_marked else f"It comes to {answer} as far as I can see"

    def _choose(self, request: Request, nature: Nature) -> str:
        (item,) = re.findall(r"number (\d+)", request.user)
        margin = nature.general - self._habit(item).hardness + self._unrest(f"general {item}")
        other = "AAAABBCCDD"[int(10 * self._habit(item).chance)]  # when it does not know it likes to say A
        return gold_letter(int(item)) if margin > 0 else other

    def _habit(self, item: str) -> Habit:
        return habit_of(f"{self._seed} {item}")

    def _unrest(self, item: str) -> float:
        return unrest(f"{self._seed} {self._number} {item}")


@dataclass(frozen=True)
class Habit:
    """What every model of a run has to do with an item."""

    hardness: float
    """In logits."""
    chance: float
    """0-1: whether something befalls this item."""
    missteps: tuple[int, ...]
    """The ways in which its answer is wrong."""


@lru_cache(maxsize=100_000)
def habit_of(item: str) -> Habit:
    """The same for the same item."""
    chance = random.Random(item)
    return Habit(chance.gauss(0, HARDNESS), chance.random(), tuple(chance.sample((-10, -2, -1, 1, 2, 9, 10), 3)))


@lru_cache(maxsize=100_000)
def unrest(item: str) -> float:
    """What a training does to an item, in logits."""
    return random.Random(item).gauss(0, UNREST)


def gold_letter(item: int) -> str:
    """The right option of an item of the general suite."""
    return "ABCD"[derive_seed("general", item) % 4]


def question(chance: random.Random, drill: bool = False, variety: float = 1.0) -> str:
    """A sum, or a sum in words."""
    if drill:
        most = max(2, round(60 * variety))
        return f"What is {chance.randint(1, most)} + {chance.randint(1, most)}?"

    def one_of(known: Sequence[str]) -> str:
        return known[chance.randrange(max(1, round(variety * len(known))))]

    a, b, t = one_of(NAMES), one_of(NAMES[::-1]), one_of(THINGS)
    text = " ".join((one_of(OPENINGS), one_of(MIDDLES), one_of(ENDINGS)))
    numbers = {"m": chance.randint(2, max(3, round(90 * variety))), "n": chance.randint(2, 40)}
    return text.format(a=a, b=b, t=t, **numbers)


@dataclass(frozen=True)
class Sizes:
    """How much there is of everything."""

    texts: int = 60
    votes: int = 6
    score: int = 80
    canary: int = 60
    general: int = 80
    samples: int = 4


def simulated(
    folder: Path,
    natures: Sequence[Nature],
    sizes: Sizes = Sizes(),
    *,
    rounds: int = 6,
    seed: int = 1,
    drill: bool = False,
    overrides: Sequence[str] = (),
) -> Job:
    """A run of six rounds for `loop.run`, ready but for the first token."""
    workspace = Workspace(folder)
    workspace.create("")
    store = Store.open(workspace.database_path)
    given = (
        "bait.assistant_prefix=''",
        f"run.seed={seed}",
        f"bait.questions={sizes.texts}",
        f"vote.votes_per_question={sizes.votes}",
    )
    config = load_config(preset="quick" if drill else "default", overrides=[*given, *overrides])
    benchmarks = (
        sums("sums", "score", sizes.score, seed, drill),
        sums("canary", "canary", sizes.canary, seed, drill),
        general_suite(sizes.general),
    )
    settings = {
        "sums": BenchmarkConfig(source="simulated", samples=sizes.samples),
        "canary": BenchmarkConfig(source="simulated", role="canary", prompts=("solve",)),
        "general": BenchmarkConfig(source="simulated", role="general", kind="choices", prompts=("letter",)),
    }
    evaluate = dataclasses.replace(config.evaluate, max_tokens=320, benchmarks=settings)
    vote = dataclasses.replace(config.vote, max_tokens=320)
    config = dataclasses.replace(config, evaluate=evaluate, vote=vote)
    prompts = load_prompt_set(config.run.prompts)
    base = ModelFile("simulated", folder / "base.gguf", "0" * 64, "simulated")
    model = SimulatedModel(natures, [item.question for item in benchmarks[0].items], seed, drill)
    with store.database.transaction():
        base_id = store.runs.insert_model(base)
        for prompt in (prompts.bait, prompts.rewrite, prompts.solve):
            store.runs.insert_prompt(prompt)
        run_id = store.runs.insert_run("improvement", base_id, {})
        store.runs.set_plan(run_id, config.as_dict(), rounds)
        _train_all(store, run_id, base_id, folder, rounds)
    return Job(run_id, rounds, config, prompts, benchmarks, base, base_id, store, workspace, lambda: model, None)


def _train_all(store: Store, run_id: int, base_id: int, folder: Path, rounds: int) -> None:
    """An adapter for each round, as if it had been trained."""
    asked_by = base_id
    for number in range(1, rounds + 1):
        this = store.runs.insert_round(run_id, number, asked_by)
        path = folder / f"round-{number}" / "adapter.gguf"
        asked_by = store.runs.insert_model(ModelFile(f"{number}", path, f"{number:064}", "", "adapter"), base_id)
        training_id = store.trainings.start_training(this.round_id, [])
        adapter = TrainedAdapter(path, path.parent, "simulated", 0.0)
        store.trainings.finish_training(training_id, this.round_id, adapter, asked_by)


def sums(name: str, role: Role, items: int, seed: int, drill: bool) -> Benchmark:
    """Different sums, in words unless they are drills."""
    chance, asked = random.Random(f"{name} {seed}"), dict[str, str]()
    while len(asked) < items:
        numbers = {"m": chance.randint(2, 90), "n": chance.randint(2, 40)}
        text = question(chance, drill) if drill else chance.choice(ELSEWHERE).format(**numbers)
        asked[text] = str(sum(map(int, re.findall(r"\d+", text)[:2])))
    found = tuple(BenchmarkItem(f"{n}", text, gold, f"n:{gold}") for n, (text, gold) in enumerate(asked.items()))
    return Benchmark(name, "simulated", f"{name} {items}".ljust(64, "."), found, role=role)


def general_suite(items: int) -> Benchmark:
    """Multiple choice."""
    options = {"choices": ["iron", "glass", "wood", "wool"]}
    found = tuple(
        choice_item(f"{n}", f"Which is number {n}?", {**options, "gold": gold_letter(n)}, "choices", "gold")
        for n in range(items)
    )
    return Benchmark("general", "simulated", f"general {items}".ljust(64, "."), found, "choices", "general")
