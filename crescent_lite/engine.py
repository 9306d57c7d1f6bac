"""The engine: what surrounds the loop. One process holds the workspace's lock, picks up what is unfinished, keeps the
run's state and its log true, and turns the ways to stop it into one.

Knows the workspace, the store and the loop; prints nothing. Example:
    for event in run_engine(Workspace(Path("data")), RunOptions()): ...
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from crescent_lite import loop
from crescent_lite.config import MENDED, Config, config_from_dict, load_config
from crescent_lite.config.paths import settings_path
from crescent_lite.errors import CrescentError, Interrupted, NotFoundError, TrainingError, WorkspaceError, file_errors
from crescent_lite.evaluation import load_benchmark, measurements, prompts_of, shots_of
from crescent_lite.evaluation.controls import (
    CONTROLS,
    TRAINED,
    Control,
    Spent,
    control_config,
    equal_samples,
    has_a_value,
)
from crescent_lite.events import Event, RunFinished, RunStarted, StageProgressed, StageStarted, TrainingStepped
from crescent_lite.models import find_adapter, find_model
from crescent_lite.prompts.sets import PromptSet, load_prompt_set
from crescent_lite.questions.bait import check_steering
from crescent_lite.questions.own import QuestionFile, load_question_file
from crescent_lite.questions.semantic import load_encoder
from crescent_lite.records import Benchmark, ModelFile
from crescent_lite.sampling import Sampler, check_servers, open_sampler, require_language_model
from crescent_lite.stages.frame import Job
from crescent_lite.store import Run, RunKind, Store
from crescent_lite.store.database import now
from crescent_lite.training import refuse_untrainable
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.interruption import stop_requests
from crescent_lite.workspace.machine import describe_machine
from crescent_lite.workspace.notes import store_notes

OpenSampler = Callable[[Path, Config], Sampler]


@dataclass(frozen=True)
class RunOptions:
    """What the command line asks of a run."""

    rounds: int | None = None
    """Rounds the run is to have; None leaves the config's."""
    new: bool = False
    """Start another run although one is unfinished."""
    preset: str | None = None
    overrides: tuple[str, ...] = ()
    """`section.key=value` texts. Of a resumed run they change [model], [sampling], [train] and [alarms] only."""
    teacher_id: int | None = None
    """A run whose labels a new run is to learn from, instead of asking and voting."""
    next_round: bool = False
    """Play one round more than there are, of the latest run, finished or not, whatever speaks against it."""


@dataclass(frozen=True)
class Purpose:
    """What a run is made for."""

    kind: RunKind = "improvement"
    teacher_id: int | None = None
    control: Control | None = None
    control_of: int | None = None
    adapter: ModelFile | None = None
    """That is measured."""

    @property
    def asks(self) -> bool:
        """Whether the model is made to write questions."""
        return self.teacher_id is None and (self.kind == "improvement" or self.control == "undiversified")

    @property
    def trains(self) -> bool:
        """Whether it is fine-tuned."""
        return self.kind == "improvement" or self.control in TRAINED


def run_engine(
    workspace: Workspace, options: RunOptions, opener: OpenSampler = open_sampler
) -> Generator[Event, None, None]:
    """Start a run or finish the unfinished one. Raises CrescentError, or Interrupted when it was asked to stop."""
    workspace.require()
    with workspace.lock(), _store(workspace) as store:
        _refuse_empty_teacher(store, options.teacher_id)
        unfinished = _run_to_go_on_with(store, options)
        if unfinished and options.teacher_id not in (None, unfinished.teacher_id):
            raise WorkspaceError(
                f"run {unfinished.run_id} is unfinished: `crescent run` goes on with it; --new leaves it as it is"
            )
        config, kept = _config(workspace, options, unfinished)
        teacher_id = unfinished.teacher_id if unfinished else options.teacher_id
        rounds = options.rounds or (unfinished.rounds if unfinished else config.run.rounds)
        purpose = Purpose(teacher_id=teacher_id)
        job = _prepare(workspace, store, config, purpose, unfinished, opener, rounds)
        if options.next_round:
            job.add_requested_round()
        yield from _drive(job, loop.run(job), resumed=unfinished is not None, kept=kept)


