"""Everything that a run needs before its first token is drawn: settings, inputs, checks, and the run's row.

Paths are resolved here, once; the layers below use them as they are. Anything that would otherwise fail after an hour
is refused now, in one line. Knows the store and the loaders; plays no round. Example:
    job = prepare(workspace, store, config, Purpose(), None, open_sampler, rounds=1)
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from crescent_lite.config import BenchmarkConfig, Config, ModelConfig, config_from_dict, load_config
from crescent_lite.config.names import Control
from crescent_lite.config.paths import settings_path
from crescent_lite.config.stored import resumed_config
from crescent_lite.errors import ConfigError, NotFoundError, TrainingError, WorkspaceError
from crescent_lite.evaluation import load_benchmark, measurements, prompts_of, shots_of
from crescent_lite.evaluation.controls import LEARNS_FROM_THE_RUN, TRAINED, Spent, control_config
from crescent_lite.models import find_model
from crescent_lite.prompts.sets import PromptSet, load_prompt_set, packaged_sets, prompt_text
from crescent_lite.questions.bait import check_steering
from crescent_lite.questions.own import QuestionFile, load_questions
from crescent_lite.questions.semantic import load_encoder
from crescent_lite.records import TEMPLATE_SET, Benchmark, ModelFile, PromptText
from crescent_lite.sampling import (
    Sampler,
    check_chat_template,
    check_servers,
    open_sampler,
    require_language_model,
)
from crescent_lite.sampling.known_templates import KNOWN, is_template_text, template_text
from crescent_lite.stages.frame import Job, end_wait_for_a_pause
from crescent_lite.store import Run, RunKind, Store, SweepPlace
from crescent_lite.training import refuse_untrainable, trial_adapter
from crescent_lite.workspace import Workspace

OpenSampler = Callable[[Path, Config], Sampler]
"""Loads a GGUF for sampling; tests pass one that loads nothing. None, where allowed, is `sampling.open_sampler`."""


@dataclass(frozen=True)
class RunOptions:
    """What the command line asks of a run."""

    rounds: int | None = None
    """Number of rounds; None takes `run.rounds`."""
    new: bool = False
    """Whether to start another run although one is unfinished."""
    preset: str | None = None
    """Name of the preset; None takes the one in crescent.toml."""
    overrides: tuple[str, ...] = ()
    """`section.key=value` texts. A resumed run applies those in CHANGEABLE_SECTIONS only."""
    teacher_id: int | None = None
    """The run whose labels a new run learns from, instead of asking and voting; None for an ordinary run."""
    next_round: bool = False
    """Whether to play one more round of the latest run, finished or not, even after an alarm."""
    name: str | None = None
    """Name of the run, by which commands find it; None leaves a resumed run its name."""
    note: str | None = None
    """The user's note on the run; None leaves a resumed run its note."""
    place: SweepPlace | None = None
    """The run's place in a sweep; None for a run by itself."""


@dataclass(frozen=True)
class Purpose:
    """Why a run is made."""

    kind: RunKind = "improvement"
    teacher_id: int | None = None
    """The run whose labels are learnt from; None for a run that asks and votes itself."""
    control: Control | None = None
    """Name of the control experiment; None for an ordinary run."""
    control_of: int | None = None
    """The run that the control belongs to."""
    adapter: ModelFile | None = None
    """The adapter that an evaluation measures; None measures the base alone."""
    name: str | None = None
    """Name of the run; None leaves a resumed run its name."""
    note: str | None = None
    """The user's note on the run; None leaves a resumed run its note."""
    place: SweepPlace | None = None
    """The run's place in a sweep; None for a run by itself."""

    @property
    def asks(self) -> bool:
        """Whether the model writes questions."""
        return self.teacher_id is None and (self.kind == "improvement" or self.control == "undiversified")

    @property
    def trains(self) -> bool:
        """Whether the model is fine-tuned."""
        return self.kind == "improvement" or self.control in TRAINED


@dataclass(frozen=True)
class Inputs:
    """The inputs of a run, read and checked."""

    config: Config
    """The settings, their paths resolved."""
    prompts: PromptSet
    benchmarks: tuple[Benchmark, ...]
    base: ModelFile
    checksums: dict[str, str]
    """The sha256 of each input, by a name that the user knows."""
    own_questions: QuestionFile | None
    """The user's questions; None when the model writes them."""
    chat_template: PromptText | None
    """The chat template that replaces the GGUF's own; None for that one."""


