"""Finds what an estimate needs on this machine: the inputs, the earlier runs, a calibration, memory and disk.

Reads the settings and inputs as the run would, and refuses what the run would refuse. Speeds come from earlier runs
of the same model on this machine, else from a calibration of a few seconds, which is kept in the workspace. Starts
no run and writes nothing to the database. Example:
    forecast_run(Workspace(Path("data")), RunOptions(new=True)).estimate.seconds.value -> 655.0
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from crescent_lite.config import Config
from crescent_lite.config.differences import differing
from crescent_lite.evaluation import OwedItem, measurements
from crescent_lite.evaluation.choices import stem_and_options
from crescent_lite.events import MachineNoted, Stage
from crescent_lite.files import keep_json, kept_json
from crescent_lite.forecast.estimates import (
    KEPT,
    LABELLED,
    Amount,
    Estimate,
    Lengths,
    MeasuredItems,
    Sizes,
    Speed,
    added,
    estimate,
)
from crescent_lite.models.gguf_header import GgufHeader
from crescent_lite.preparation import (
    Inputs,
    OpenSampler,
    Purpose,
    RunOptions,
    checked_inputs,
    refuse_changed_inputs,
    refuse_teacher_without_labels,
    run_to_continue,
    settings_of,
)
from crescent_lite.prompts.sets import fill
from crescent_lite.questions import bait
from crescent_lite.records import Generation, Measurement, Request
from crescent_lite.sampling import MemoryPlan, open_sampler, plan_before_loading
from crescent_lite.sampling.calibration import calibrate
from crescent_lite.store import Run, Store
from crescent_lite.store.experience import Experience
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.database import open_store
from crescent_lite.workspace.machine import OtherPrograms, describe_machine, memory_now, products_per_second

CALIBRATION_SECONDS = 2.5
"""Time for each of the four parts of a calibration (guess): over a hundred tokens of a 0.5B model on two cores."""
CALIBRATED_FACTOR = 1.2
"""Uncertainty of a calibrated speed: a machine gets slower when it gets hot or is shared (guess)."""
BUSY_SHARE, BUSY_FACTOR = 0.8, 3.0
"""Part of the processor that other programs leave to a calibration, below which its speed says little, and its
uncertainty then: threads that wait for each other lose more than their part (guess)."""
BUSY_KEPT_SECONDS = 120.0
"""Age at which such a calibration is repeated: enough for a dry run and the run after it (guess)."""
KEPT_SECONDS = 3600.0
"""Age at which a calibration is repeated: the machine may have been busy then (guess)."""
BYTES_OF_ADAPTER_WEIGHT = 8
"""Bytes of the files of one adapter for each of its weights: 32-bit floats as GGUF and as safetensors."""


@dataclass(frozen=True)
class Forecast:
    """What a command would do with the same options, and what it would take."""

    estimate: Estimate
    run_id: int | None
    """The run that would be resumed or get another round; None for a new run."""
    rounds: int
    """Rounds that the run would have in all."""
    model: str
    """Name of the base."""
    based_on: str
    """Where the speeds come from, in words."""
    free_memory_bytes: int
    free_disk_bytes: int
    differing: tuple[tuple[str, Any, Any], ...] = ()
    """(setting, value in the run that it is compared with, value of this one)."""
    compared_with: int | None = None
    """That run; None if there is none to compare with."""
    what: str = ""
    """What is forecast, in words; '' for the run that `run_id` and `rounds` describe."""
    parts: tuple[tuple[str, Estimate], ...] = ()
    """The name and estimate of each of several runs; empty for a single one."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON. Amounts are {"likely", "low", "high"}; minutes are null if no speed is known."""
        found, known = self.estimate, self.estimate.has_speed
        return {
            "run": self.run_id,
            "rounds": self.rounds,
            "model": self.model,
            "texts": found.items("ask").as_dict(),
            "votes": found.items("vote").as_dict(),
            "items": found.items("evaluate").as_dict(),
            "tokens": found.tokens.as_dict(),
            "minutes": found.seconds.times(1 / 60).as_dict() if known else None,
            "memory_bytes": round(found.memory_bytes),
            "memory_free_bytes": self.free_memory_bytes,
            "disk_bytes": round(found.disk_bytes),
            "disk_free_bytes": self.free_disk_bytes,
            "based_on": self.based_on,
            "stages": [
                {
                    "round": each.round,
                    "stage": each.stage,
                    "items": each.items.as_dict(),
                    "tokens": each.tokens.as_dict(),
                    "minutes": each.seconds.times(1 / 60).as_dict() if known else None,
                }
                for each in found.stages
            ],
            "runs": [
                {"name": name, "minutes": each.seconds.times(1 / 60).as_dict() if each.has_speed else None}
                for name, each in self.parts
            ],
            "compared_with": self.compared_with,
            "differs": [{"name": n, "there": there, "here": here} for n, there, here in self.differing],
        }


