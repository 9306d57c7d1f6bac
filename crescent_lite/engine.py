"""The process around the loop: it holds the workspace's lock, and keeps the run's state and log up to date.

Every way to stop (Ctrl-C, SIGTERM, `crescent stop`) ends here: the run's state becomes 'stopped' and `Interrupted` is
raised. Knows the workspace, the store and the loop; prints nothing. Example:
    for event in run_engine(Workspace(Path("data")), RunOptions()): ...
"""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from crescent_lite import loop
from crescent_lite.config import Config, config_from_dict
from crescent_lite.config.names import CONTROLS, Control
from crescent_lite.errors import CrescentError, Interrupted, NotFoundError, StorageError, file_errors
from crescent_lite.evaluation.controls import TRAINED, why_left_out
from crescent_lite.evaluation.headroom import SAMPLES, headroom_config
from crescent_lite.evaluation.spent import spent_by
from crescent_lite.events import (
    ControlLeftOut,
    Event,
    RunFinished,
    RunStarted,
    RunWarned,
    SamplingWarned,
    StageProgressed,
    StageStarted,
    TrainingStepped,
)
from crescent_lite.files import appended_lines, write_line
from crescent_lite.models import find_adapter
from crescent_lite.preparation import (
    OpenSampler,
    Purpose,
    RunOptions,
    control_plan,
    find_base,
    prepare,
    read_inputs,
    refuse_changed_inputs,
    refuse_teacher_without_labels,
    run_to_continue,
    settings_of,
)
from crescent_lite.printable import printable_line
from crescent_lite.redaction import redacted, redacted_values
from crescent_lite.stages.agreement import trained_questions
from crescent_lite.stages.frame import Job, pausable
from crescent_lite.store import Run, Store
from crescent_lite.store.database import now
from crescent_lite.store.log_watch import LogWatch
from crescent_lite.trackers import followed, require_tracker
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.database import open_store
from crescent_lite.workspace.finishing import start_on_finish
from crescent_lite.workspace.interruption import interruptible, undisturbed
from crescent_lite.workspace.load_recorder import LoadRecorder
from crescent_lite.workspace.machine import describe_machine
from crescent_lite.workspace.notes import store_notes
from crescent_lite.workspace.surroundings import COPIED, refuse_second_database, synchroniser_of

__all__ = [
    "OpenSampler",
    "RunOptions",
    "choose_round",
    "run_controls",
    "run_engine",
    "run_evaluation",
    "run_headroom",
    "run_recheck",
]

REASON_CHARACTERS = 1000
"""A longer reason for the end of a run is cut."""
WARNED_BY: Mapping[str, type[SamplingWarned] | type[RunWarned]] = {
    "crescent_lite.sampling": SamplingWarned,
    "crescent_lite.store": RunWarned,
    "crescent_lite.training": RunWarned,
}
"""The loggers whose warnings are events of the run."""


def run_engine(
    workspace: Workspace, options: RunOptions, opener: OpenSampler | None = None
) -> Generator[Event, None, None]:
    """Start a run, or finish the unfinished one. Raises CrescentError, or Interrupted when it was asked to stop."""
    workspace.require()
    with _finishing(workspace) as jobs, workspace.lock(), _store(workspace) as store:
        refuse_teacher_without_labels(store, options.teacher_id)
        unfinished = run_to_continue(store, options)
        config, kept = settings_of(workspace, options, unfinished)
        teacher_id = unfinished.teacher_id if unfinished else options.teacher_id
        rounds = options.rounds or (unfinished.rounds if unfinished else config.run.rounds)
        if config.run.log_to != "none":
            require_tracker(config.run.log_to)
        purpose = Purpose(teacher_id=teacher_id, name=options.name, note=options.note, place=options.place)
        job = yield from _prepare(workspace, store, config, purpose, unfinished, opener, rounds)
        if options.next_round:
            job.add_requested_round(is_repeated=True)
        jobs.append(job)
        yield from _drive(job, loop.run(job), resumed=unfinished is not None, kept=kept)