def prepare(
    workspace: Workspace,
    store: Store,
    config: Config,
    purpose: Purpose,
    unfinished: Run | None,
    opener: OpenSampler | None,
    rounds: int,
) -> Job:
    """Check everything a run needs, and insert its row or update the one of `unfinished`.

    Raises CrescentError, or PauseAsked.
    """
    attend = partial(end_wait_for_a_pause, workspace)
    if purpose.name is not None:
        store.run_rows.check_name(purpose.name, unfinished.run_id if unfinished else None)
    inputs = checked_inputs(workspace, config, purpose)
    prompts, base, resolved = inputs.prompts, inputs.base, inputs.config
    adapter = purpose.adapter.path if purpose.adapter else None
    with contextlib.ExitStack() as stack:
        loads_adapters = purpose.trains and config.sampling.servers and not config.sampling.adapters_here
        trial = (
            stack.enter_context(trial_adapter(base.path, resolved.train, workspace.adapters))
            if loads_adapters
            else None
        )
        check_servers(base.path, resolved, will_train=purpose.trains, adapter=adapter, trial=trial, attend=attend)
    encoder = None
    if purpose.asks and config.diversify.semantic:
        encoder = load_encoder(resolved.diversify.semantic, offline=config.model.offline)
    if unfinished:
        refuse_changed_inputs(unfinished, inputs.checksums)
    load = partial(open_sampler, attend=attend) if opener is None else opener
    run_id, base_id = _store_run(store, config, purpose, unfinished, inputs, rounds)
    return Job(
        run_id=run_id,
        rounds=rounds,
        config=resolved,
        prompts=prompts,
        benchmarks=inputs.benchmarks,
        base=base,
        base_id=base_id,
        store=store,
        workspace=workspace,
        open_sampler=lambda path: load(path, resolved),
        semantic_encoder=encoder,
        teacher_id=purpose.teacher_id,
        control=purpose.control,
        own_questions=inputs.own_questions,
    )


def checked_inputs(workspace: Workspace, config: Config, purpose: Purpose) -> Inputs:
    """The inputs of a run, if they suit its purpose. Servers and `diversify.semantic` are not checked here.

    Raises CrescentError.
    """
    inputs = read_inputs(workspace, config)
    if purpose.asks and not config.bait.file:  # own questions need no bait
        check_steering(inputs.prompts, config.bait)
    if purpose.trains:
        refuse_base_that_cannot_be_trained(inputs.base, inputs.config, purpose.teacher_id)
        refuse_votes_without_losers(inputs.config, purpose.teacher_id)
    check_chat_template(inputs.base.path, inputs.config)
    return inputs


def run_to_continue(store: Store, options: RunOptions) -> Run | None:
    """The unfinished run, the latest one for another round, or that of a sweep's place; None to start a new run.

    Raises WorkspaceError before a distillation, if another run is unfinished.
    """
    if options.place:
        run_id = store.sweeps.fetch_runs(options.place.key).get(options.place.position)
        return store.runs.fetch_run(run_id) if run_id else None
    if not options.next_round:
        unfinished = None if options.new else store.runs.fetch_unfinished()
        if unfinished and options.teacher_id not in (None, unfinished.teacher_id):
            raise WorkspaceError(
                f"run {unfinished.run_id} is unfinished: `crescent run` resumes it; --new starts another run"
            )
        return unfinished
    run = store.runs.fetch_run(None, "improvement")
    if run.teacher_id:
        raise NotFoundError(f"run {run.run_id} is a distillation, which has one round")
    return run


def control_plan(name: Control, run: Run, settings: Config, spent: Spent) -> tuple[Config, Purpose]:
    """The settings of a control of a run, and what the control is for. `settings`: those of the run."""
    teacher_id = run.run_id if name in LEARNS_FROM_THE_RUN else None
    return control_config(name, settings, spent), Purpose("evaluation", teacher_id, name, run.run_id)