@dataclass(frozen=True)
class Planned:
    """A run that a command would play, alone or as one of several."""

    config: Config
    """The settings, as the user wrote them."""
    purpose: Purpose = field(default_factory=Purpose)
    rounds: int = 0
    """Rounds in all; 0 for a run that only evaluates."""
    unfinished: Run | None = None
    """The run that would be resumed or get another round; None for a new run."""
    labels: int | None = None
    """Labels of another run that are learnt from; None if it asks and votes, or if they are not known yet."""
    name: str = ""
    """What tells it apart from the others, such as 'control majority'; '' if it is the only one."""


def forecast_run(
    workspace: Workspace,
    options: RunOptions,
    *,
    compare_with: int | None = None,
    opener: OpenSampler = open_sampler,
    tell: Callable[[str], object] = lambda _line: None,
) -> Forecast:
    """Estimate what `run_engine` would do. Raises the CrescentErrors with which it would refuse.

    `compare_with`: the run whose settings are compared; None for the latest one. `tell` is called with a line before
    something that takes some seconds.
    """
    with opened(workspace) as store:
        unfinished = run_to_continue(store, options) if store else None
        config, _ = settings_of(workspace, options, unfinished)
        rounds = options.rounds or (unfinished.rounds if unfinished else config.run.rounds)
        if options.next_round and unfinished and store:
            rounds = max(rounds, len(store.runs.fetch_rounds(unfinished.run_id)) + 1)
        teacher_id, labels = unfinished.teacher_id if unfinished else options.teacher_id, None
        if store:
            refuse_teacher_without_labels(store, teacher_id)
            labels = len(store.votes.fetch_labels(run_id=teacher_id)) if teacher_id else None
        planned = Planned(config, Purpose(teacher_id=teacher_id), rounds, unfinished, labels)
        found = forecast_plans(workspace, store, [planned], opener=opener, tell=tell)
        other, differing = _compared(store, config, compare_with)
    return replace(found, differing=differing, compared_with=other)


@contextlib.contextmanager
def opened(workspace: Workspace) -> Iterator[Store | None]:
    """The database of a workspace to read; None before its first run."""
    workspace.require()
    if not workspace.database_path.exists():
        yield None
        return
    with closing(open_store(workspace)) as store:
        yield store