def _run_to_go_on_with(store: Store, options: RunOptions) -> Run | None:
    """None starts another one."""
    if not options.next_round:
        return None if options.new else store.runs.fetch_unfinished()
    run = store.runs.fetch_run(None, "improvement")
    if run.teacher_id:
        raise NotFoundError(f"run {run.run_id}: is a distillation, which has one round")
    return run


def run_evaluation(
    workspace: Workspace, options: RunOptions, adapter: Path | None, opener: OpenSampler = open_sampler
) -> Generator[Event, None, None]:
    """Measure the base, and with an adapter both, as a run of its own without rounds. Raises as `run_engine`."""
    workspace.require()
    with workspace.lock(), _store(workspace) as store:
        config, _ = _config(workspace, options, None)
        measured = find_adapter(adapter, _base(workspace, config)) if adapter else None
        job = _prepare(workspace, store, config, Purpose("evaluation", adapter=measured), None, opener, 1)
        yield from _drive(job, loop.measure(job, measured), resumed=False, kept=())


def run_controls(
    workspace: Workspace,
    options: RunOptions,
    run_id: int | None,
    names: Sequence[Control] | None = None,
    samples: int | None = None,
    opener: OpenSampler = open_sampler,
) -> Generator[Event, None, None]:
    """Controls of a run, each a run of its own. Finished ones are left as they are, an unfinished one goes on.

    `names`: None is all. `samples`: of the majority; None is as many as the run's tokens would pay for. Raises as
    `run_engine`.
    """
    workspace.require()
    with workspace.lock(), _store(workspace) as store:
        run = store.runs.fetch_run(run_id, "improvement")
        if run.teacher_id:
            raise NotFoundError(f"run {run.run_id}: is a distillation; controls are of a run that asked and voted")
        settings, _ = _config(workspace, options, run)
        settings = dataclasses.replace(settings, model=config_from_dict(run.config).model)
        _refuse_changed_inputs(run, _read_inputs(workspace, settings).checksums)
        spent = _spent(store, run, settings, samples)
        for name in sorted(names or CONTROLS, key=CONTROLS.index):
            if name in TRAINED and not spent.examples:
                raise NotFoundError(f"run {run.run_id}: its round 1 has trained nothing that {name} can stand beside")
            earlier = store.runs.fetch_controls(run.run_id).get(name)
            if earlier and earlier.state == "finished":
                continue
            purpose = Purpose("evaluation", run.run_id if name == "unvoted" else None, name, run.run_id)
            config = control_config(name, settings, spent)
            job = _prepare(workspace, store, config, purpose, earlier, opener, 1)
            work = loop.run(job) if purpose.trains else loop.measure(job, None)
            yield from _drive(job, work, resumed=earlier is not None, kept=())


def _spent(store: Store, run: Run, config: Config, samples: int | None) -> Spent:
    """What a run spent; without a number of `samples`, those that cost what it drew up to the round that is kept."""
    first = store.runs.open_round(run.run_id, 1, run.base_id)
    texts = sum(store.questions.count_verdicts(first.round_id).values())
    examples = store.trainings.count_examples(first.round_id)
    if samples is None:
        kept = store.fetch_standing(run.run_id).kept or 1
        costs = [cost for number in range(1, kept + 1) for cost in store.runs.fetch_stage_costs(run.run_id, number)]
        drawn = sum(cost.tokens for cost in costs if cost.stage in ("ask", "vote"))
        items = sum(each.items for each in config.evaluate.benchmarks.values() if has_a_value(each))
        samples = equal_samples(drawn, items * store.evaluations.fetch_mean_solution(run.run_id))
    return Spent(texts, examples, samples)


def choose_round(workspace: Workspace, run_id: int | None, number: int | None) -> tuple[int, int]:
    """Keep round `number` of a run, or with None its best one; (run, round that is kept now).

    Raises NotFoundError for a round without an adapter, WorkspaceError while an engine is at work.
    """
    with workspace.lock(), _store(workspace) as store:
        run = store.runs.fetch_run(run_id, "improvement")
        standing = dataclasses.replace(store.fetch_standing(run.run_id), chosen=number)
        standing.require([number] if number else [])
        store.runs.choose_round(run.run_id, number)
    assert standing.kept is not None  # one was trained
    return run.run_id, standing.kept