def _store_run(
    store: Store, config: Config, purpose: Purpose, unfinished: Run | None, inputs: Inputs, rounds: int
) -> tuple[int, int]:
    """The ids of the run and its base. Settings are stored as the user wrote them, so a workspace can be moved."""
    with store.database.transaction():  # a run without its settings could not be read again
        base_id = store.runs.insert_model(inputs.base)
        used = [inputs.prompts.bait, inputs.prompts.rewrite, inputs.prompts.solve]
        used += [inputs.prompts.for_evaluation(config.vote.prompt)]
        used += [inputs.own_questions.as_prompt] if inputs.own_questions else []
        used += [inputs.chat_template] if inputs.chat_template else []
        for prompt in used:
            store.runs.insert_prompt(prompt)
        if unfinished:
            run_id = unfinished.run_id
        else:
            run_id = store.runs.insert_run(
                purpose.kind, base_id, inputs.checksums, purpose.teacher_id, purpose.control, purpose.control_of
            )
        store.runs.set_plan(run_id, config.as_dict(), rounds)
        store.run_rows.set_name(run_id, purpose.name, purpose.note)
        if purpose.place:
            store.sweeps.set_place(run_id, purpose.place)
    return run_id, base_id


def read_inputs(workspace: Workspace, config: Config) -> Inputs:
    """Read and check the prompts, the benchmarks, the base and the user's questions. Raises CrescentError."""
    resolved = resolve_paths(config, workspace.folder)
    base = _find_base(workspace, config, resolved)  # first: nothing can be done without it
    chat_template = read_chat_template(resolved.model)
    if chat_template:
        resolved = replace(resolved, model=replace(resolved.model, chat_template=chat_template.text))
    prompts = load_prompt_set(resolved.run.prompts)
    benchmarks = tuple(
        replace(
            load_benchmark(name, settings, shots_of(prompts_of(settings, config)), offline=config.model.offline),
            source=written.source,
        )
        for (name, settings), written in zip(
            resolved.evaluate.benchmarks.items(), config.evaluate.benchmarks.values(), strict=True
        )
    )
    measured = [each for benchmark in benchmarks for each in measurements(benchmark, config, prompts)]
    own = load_questions(resolved.bait, offline=config.model.offline) if config.bait.file else None
    asked_with = {each.prompt.name: each.prompt.sha256 for each in measured}
    checksums = {
        f"the model {base.source}": base.sha256,
        **{f"the prompt {name}": sha256 for name, sha256 in (prompts.checksums() | asked_with).items()},
        **{f"the benchmark {benchmark.name}": benchmark.sha256 for benchmark in benchmarks},
        **({f"the questions of {own.name}": own.sha256} if own else {}),
        **({"the chat template (model.chat_template)": chat_template.sha256} if chat_template else {}),
    }
    if arguments := resolved.model.template_arguments:
        text = json.dumps(arguments, sort_keys=True)
        checksums["the table model.template_arguments"] = hashlib.sha256(text.encode()).hexdigest()
    return Inputs(resolved, prompts, benchmarks, base, checksums, own, chat_template)


def read_chat_template(model: ModelConfig) -> PromptText | None:
    """The chat template that the settings name, as a prompt; None for the GGUF's own. Raises ConfigError."""
    text, name = template_text(model.chat_template), model.chat_template
    if not text:
        return None
    return prompt_text(f"{TEMPLATE_SET}/{'given' if is_template_text(name) else Path(name).stem}", text)


def model_settings_of(store: Store, run: Run) -> ModelConfig:
    """The settings of a run's model, with the text of its chat template as it was when the run started."""
    stored = config_from_dict({"model": run.config.get("model", {})}).model
    templates = [text for name, text in store.runs.fetch_prompts(run.run_id) if name.startswith(f"{TEMPLATE_SET}/")]
    return replace(stored, chat_template=templates[0]) if templates else stored


def find_base(workspace: Workspace, config: Config) -> ModelFile:
    """The model that the settings name. Its `source` is the user's spelling. Raises ModelError or NetworkError."""
    return _find_base(workspace, config, resolve_paths(config, workspace.folder))


def _find_base(workspace: Workspace, config: Config, resolved: Config) -> ModelFile:
    found = find_model(resolved.model.source, offline=config.model.offline, checksum_cache=workspace.checksum_cache)
    return replace(found, source=config.model.source)