def forecast_plans(
    workspace: Workspace,
    store: Store | None,
    plans: Sequence[Planned],
    *,
    what: str = "",
    opener: OpenSampler = open_sampler,
    tell: Callable[[str], object] = lambda _line: None,
) -> Forecast:
    """Estimate runs that are played one after the other. `what` they are, in words; '' for a single run.

    Raises the CrescentErrors with which the runs would refuse to start.
    """
    assert plans
    machine, taken = describe_machine(), set[Measured]()
    parts: list[tuple[str, Estimate]] = []
    speeds: list[tuple[tuple[object, ...], tuple[Speed | None, Lengths | None, str]]] = []
    model = based_on = ""
    for planned in plans:
        inputs = checked_inputs(workspace, planned.config, planned.purpose)
        if planned.unfinished:
            refuse_changed_inputs(planned.unfinished, inputs.checksums)
        if inputs.own_questions and planned.purpose.asks and (answers := inputs.own_questions.answers_in_words):
            tell(answers)
        past = Experience()
        if store:
            past = store.fetch_experience(inputs.base.sha256, planned.config.run.prompts, machine)
        plan = _memory_plan(inputs)
        sampled_as = inputs.base.sha256, inputs.config.model, inputs.config.sampling, planned.config.run.prompts
        if (known := next((found for each, found in speeds if each == sampled_as), None)) is None:
            known = _speed(workspace, inputs, planned, past, machine, plan, opener, tell)
            speeds.append((sampled_as, known))
        speed, lengths, based_on = known
        sizes = _sizes(inputs, planned, plan, machine, store, taken)
        parts.append((planned.name, estimate(inputs.config, sizes, past, speed, lengths)))
        model = inputs.base.name
    first = plans[0]
    return Forecast(
        estimate=added([found for _, found in parts]),
        run_id=first.unfinished.run_id if first.unfinished and len(plans) == 1 else None,
        rounds=first.rounds,
        model=model,
        based_on=based_on,
        free_memory_bytes=memory_now().free_bytes,
        free_disk_bytes=shutil.disk_usage(workspace.folder).free,
        what=what,
        parts=tuple(parts) if len(parts) > 1 else (),
    )


def _compared(
    store: Store | None, config: Config, run_id: int | None
) -> tuple[int | None, tuple[tuple[str, Any, Any], ...]]:
    """The run that is compared with, and the settings that differ; none if there is no such run."""
    run = store.runs.fetch_latest("improvement") if store else None
    if store is None or run is None:
        return None, ()
    run = store.runs.fetch_run(run_id) if run_id else run
    found = differing(run.config, config.as_dict())
    return run.run_id, tuple((name, before, after) for name, (before, after) in found.items())


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _memory_plan(inputs: Inputs) -> MemoryPlan | None:
    """The plan for sampling in this process; None with servers."""
    return None if inputs.config.sampling.servers else plan_before_loading(inputs.base.path, inputs.config)


def _sizes(
    inputs: Inputs,
    planned: Planned,
    plan: MemoryPlan | None,
    machine: MachineNoted,
    store: Store | None,
    taken: set[Measured],
) -> Sizes:
    config, own, purpose = inputs.config, inputs.own_questions, planned.purpose
    header = GgufHeader(inputs.base.path)
    shapes = {str(tensor.name): tuple(map(int, tensor.shape)) for tensor in header.tensors}
    matrices = [shape for name, shape in shapes.items() if name.startswith("blk.") and len(shape) == 2]
    precision = config.train.precision
    if precision == "auto":
        precision = "nf4" if machine.gpus else "float32"
    finished, done = _done(store, planned.unfinished)
    labels = None
    if purpose.teacher_id is not None:
        labels = Amount(float(planned.labels)) if planned.labels is not None else _labels_to_come(config)
    return Sizes(
        rounds=planned.rounds,
        measurements=tuple(_measured(inputs, store, taken)),
        teacher_labels=labels,
        measures_adapter=purpose.adapter is not None,
        own_questions=len(own.questions) if own else None,
        own_question_characters=unshared_characters([each.text for each in own.questions]) if own else 0.0,
        bait_characters=float(len(inputs.prompts.bait.text)) if inputs.prompts.choices else 0.0,
        train_prompt_characters=float(len(inputs.prompts.for_evaluation(config.train.prompt).text)),
        weights=sum(_product(shape) for shape in shapes.values()),
        adapter_bytes=config.train.rank * sum(map(sum, matrices)) * BYTES_OF_ADAPTER_WEIGHT,
        sampling_bytes=plan.total_bytes if plan else 0,
        precision=precision,
        finished_rounds=finished,
        done=done,
    )


def _labels_to_come(config: Config) -> Amount:
    """Labels of a run that is not played yet."""
    return Amount(float(config.bait.questions)).times(Amount(*KEPT)).times(Amount(*LABELLED))