def _drive(
    job: Job, work: Generator[Event, None, None], *, resumed: bool, kept: tuple[str, ...]
) -> Generator[Event, None, None]:
    """Pass on the loop's events; keep the run's state, its log and the requests to stop."""
    store, workspace = job.store, job.workspace
    store.runs.set_state(job.run_id, "running")
    with _log(workspace, store, job.run_id) as log:
        try:
            with stop_requests(lambda: workspace.take("stop")), closing(work):
                started = RunStarted(job.run_id, resumed, job.rounds, job.base.name, kept)
                log(started)
                log(describe_machine())  # for the record only: nobody who watches waits for it
                yield started
                for event in work:
                    log(event)
                    if isinstance(event, StageStarted | RunFinished):
                        store_notes(workspace, store)
                    yield event
            store.runs.set_state(job.run_id, "finished", event.reason if isinstance(event, RunFinished) else None)
        except (KeyboardInterrupt, GeneratorExit) as request:
            store.runs.set_state(job.run_id, "stopped", "asked to stop")
            if isinstance(request, GeneratorExit):
                raise
            raise Interrupted from None
        except CrescentError as error:
            store.runs.set_state(job.run_id, "failed", str(error))
            raise


def _config(workspace: Workspace, options: RunOptions, unfinished: Run | None) -> tuple[Config, tuple[str, ...]]:
    """The settings, and the names of those that a resumed run keeps although they were changed since its start.

    What was asked and how it was voted on stays as it was; how the machine does the work may be mended, in
    crescent.toml or on the command line, under which the one that the run was started with still holds.
    """
    if unfinished is None:
        return load_config(workspace.config_path, preset=options.preset, overrides=options.overrides), ()
    stored = config_from_dict({**unfinished.config, "sampling": {}, "train": {}, "alarms": {}})
    preset = options.preset or (stored.preset if stored.preset_given else None)
    overrides = (*stored.overrides, *options.overrides)
    current = load_config(workspace.config_path, preset=preset, overrides=overrides)
    mended = {name: getattr(current, name) for name in MENDED}
    kept_overrides = tuple(o for o in overrides if o in stored.overrides or o.strip().partition(".")[0] in MENDED)
    config = dataclasses.replace(stored, **mended, overrides=kept_overrides)
    sections = [f.name for f in dataclasses.fields(Config) if dataclasses.is_dataclass(getattr(config, f.name))]
    kept = tuple(
        f"{section}.{key.name}"
        for section in sections
        for key in dataclasses.fields(getattr(config, section))
        if getattr(getattr(config, section), key.name) != getattr(getattr(current, section), key.name)
    )
    return config, tuple(name for name in kept if name != "run.rounds")


@dataclass(frozen=True)
class _Inputs:
    """What a run is made from."""

    prompts: PromptSet
    benchmarks: tuple[Benchmark, ...]
    base: ModelFile
    checksums: dict[str, str]
    """The sha256 of each thing, by a name the user knows."""
    own_questions: QuestionFile | None
    """The user's own, in place of what the model would ask."""


def _read_inputs(workspace: Workspace, config: Config) -> _Inputs:
    """Prompts, benchmarks and the base, read and checked."""
    prompts = load_prompt_set(config.run.prompts, workspace.folder)
    benchmarks = tuple(
        load_benchmark(name, settings, workspace.folder, shots_of(prompts_of(settings, config)))
        for name, settings in config.evaluate.benchmarks.items()
    )
    measured = [each for benchmark in benchmarks for each in measurements(benchmark, config, prompts)]
    base = _base(workspace, config)
    own = load_question_file(config.bait.file, workspace.folder) if config.bait.file else None
    asked_with = {each.prompt.name: each.prompt.sha256 for each in measured}
    checksums = {
        f"the model {base.source}": base.sha256,
        **{f"the prompt {name}": sha256 for name, sha256 in (prompts.checksums() | asked_with).items()},
        **{f"the benchmark {benchmark.name}": benchmark.sha256 for benchmark in benchmarks},
        **({f"the questions of {own.name}": own.sha256} if own else {}),
    }
    return _Inputs(prompts, benchmarks, base, checksums, own)


