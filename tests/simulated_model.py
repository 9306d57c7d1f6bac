"""A simulated model whose behaviour is fully known, so that alarms can be checked on whole runs without training.

`Nature` describes how the model of one round behaves. `simulated` prepares a run of such models, which `loop.run`
executes from the first to the last stage on a real database. The rounds have their adapters from the start, so the
loop has nothing to train; asking, voting, evaluation and alarms work as in any run. What is simulated: how hard an
item is, chance, and the effect of a training, which makes other items right and wrong even at the same skill.
Example:
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
"""Standard deviation of the hardness of items, in logits."""
UNREST = 0.6
"""Standard deviation of the effect of one training on one item, in logits. Two models of the same skill differ
in about one item in six."""
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
"""Wordings of benchmark items; no question repeats them by chance."""


@dataclass(frozen=True)
class Nature:
    """How the model of one round behaves. Frequencies and shares are 0-1."""

    skill: float = 0.0
    """Skill in logits; at 0 about half of the answers are right."""
    bias: float = 0.0
    """Share of the questions, always the same ones, to which the model always gives a wrong answer."""
    collapse: float = 0.0
    """How often the model answers 1, whatever the question."""
    variety: float = 1.0
    """Share of the wordings that the model still uses; for drills, of the numbers."""
    nonsense: float = 0.1
    """How often a reply to the bait is not a question."""
    tokens: float = 80.0
    """Median length of a solution, in tokens."""
    cut_off: float = 0.02
    """How often a solution does not end."""
    marked: float = 0.85
    """Share of the items for which the answer stands in a marked place."""
    general: float = 0.5
    """Skill in the general suite, in logits."""
    leak: float = 0.0
    """How often the model asks a benchmark item instead of a question of its own."""
    temperature: float = 1.0
    """How much of the uncertainty is left; at 0 the model gives the same answer to an item every time."""


class SimulatedModel:
    """A Sampler whose nature follows from the folder of its adapter, for instance `round-3`. Round 0 is the base."""

    def __init__(self, natures: Sequence[Nature], leaked: Sequence[str], seed: int, drill: bool) -> None:
        self.usage = SamplerUsage()
        self.effective = {"sampling.slots": 1}
        self._natures, self._leaked, self._seed, self._drill = natures, leaked, seed, drill
        self._number = 0

    def use_adapter(self, path: Path | None) -> None:
        self._number = int(path.parent.name.removeprefix("round-")) if path else 0

    def encode_example(
        self, user: str, solution: str, drawn: Sequence[int] | None = None
    ) -> tuple[Sequence[int], int]:
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
                # the same request in another round goes to another model
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
        item = f"{first} {second} {request.user[:20]}"  # does not depend on the prompt after the question
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
        return f"\\boxed{{{answer}}}" if is_marked else f"So it comes to {answer}."

    def _choose(self, request: Request, nature: Nature) -> str:
        (item,) = re.findall(r"number (\d+)", request.user)
        margin = nature.general - self._habit(item).hardness + self._unrest(f"general {item}")
        other = "AAAABBCCDD"[int(10 * self._habit(item).chance)]  # a model that does not know mostly answers A
        return gold_letter(int(item)) if margin > 0 else other

    def _habit(self, item: str) -> Habit:
        return habit_of(f"{self._seed} {item}")

    def _unrest(self, item: str) -> float:
        return unrest(f"{self._seed} {self._number} {item}")


@dataclass(frozen=True)
class Habit:
    """The properties of an item that are the same for every model of a run."""

    hardness: float
    """How hard the item is, in logits."""
    chance: float
    """A number 0-1 that decides, for instance, whether a biased model is wrong about this item."""
    missteps: tuple[int, ...]
    """The differences between the wrong answers and the right one."""


@lru_cache(maxsize=100_000)
def habit_of(item: str) -> Habit:
    """The properties of an item, drawn with the item as seed."""
    chance = random.Random(item)
    return Habit(chance.gauss(0, HARDNESS), chance.random(), tuple(chance.sample((-10, -2, -1, 1, 2, 9, 10), 3)))


@lru_cache(maxsize=100_000)
def unrest(item: str) -> float:
    """The effect of a training on an item, in logits."""
    return random.Random(item).gauss(0, UNREST)


def gold_letter(item: int) -> str:
    """The right option of an item of the general suite."""
    return "ABCD"[derive_seed("general", item) % 4]


def question(chance: random.Random, drill: bool = False, variety: float = 1.0) -> str:
    """A sum for a drill, else a word problem with a sum."""
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
    """The sizes of a run."""

    texts: int = 60
    """Questions asked in each round."""
    votes: int = 6
    """Votes for each question."""
    score: int = 80
    """Items of the benchmark that chooses the best round."""
    canary: int = 60
    """Items of the canary."""
    general: int = 80
    """Items of the general suite."""
    samples: int = 4
    """Samples of each scored item."""


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
    """A job for `loop.run` with `rounds` rounds, of which nothing has been drawn yet."""
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
    return Job(
        run_id, rounds, config, prompts, benchmarks, base, base_id, store, workspace, lambda _path: model, None
    )


def _train_all(store: Store, run_id: int, base_id: int, folder: Path, rounds: int) -> None:
    """Store an adapter for each round, as if it had been trained."""
    asked_by = base_id
    for number in range(1, rounds + 1):
        this = store.runs.insert_round(run_id, number, asked_by)
        path = folder / f"round-{number}" / "adapter.gguf"
        asked_by = store.runs.insert_model(ModelFile(f"{number}", path, f"{number:064}", "", "adapter"), base_id)
        training_id = store.trainings.start_training(this.round_id, [])
        adapter = TrainedAdapter(path, path.parent, "simulated", 0.0)
        store.trainings.finish_training(training_id, this.round_id, adapter, asked_by)


def sums(name: str, role: Role, items: int, seed: int, drill: bool) -> Benchmark:
    """A benchmark of different sums: drills, or word problems."""
    chance, asked = random.Random(f"{name} {seed}"), dict[str, str]()
    while len(asked) < items:
        numbers = {"m": chance.randint(2, 90), "n": chance.randint(2, 40)}
        text = question(chance, drill) if drill else chance.choice(ELSEWHERE).format(**numbers)
        asked[text] = str(sum(map(int, re.findall(r"\d+", text)[:2])))
    found = tuple(BenchmarkItem(f"{n}", text, gold, f"n:{gold}") for n, (text, gold) in enumerate(asked.items()))
    return Benchmark(name, "simulated", f"{name} {items}".ljust(64, "."), found, role=role)


def general_suite(items: int) -> Benchmark:
    """A benchmark of multiple-choice items."""
    options = {"choices": ["iron", "glass", "wood", "wool"]}
    found = tuple(
        choice_item(f"{n}", f"Which is number {n}?", {**options, "gold": gold_letter(n)}, "choices", "gold")
        for n in range(items)
    )
    return Benchmark("general", "simulated", f"general {items}".ljust(64, "."), found, "choices", "general")