def run_evaluation(
    workspace: Workspace, options: RunOptions, adapter: Path | None, opener: OpenSampler | None = None
) -> Generator[Event, None, None]:
    """Evaluate the base, and the adapter if one is given, as a run of its own. Raises what `run_engine` raises."""
    workspace.require()
    with _finishing(workspace) as jobs, workspace.lock(), _store(workspace) as store:
        config, _ = settings_of(workspace, options, None)
        measured = find_adapter(adapter, find_base(workspace, config)) if adapter else None
        purpose = Purpose("evaluation", adapter=measured, name=options.name, note=options.note)
        job = yield from _prepare(workspace, store, config, purpose, None, opener, 1)
        jobs.append(job)
        yield from _drive(job, loop.measure(job, measured), resumed=False, kept=())


def run_headroom(
    workspace: Workspace,
    options: RunOptions,
    items: int | None = None,
    samples: int = SAMPLES,
    opener: OpenSampler | None = None,
) -> Generator[Event, None, None]:
    """Measure what voting is worth for the base, as an evaluation of its own. Raises what `run_engine` raises.

    `items`: first items of each benchmark; None for as many as `headroom_config` takes. Replies of earlier runs and
    evaluations with the same settings are taken over, and theirs by later ones.
    """
    workspace.require()
    with _finishing(workspace) as jobs, workspace.lock(), _store(workspace) as store:
        settings, _ = settings_of(workspace, options, None)
        config = headroom_config(settings, items, samples)
        job = yield from _prepare(workspace, store, config, Purpose("evaluation"), None, opener, 1)
        jobs.append(job)
        yield from _drive(job, loop.measure(job, None), resumed=False, kept=())


def run_recheck(
    workspace: Workspace, run_id: int | None, number: int | None = None, opener: OpenSampler | None = None
) -> Generator[Event, None, None]:
    """Let the base and a round's model answer the questions that the round was trained on, as an evaluation.

    `run_id`: None for the latest run with rounds. `number`: the round; None for the kept one. Raises what
    `run_engine` raises, and NotFoundError for a round without an adapter.
    """
    workspace.require()
    with workspace.lock(), _store(workspace) as store:
        run = store.runs.fetch_run(run_id, "improvement")
        standing = store.fetch_standing(run.run_id)
        standing.require([number] if number else [])
        kept = number or standing.kept
        assert kept is not None  # one was trained
        questions = trained_questions(store, run, kept)
        settings, _ = settings_of(workspace, RunOptions(), run)
        config = dataclasses.replace(
            settings,
            model=config_from_dict(run.config).model,
            run=dataclasses.replace(settings.run, choose_by="benchmark"),
            evaluate=dataclasses.replace(settings.evaluate, benchmarks={}),
        )
        adapter = find_adapter(store.runs.fetch_model(standing.adapters[kept]).path, find_base(workspace, config))
        purpose = Purpose("evaluation", control_of=run.run_id, adapter=adapter, note=questions.source)
        job = yield from _prepare(workspace, store, config, purpose, None, opener, 1)
        job.benchmarks = (questions,)
        yield from _drive(job, loop.measure(job, adapter, loop.BY_VOTES), resumed=False, kept=())


