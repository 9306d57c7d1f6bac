"""The engine: what surrounds the loop. One process holds the workspace's lock, picks up what is unfinished, keeps the
run's state and its log true, and turns the ways to stop it into one.

Knows the workspace, the store and the loop; prints nothing. Example:
    for event in run_engine(Workspace(Path("data")), RunOptions()): ...
"""

from __future__ import annotations

import _thread
import dataclasses
import json
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from crescent_lite import loop
from crescent_lite.config import Config, config_from_dict, load_config
from crescent_lite.errors import CrescentError, Interrupted, WorkspaceError
from crescent_lite.evaluation import load_benchmark
from crescent_lite.events import Event, RunStarted, StageProgressed, TrainingStepped
from crescent_lite.job import Job
from crescent_lite.models import find_adapter, find_model
from crescent_lite.prompt_set import PromptSet, load_prompt_set
from crescent_lite.sampling import Sampler, open_llama
from crescent_lite.store import Run, Store
from crescent_lite.store.database import now
from crescent_lite.workspace import Workspace

STOP_POLL_SECONDS = 0.5
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
    """`section.key=value` texts; with `preset`, they concern a run that is started, not one that is resumed."""


def run_engine(
    workspace: Workspace, options: RunOptions, open_sampler: OpenSampler = open_llama
) -> Generator[Event, None, None]:
    """Start a run or finish the unfinished one. Raises CrescentError, or Interrupted when it was asked to stop."""
    workspace.require()
    with workspace.lock(), _store(workspace) as store:
        unfinished = None if options.new else store.runs.fetch_unfinished()
        config = _config(workspace, options, unfinished)
        job = _prepare(workspace, store, config, options, unfinished, open_sampler)
        yield from _drive(job, loop.run(job), resumed=unfinished is not None)


def run_evaluation(
    workspace: Workspace, options: RunOptions, adapter: Path | None, open_sampler: OpenSampler = open_llama
) -> Generator[Event, None, None]:
    """Measure the base, and with an adapter both, as a run of its own without rounds. Raises as `run_engine`."""
    workspace.require()
    with workspace.lock(), _store(workspace) as store:
        job = _prepare(workspace, store, _config(workspace, options, None), options, None, open_sampler)
        yield from _drive(job, loop.measure(job, find_adapter(adapter) if adapter else None), resumed=False)


def _drive(job: Job, work: Generator[Event, None, None], *, resumed: bool) -> Generator[Event, None, None]:
    """Pass on the loop's events; keep the run's state, its log and the requests to stop."""
    store, workspace = job.store, job.workspace
    store.runs.set_state(job.run_id, "running")
    with _stop_requests(workspace), _log(workspace, store, job.run_id) as log:
        try:
            started = RunStarted(job.run_id, resumed, job.rounds, job.base.name)
            log(started)
            yield started
            with closing(work):
                for event in work:
                    log(event)
                    yield event
            store.runs.set_state(job.run_id, "finished")
        except (KeyboardInterrupt, GeneratorExit) as request:
            store.runs.set_state(job.run_id, "stopped", "asked to stop")
            if isinstance(request, GeneratorExit):
                raise
            raise Interrupted from None
        except CrescentError as error:
            store.runs.set_state(job.run_id, "failed", str(error))
            raise


def _config(workspace: Workspace, options: RunOptions, unfinished: Run | None) -> Config:
    """A resumed run keeps the config it was started with."""
    if unfinished:
        return config_from_dict(unfinished.config)
    return load_config(workspace.config_path, preset=options.preset, overrides=options.overrides)


def _prepare(
    workspace: Workspace,
    store: Store,
    config: Config,
    options: RunOptions,
    unfinished: Run | None,
    open_sampler: OpenSampler,
) -> Job:
    """Check everything a run needs before the first token is drawn, and make its row."""
    prompts = load_prompt_set(config.run.prompts)
    for name in config.evaluate.prompts:
        prompts.for_evaluation(name)
    benchmarks = tuple(
        load_benchmark(name, settings, workspace.folder) for name, settings in config.evaluate.benchmarks.items()
    )
    base = find_model(
        config.model.source,
        offline=config.model.offline,
        checksum_cache=workspace.folder / ".checksums.json",
    )
    _insert_prompts(store, prompts)
    base_id = store.runs.insert_model(base)
    if unfinished and unfinished.base_id != base_id:
        raise WorkspaceError(
            f"{base.path}: is no longer the model that run {unfinished.run_id} was started with; "
            "put that file back, or start another run with --new"
        )
    rounds = options.rounds or (unfinished.rounds if unfinished else config.run.rounds)
    run_id = unfinished.run_id if unfinished else store.runs.insert_run(config.as_dict(), base_id, rounds)
    store.runs.set_rounds(run_id, rounds)
    return Job(
        run_id, rounds, config, prompts, benchmarks, base, base_id, store, workspace,
        lambda: open_sampler(base.path, config),
    )  # fmt: skip


def _insert_prompts(store: Store, prompts: PromptSet) -> None:
    for prompt in (prompts.bait, prompts.rewrite, prompts.solve):
        store.runs.insert_prompt(prompt)


@contextmanager
def _store(workspace: Workspace) -> Iterator[Store]:
    store = Store.open(workspace.database_path)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _stop_requests(workspace: Workspace) -> Iterator[None]:
    """SIGTERM and the stop file do what Ctrl-C does."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(STOP_POLL_SECONDS):
            if workspace.stop_requested():
                workspace.clear_stop()
                _thread.interrupt_main()
                return

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, interrupt) if in_main_thread else None
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        if in_main_thread:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _log(workspace: Workspace, store: Store, run_id: int) -> Iterator[Callable[[Event], None]]:
    """The run's log file gets every event; the database those that are no single item (items are rows already)."""
    workspace.logs.mkdir(exist_ok=True)
    with (workspace.logs / f"run-{run_id}.jsonl").open("a", encoding="utf-8") as file:

        def log(event: Event) -> None:
            kind, detail = type(event).__name__, dataclasses.asdict(event)
            file.write(json.dumps({"at": now(), "event": kind, **detail}, ensure_ascii=False) + "\n")
            file.flush()
            if not isinstance(event, StageProgressed | TrainingStepped):
                store.runs.insert_event(run_id, kind, detail)

        yield log