Measured = tuple[str, str, str, str]
"""What tells a measurement of the base apart: benchmark, prompt, how replies are drawn, and model with seed."""


def _measured(inputs: Inputs, store: Store | None, taken: set[Measured]) -> list[MeasuredItems]:
    """The measurements, and how much of each is known for the base: stored, or `taken` by an earlier run."""
    base_id = store.runs.find_base(inputs.base.sha256) if store else None
    found = []
    for each in _all_measurements(inputs):
        items, options = each.benchmark.items, 0.0
        if each.ranks:
            options = fmean(len(stem_and_options(item)[1]) for item in items)
        seed = inputs.config.run.seed
        known = store.evaluations.count_known(base_id, each, seed) if store and base_id else 0
        drawn = f"{each.generation} {each.samples} {each.chat}"
        identity = each.benchmark.sha256, each.prompt.sha256, drawn, f"{inputs.base.sha256} {seed}"
        if identity in taken:
            known = len(items) * each.samples
        taken.add(identity)
        found.append(
            MeasuredItems(
                each.benchmark.name,
                each.prompt.name,
                each.benchmark.role,
                len(items) * each.samples,
                each.generation.max_tokens,
                unshared_characters([item.question for item in items]),
                options,
                known,
            )
        )
    return found


def _all_measurements(inputs: Inputs) -> list[Measurement]:
    return [
        each for benchmark in inputs.benchmarks for each in measurements(benchmark, inputs.config, inputs.prompts)
    ]


def _done(store: Store | None, run: Run | None) -> tuple[int, Mapping[Stage, int]]:
    """How many rounds of a resumed run are complete, and what is stored of the next one."""
    if store is None or run is None:
        return 0, {}
    rounds = store.runs.fetch_rounds(run.run_id)
    begun = next((each for each in rounds if not each.finished_at), None)
    finished = sum(each.finished_at is not None for each in rounds)
    if begun is None:
        return finished, {}
    counts = store.fetch_round_counts(begun.round_id)
    scored = store.evaluations.count_scored(run.run_id, begun.number)
    trained = 1 if begun.adapter_id else 0
    return finished, {"ask": counts.judged, "vote": counts.votes, "train": trained, "evaluate": scored}


def unshared_characters(texts: Sequence[str]) -> float:
    """Mean length of a text after what it shares with the beginning of another one, whose tokens are not read again.

    Example: unshared_characters(["What is 2 + 3?", "What is 4 + 5?"]) -> 6.0
    """
    ordered = sorted(texts)
    shared = [_shared(*pair) for pair in itertools.pairwise(ordered)]
    nearest = map(max, [0, *shared], [*shared, 0])
    return fmean(len(text) - most for text, most in zip(ordered, nearest, strict=True))


def _shared(first: str, second: str) -> int:
    """Characters with which both texts begin."""
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _product(shape: tuple[int, ...]) -> int:
    found = 1
    for each in shape:
        found *= each
    return found


# ── speed ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _speed(
    workspace: Workspace,
    inputs: Inputs,
    planned: Planned,
    past: Experience,
    machine: MachineNoted,
    plan: MemoryPlan | None,
    opener: OpenSampler,
    tell: Callable[[str], object],
) -> tuple[Speed | None, Lengths | None, str]:
    """The speed of sampling, lengths of replies, and where both come from."""
    owed: set[tuple[Stage, bool]] = {("evaluate", False)}
    if planned.rounds and planned.purpose.teacher_id is None:
        owed |= {("vote", False)} if inputs.own_questions else {("ask", False), ("vote", False)}
    if owed <= set(past.speeds):
        return None, None, f"earlier runs in this workspace, the latest is run {past.runs[0]}"
    if plan is None or workspace.is_busy():
        why = "servers are not calibrated" if plan is None else "a run is at work, beside which nothing is measured"
        return None, None, "earlier runs in this workspace" if past.speeds else f"no speed: {why}"
    key = _calibration_key(inputs, machine)
    known = _kept_calibrations(workspace)
    if key not in known:
        tell(f"measuring for some seconds how fast {inputs.base.name} is on this machine")
        known[key] = {**_calibrated(inputs, plan, opener), "at": time.time()}
        keep_json(_calibrations(workspace), known)
    found = known[key]
    if "draw" not in found:
        return None, None, "no speed: the model drew nothing in the calibration"
    busy = found.get("share", 1.0) < BUSY_SHARE
    factor, products = BUSY_FACTOR if busy else CALIBRATED_FACTOR, found.get("products")
    speed = Speed(found["draw"], found["prompt"], factor, None if machine.gpus else products)
    lengths = Lengths(found.get("text"), found.get("vote"), found.get("reply"))
    while_busy = ", while other programs kept its processor busy: without them it is faster" if busy else ""
    return speed, lengths, f"a calibration of {found['seconds']:.0f} s on this machine{while_busy}"