def _prepare(
    workspace: Workspace,
    store: Store,
    config: Config,
    purpose: Purpose,
    unfinished: Run | None,
    opener: OpenSampler,
    rounds: int,
) -> Job:
    """Check everything a run needs before the first token is drawn, and make its row."""
    inputs = _read_inputs(workspace, config)
    prompts, base = inputs.prompts, inputs.base
    if purpose.asks:
        check_steering(prompts, config.bait)
    if purpose.trains:
        _refuse_untrainable(base, _with_weights(workspace, config), purpose.teacher_id)
    adapter = purpose.adapter.path if purpose.adapter else None
    check_servers(base.path, config, will_train=purpose.trains, adapter=adapter)
    encoder = None
    if purpose.asks and config.diversify.semantic:
        encoder = load_encoder(config.diversify.semantic, workspace.folder, offline=config.model.offline)
    base_id = store.runs.insert_model(base)
    if unfinished:
        _refuse_changed_inputs(unfinished, inputs.checksums)
    own = [inputs.own_questions.as_prompt] if inputs.own_questions else []
    for prompt in (prompts.bait, prompts.rewrite, prompts.solve, *own):
        store.runs.insert_prompt(prompt)
    if unfinished:
        run_id = unfinished.run_id
    else:
        run_id = store.runs.insert_run(
            purpose.kind, base_id, inputs.checksums, purpose.teacher_id, purpose.control, purpose.control_of
        )
    store.runs.set_plan(run_id, config.as_dict(), rounds)
    config = _with_weights(workspace, config)
    return Job(
        run_id, rounds, config, prompts, inputs.benchmarks, base, base_id, store, workspace,
        lambda: opener(base.path, config), encoder, purpose.teacher_id, unvoted=purpose.control == "unvoted",
        own_questions=inputs.own_questions,
    )  # fmt: skip


def _base(workspace: Workspace, config: Config) -> ModelFile:
    return find_model(
        config.model.source,
        folder=workspace.folder,
        offline=config.model.offline,
        checksum_cache=workspace.folder / ".checksums.json",
    )


def _with_weights(workspace: Workspace, config: Config) -> Config:
    """The settings with the weights' folder where it lies; the training runs elsewhere."""
    folder = settings_path(config.train.weights, workspace.folder)
    if config.train.weights == "gguf" or not folder.is_dir():
        return config
    return dataclasses.replace(config, train=dataclasses.replace(config.train, weights=str(folder)))


def _refuse_untrainable(base: ModelFile, config: Config, teacher_id: int | None) -> None:
    """What would end the training is said now, unless the run cannot have enough labels to train at all."""
    if config.train.min_examples > config.bait.questions and teacher_id is None:
        return
    try:
        refuse_untrainable(base.path, config.train)
    except TrainingError as error:
        require_language_model(base.path)  # of an image model the plainer word
        raise TrainingError(
            f"{error}. To ask and vote only, set train.min_examples above bait.questions ({config.bait.questions})"
        ) from None


def _refuse_empty_teacher(store: Store, teacher_id: int | None) -> None:
    if teacher_id is not None and not store.votes.fetch_labels(run_id=store.runs.fetch_run(teacher_id).run_id):
        raise NotFoundError(f"run {teacher_id}: has no labels to learn from")


def _refuse_changed_inputs(run: Run, inputs: dict[str, str]) -> None:
    """A run that goes on with another prompt or benchmark would mix two runs in one. Raises WorkspaceError."""
    changed = sorted(set(run.inputs.values()) ^ set(inputs.values()))
    named = [name for name, sha256 in (run.inputs | inputs).items() if sha256 in changed]
    if changed:
        raise WorkspaceError(
            f"run {run.run_id}: {named[0] if named else 'its input'} is not what it was when the run was started; "
            "put it back, or start another run (`crescent run --new`)"
        )


@contextmanager
def _store(workspace: Workspace) -> Iterator[Store]:
    store = Store.open(workspace.database_path)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _log(workspace: Workspace, store: Store, run_id: int) -> Iterator[Callable[[Event], None]]:
    """The run's log file gets every event; the database those that are no single item (items are rows already)."""
    path = workspace.log_of(run_id)
    with file_errors(path):
        path.parent.mkdir(exist_ok=True)
        file = path.open("a", encoding="utf-8")
    with file:

        def log(event: Event) -> None:
            kind, detail = type(event).__name__, dataclasses.asdict(event)
            with file_errors(path):
                file.write(json.dumps({"at": now(), "event": kind, **detail}, ensure_ascii=False) + "\n")
                file.flush()
            if not isinstance(event, StageProgressed | TrainingStepped):
                store.runs.insert_event(run_id, kind, detail)

        yield log