def run_controls(
    workspace: Workspace,
    options: RunOptions,
    run_id: int | None,
    names: Sequence[Control] | None = None,
    samples: int | None = None,
    opener: OpenSampler | None = None,
) -> Generator[Event, None, None]:
    """Run the controls of a run, each as a run of its own: finished ones are skipped, an unfinished one is resumed.

    `names`: which controls; None for all that the run can have. `samples`: samples per item of the control
    'majority'; None for as many as take about the tokens of the run's questions and votes. Raises what `run_engine`
    raises.
    """
    workspace.require()
    with _finishing(workspace) as jobs, workspace.lock(), _store(workspace) as store:
        run = store.runs.fetch_run(run_id, "improvement")
        if run.teacher_id:
            raise NotFoundError(f"run {run.run_id} is a distillation; controls need a run that asked and voted")
        settings, _ = settings_of(workspace, options, run)
        settings = dataclasses.replace(settings, model=config_from_dict(run.config).model)
        refuse_changed_inputs(run, read_inputs(workspace, settings).checksums)
        spent = spent_by(store, run, settings, samples)
        for name in sorted(names or CONTROLS, key=CONTROLS.index):
            if why := why_left_out(name, settings):
                if names:
                    raise NotFoundError(f"run {run.run_id}: cannot have the control {name}: {why}")
                yield ControlLeftOut(name, why)
                continue
            if name in TRAINED and not spent.examples:
                raise NotFoundError(
                    f"run {run.run_id}: round 1 trained nothing, so the control {name} has nothing to compare with"
                )
            earlier = store.runs.fetch_controls(run.run_id).get(name)
            if earlier and earlier.state == "finished":
                continue
            config, purpose = control_plan(name, run, settings, spent)
            job = yield from _prepare(workspace, store, config, purpose, earlier, opener, 1)
            work = loop.run(job) if purpose.trains else loop.measure(job, None)
            jobs.append(job)
            yield from _drive(job, work, resumed=earlier is not None, kept=())


def choose_round(workspace: Workspace, run_id: int | None, number: int | None) -> tuple[int, int]:
    """Keep round `number` of a run, or its best one if None. Returns the run's id and the round now kept.

    Raises NotFoundError for a round without an adapter, and WorkspaceError while an engine is running or where there
    is no database yet.
    """
    open_store(workspace).close()
    with workspace.lock(), _store(workspace) as store:
        run = store.runs.fetch_run(run_id, "improvement")
        standing = dataclasses.replace(store.fetch_standing(run.run_id), chosen=number)
        standing.require([number] if number else [])
        store.runs.set_chosen_round(run.run_id, number)
    assert standing.kept is not None  # one was trained
    return run.run_id, standing.kept


def _prepare(
    workspace: Workspace,
    store: Store,
    config: Config,
    purpose: Purpose,
    unfinished: Run | None,
    opener: OpenSampler | None,
    rounds: int,
) -> Generator[Event, None, Job]:
    """Prepare a run. A request to stop or to pause ends a wait for a server. Raises CrescentError or Interrupted."""
    try:
        with interruptible(workspace.take_stop):
            return (
                yield from pausable(
                    lambda: prepare(workspace, store, config, purpose, unfinished, opener, rounds), workspace
                )
            )
    except KeyboardInterrupt:
        raise Interrupted from None


def _drive(
    job: Job, work: Generator[Event, None, None], *, resumed: bool, kept: tuple[str, ...]
) -> Generator[Event, None, None]:
    """Pass on the loop's events, keep the run's state and log up to date, and end when a stop is requested."""
    store, workspace = job.store, job.workspace
    log_to = job.config.run.log_to
    tracker = None if log_to == "none" else log_to
    with _state_of(store, job.run_id) as state, _log(workspace, store, job.run_id) as log:
        with (
            interruptible(workspace.take_stop),
            closing(work),
            _load(store, job.run_id) as note_load,
            followed(store, job.run_id, tracker, workspace.logs) as track,
        ):
            started = RunStarted(job.run_id, resumed, job.rounds, job.base.name, kept)
            log_watch = LogWatch(store.database)
            log(started)
            log(describe_machine())  # for the record; not yielded, so that no watcher waits for it
            yield started
            for event in work:
                log(event)
                note_load(event)
                track(event)
                log_watch.look()
                if isinstance(event, StageStarted | RunFinished):
                    store_notes(workspace, store)
                yield event
        state.reason = event.reason if isinstance(event, RunFinished) else None


@contextmanager
def _load(store: Store, run_id: int) -> Iterator[Callable[[Event], None]]:
    """Sample the machine's load inside, and store the samples with the run's events."""
    with LoadRecorder() as recorder:
        recorder.stride = store.machine.fetch_stride(run_id)

        def note(event: Event) -> None:
            recorder.note(event)
            if samples := recorder.take():
                store.machine.insert_samples(run_id, samples)
                recorder.stride = store.machine.fetch_stride(run_id)

        yield note