def _calibrated(inputs: Inputs, plan: MemoryPlan, opener: OpenSampler) -> dict[str, float]:
    products = products_per_second()  # before llama.cpp's threads are there, which wait for work by spinning
    with closing(opener(inputs.base.path, inputs.config)) as sampler:
        kinds, prompts = _calibration_requests(inputs, plan.slots)
        with OtherPrograms() as others:
            found = calibrate(sampler, kinds, prompts, CALIBRATION_SECONDS)
    if found is None:
        return {}
    told = {"draw": found.draw, "prompt": found.prompt, "seconds": found.seconds, "share": 1 - others.share}
    return {**told, "products": products, **found.lengths}


def _calibration_requests(inputs: Inputs, slots: int) -> tuple[dict[str, list[Request]], list[Request]]:
    """Requests like those of a run that fill all slots, by kind; and prompts that share little."""
    config, seed = inputs.config, inputs.config.run.seed
    texts = [bait.attempt(inputs.prompts, index, config.bait, seed, 1).request for index in range(slots)]
    drawn = [each for each in _all_measurements(inputs) if not each.ranks]
    items = [OwedItem(each, item, (0,)).request(seed) for each in drawn for item in each.benchmark.items[:slots]]
    replies = items[:: max(1, len(items) // slots)][:slots] or texts
    asked = (
        [each.text for each in inputs.own_questions.questions[:4]]
        if inputs.own_questions
        else [item.question for each in inputs.benchmarks for item in each.items[:4]]
    )
    vote = config.vote
    generation = Generation(vote.max_tokens, vote.temperature, vote.top_p, vote.top_k)
    prompt, each_time = inputs.prompts.for_evaluation(vote.prompt), max(1, slots // 4)
    votes = [
        Request(f"vote {index}", fill(prompt.text, question=text), generation, tuple(range(each_time)), seed=seed)
        for index, text in enumerate(asked[:4])
    ]
    kinds = {"vote": votes or texts, "reply": replies}
    return ({"text": texts, **kinds} if inputs.own_questions is None else kinds), replies


def _calibration_key(inputs: Inputs, machine: MachineNoted) -> str:
    """Changes with whatever a calibration depends on."""
    settings = inputs.config.as_dict()
    parts = [settings[name] for name in ("model", "sampling", "bait", "vote", "evaluate")]
    told = [inputs.base.sha256, inputs.checksums, machine.processor, machine.cores, machine.gpus, parts]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _kept_calibrations(workspace: Workspace) -> dict[str, dict[str, float]]:
    known = kept_json(_calibrations(workspace))
    entries = {key: each for key, each in known.items() if _is_calibration(each)}
    return {key: each for key, each in entries.items() if 0 <= time.time() - each.get("at", 0.0) < _kept_for(each)}


def _kept_for(calibration: Mapping[str, float]) -> float:
    """Seconds after which a calibration is repeated."""
    return BUSY_KEPT_SECONDS if calibration.get("share", 1.0) < BUSY_SHARE else KEPT_SECONDS


def _is_calibration(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, int | float) for each in value.values())


def _calibrations(workspace: Workspace) -> Path:
    """The file of the calibrations of this workspace, which save repeating them."""
    return workspace.folder / ".calibrations.json"