def resolve_paths(config: Config, folder: Path) -> Config:
    """The settings with each path as it lies on this disk, for the workspace `folder`.

    What is not a path there (a hub repo, 'embedded', the name of a prompt set) stays as it is. Every resolved path
    has a slash, so that './arithmetic' is still told apart from the packaged set 'arithmetic'.
    """

    def resolved(text: str, *names: str) -> str:
        if not text or text in names or is_template_text(text):
            return text
        path = settings_path(text, folder)
        if not path.exists():
            return text
        return str(path) if path.is_absolute() else f"./{path}"

    def resolved_benchmark(benchmark: BenchmarkConfig) -> BenchmarkConfig:
        if benchmark.source.startswith("hub:") or benchmark.source == "reasoning-gym":
            return benchmark  # `shots` is then the name of a split
        return replace(benchmark, source=resolved(benchmark.source), shots=resolved(benchmark.shots))

    benchmarks = {name: resolved_benchmark(each) for name, each in config.evaluate.benchmarks.items()}
    return replace(
        config,
        run=replace(config.run, prompts=resolved(config.run.prompts, *packaged_sets())),
        model=replace(
            config.model,
            source=resolved(config.model.source, "embedded"),
            chat_template=resolved(config.model.chat_template, *KNOWN),
        ),
        bait=replace(config.bait, file=resolved(config.bait.file)),
        diversify=replace(config.diversify, semantic=resolved(config.diversify.semantic)),
        train=replace(config.train, weights=resolved(config.train.weights, "gguf")),
        evaluate=replace(config.evaluate, benchmarks=benchmarks),
    )


def settings_of(workspace: Workspace, options: RunOptions, unfinished: Run | None) -> tuple[Config, tuple[str, ...]]:
    """The settings of a run, and the names of settings that were changed after its start and that it ignores.

    What is asked and how it is voted on stays as it was when the run started. How the machine does the work may
    change, in crescent.toml or on the command line. The options of the command that started the run still
    apply; those of the command that resumes it override them.
    """
    if unfinished is None:
        return load_config(workspace.config_path, preset=options.preset, overrides=options.overrides), ()
    return resumed_config(
        unfinished.config, workspace.config_path, preset=options.preset, overrides=options.overrides
    )


def refuse_base_that_cannot_be_trained(base: ModelFile, config: Config, teacher_id: int | None) -> None:
    """Raise TrainingError if the base cannot be trained. A run that cannot have enough labels is not checked."""
    if config.train.min_examples > config.bait.questions and teacher_id is None:
        return
    try:
        refuse_untrainable(base.path, config.train)
    except TrainingError as error:
        require_language_model(base.path)  # its message is clearer if the base is an image model
        raise TrainingError(
            f"{error}. To ask and vote only, set train.min_examples above bait.questions ({config.bait.questions})"
        ) from None


def refuse_votes_without_losers(config: Config, teacher_id: int | None) -> None:
    """Raise ConfigError if preference pairs are to be learnt from votes that do not suit them.

    A teacher's votes are there already, so they are not checked.
    """
    if config.train.objective != "preference" or teacher_id is not None:
        return
    vote, train = config.vote, config.train
    if vote.stopping != "never" and vote.policy != "reference":
        raise ConfigError(
            f"train.objective 'preference' learns from losing votes, of which vote.stopping {vote.stopping!r} leaves "
            "many out: set vote.stopping = 'never'"
        )
    if vote.prompt != train.prompt:
        raise ConfigError(
            f"train.objective 'preference' compares the model with its own votes: they are drawn with the prompt "
            f"{vote.prompt!r}, and trained with {train.prompt!r}; set vote.prompt and train.prompt to the same"
        )


def refuse_teacher_without_labels(store: Store, teacher_id: int | None) -> None:
    """Raise NotFoundError when there is nothing to learn from the teacher's run."""
    if teacher_id is not None and not store.votes.fetch_labels(run_id=store.runs.fetch_run(teacher_id).run_id):
        raise NotFoundError(f"run {teacher_id}: has no labels to learn from")


def refuse_changed_inputs(run: Run, checksums: dict[str, str]) -> None:
    """Raise WorkspaceError when an input differs from the run's start: resuming would mix two runs in one."""
    changed = sorted(set(run.inputs.values()) ^ set(checksums.values()))
    named = [name for name, sha256 in (run.inputs | checksums).items() if sha256 in changed]
    if changed:
        raise WorkspaceError(
            f"run {run.run_id}: {named[0] if named else 'an input'} has changed since the run was started; "
            "put it back, or start another run (`crescent run --new`)"
        )