@contextmanager
def _finishing(workspace: Workspace) -> Iterator[list[Job]]:
    """Start the user's program when the last of the jobs has ended and the workspace is free again."""
    jobs: list[Job] = []
    state = "failed"
    try:
        yield jobs
        state = "finished"
    except (Interrupted, KeyboardInterrupt, GeneratorExit):
        state = "stopped"
        raise
    finally:
        for job in jobs[-1:]:
            start_on_finish(job.config.run.on_finish, workspace, job.run_id, state)


@dataclasses.dataclass
class _End:
    """How a run ends."""

    reason: str | None = None
    """Why a finished run has fewer rounds than planned; None if it has them all."""


@contextmanager
def _state_of(store: Store, run_id: int) -> Iterator[_End]:
    """Keep a run's stored state up to date: running inside, then finished, stopped or failed, whatever ends it.

    Raises Interrupted where the user asked to stop.
    """
    store.runs.set_state(run_id, "running")
    end = _End()
    try:
        yield end
        store.runs.set_state(run_id, "finished", end.reason)
    except (KeyboardInterrupt, GeneratorExit) as request:
        with undisturbed():
            store.runs.set_state(run_id, "stopped", "asked to stop")
        if isinstance(request, GeneratorExit):
            raise
        raise Interrupted from None
    except Exception as error:
        reason = str(error) if isinstance(error, CrescentError) else f"{type(error).__name__}: {error}"
        with suppress(StorageError):  # a full disk, perhaps; then the next engine stores that this one has ended
            store.runs.set_state(run_id, "failed", redacted(printable_line(reason, REASON_CHARACTERS)))
        raise


@contextmanager
def _store(workspace: Workspace) -> Iterator[Store]:
    """The database, for the process that holds the lock: a run that is still 'running' there was killed."""
    refuse_second_database(workspace.database_path)
    if name := synchroniser_of(workspace.folder):
        logging.getLogger(__name__).warning("%s: %s", workspace.folder, COPIED.format(name=name))
    store = Store.open(workspace.database_path)
    try:
        store.runs.end_killed_runs()
        yield store
    finally:
        store.database.shrink_log()
        store.close()


@contextmanager
def _log(workspace: Workspace, store: Store, run_id: int) -> Iterator[Callable[[Event], None]]:
    """Append every event to the run's log file, and store all but single items, which have rows of their own."""
    path = workspace.log_of(run_id)
    with appended_lines(path) as file:

        def log(event: Event) -> None:
            kind, detail = type(event).__name__, redacted_values(dataclasses.asdict(event))
            clock = round(time.monotonic(), 3)
            with file_errors(path):
                line = {"at": now(), "clock": clock, "event": kind, **detail}
                write_line(file, json.dumps(line, ensure_ascii=False))
            if not isinstance(event, StageProgressed | TrainingStepped):
                store.runs.insert_event(run_id, kind, detail)

        with _warnings_logged(log):
            yield log


@contextmanager
def _warnings_logged(log: Callable[[Event], None]) -> Iterator[None]:
    """Put what the parts of the engine warn of into the run's log too; logging shows it as before."""

    class Handler(logging.Handler):
        def __init__(self, event: type[SamplingWarned] | type[RunWarned]) -> None:
            super().__init__()
            self._event = event

        def emit(self, record: logging.LogRecord) -> None:
            if threading.current_thread() is thread:  # the store's connection belongs to one thread
                log(self._event(record.getMessage()))

    thread = threading.current_thread()
    handlers = {source: Handler(event) for source, event in WARNED_BY.items()}
    for source, handler in handlers.items():
        logging.getLogger(source).addHandler(handler)
    try:
        yield
    finally:
        for source, handler in handlers.items():
            logging.getLogger(source).removeHandler(handler)
