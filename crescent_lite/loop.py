"""The method, one round after the other: the model asks, its own majority answers, and it learns from that.

    questions = ask        a bait prompt makes the model write questions; what is none, or not new, is rejected
    labels    = vote       the majority of its own answers, where there is one
    adapter   = train      fine-tuning on (bare question, kept solution)
    scores    = evaluate   the same benchmarks as the base, in the same words

Each stage asks the store what is still owed, does one item at a time and stores it, so the same call resumes a run
that died anywhere. Yields events; prints nothing. Source: Crescent, arXiv 2502.13441.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice

from crescent_lite import consensus, evaluation, training
from crescent_lite.answers import find_answer
from crescent_lite.events import (
    AlarmFired,
    AskingStopped,
    Event,
    RoundAdded,
    RoundFinished,
    RoundStarted,
    RunFinished,
)
from crescent_lite.models import sha256_of
from crescent_lite.prompts.sets import fill
from crescent_lite.records import (
    Generation,
    ModelFile,
    Request,
    Role,
    TrainedAdapter,
    TrainingStep,
    peft_dir_of,
)
from crescent_lite.rounds import why_no_more
from crescent_lite.stages import examples as lessons
from crescent_lite.stages.ask import Asking
from crescent_lite.stages.frame import Job, Tally, release_sampler, sampler_of, staged
from crescent_lite.stages.patience import Patience
from crescent_lite.store import Round

EVERY_ROUND: tuple[Role, ...] = ("score", "general", "canary")
AT_THE_END: tuple[Role, ...] = ("final",)
ALL_ROLES = EVERY_ROUND + AT_THE_END
SILENT_VOTES = 100
"""Empty votes in a row after which a model counts as mute (guess)."""
OPINIONS_AT_ONCE = 50
"""Second opinions that are stored together: a run that is killed asks for at most so many again."""


def run(job: Job) -> Generator[Event, None, None]:
    """Everything that is owed on the run."""
    try:
        yield RoundStarted(0)
        yield from evaluate(job, job.base_id, None, EVERY_ROUND)
        wanted = True
        while wanted:
            reason = yield from play_rounds(job)
            yield from conclude(job)
            wanted = yield from add_wanted_round(job)
        yield RunFinished(job.run_id, reason)
    finally:
        release_sampler(job)


def play_rounds(job: Job) -> Generator[Event, None, str | None]:
    """One round after the other; the reason why there are fewer than planned, or None."""
    number = 0
    while number < job.rounds:
        number += 1
        this = job.store.runs.open_round(job.run_id, number, model_before(job, number))
        if not this.finished_at:
            yield from play_round(job, this)
        yield from add_wanted_round(job)
        if job.insisted <= number < job.rounds and (reason := why_to_end(job, number)):
            return reason
    return None


def add_wanted_round(job: Job) -> Generator[Event, None, bool]:
    """Where somebody has asked for another round: it is played, whatever speaks against it, and True is returned."""
    if not job.workspace.take("round"):
        return False
    job.insist_on_another_round()
    yield RoundAdded(job.rounds)
    return True


def conclude(job: Job) -> Iterator[Event]:
    """The benchmarks that no round was chosen by: the base, and the round that is kept."""
    if any(benchmark.role == "final" for benchmark in job.benchmarks):
        yield from evaluate(job, job.base_id, None, AT_THE_END)
        kept = job.store.fetch_standing(job.run_id).kept
        this = job.store.runs.fetch_round(job.run_id, kept) if kept else None
        if this and this.adapter_id:
            yield from evaluate(job, this.adapter_id, this, AT_THE_END)


def measure(job: Job, adapter: ModelFile | None) -> Generator[Event, None, None]:
    """Only the measurement: of the base, and of an adapter on it."""
    try:
        yield from evaluate(job, job.base_id, None, ALL_ROLES)
        if adapter:
            adapter_id = job.store.runs.insert_model(adapter, parent_id=job.base_id)
            this = job.store.runs.open_round(job.run_id, 1, job.base_id)
            yield from evaluate(job, adapter_id, this, ALL_ROLES)
            job.store.runs.finish_round(this.round_id, "measured")
        yield RunFinished(job.run_id)
    finally:
        release_sampler(job)


def model_before(job: Job, number: int) -> int:
    """The model that asks in round `number`: of the last round before it that trained one, or was chosen."""
    standing = job.store.fetch_standing(job.run_id)
    last = number - 1 if standing.chosen is None else min(number - 1, standing.chosen)
    before = [adapter_id for trained, adapter_id in standing.adapters.items() if trained <= last]
    return before[-1] if before else job.base_id


def play_round(job: Job, this: Round) -> Iterator[Event]:
    """One round of the method, from the first thing still owed."""
    yield RoundStarted(this.number)
    if job.teacher_id is None:
        yield from ask(job, this)
        yield from vote(job, this)
    yield from train(job, this)
    adapter_id = job.store.runs.fetch_round(this.run_id, this.number).adapter_id
    if adapter_id:
        yield from evaluate(job, adapter_id, this, EVERY_ROUND)
    yield from watch(job, this)
    outcome = round_outcome(job, this, trained=adapter_id is not None)
    job.store.runs.finish_round(this.round_id, outcome)
    yield RoundFinished(this.number, outcome)


def watch(job: Job, this: Round) -> Iterator[Event]:
    """Measure the round against the base and the first round; an alarm for each thing that has gone wrong."""
    evidence, fetch_facts = job.store.measures, partial(job.store.measures.fetch_facts, job.run_id)
    base, now = (evaluation.measured_round(fetch_facts(number)) for number in (0, this.number))
    voted = (facts for facts in map(fetch_facts, range(1, this.number)) if facts.shares)
    first = next(map(evaluation.measured_round, voted), now)
    alarms = evaluation.judge(base, first, now, job.config.alarms)
    evidence.replace(job.run_id, 0, base.measures, [])
    evidence.replace(job.run_id, this.number, now.measures, alarms)
    yield from (AlarmFired(this.number, alarm.name, alarm.words) for alarm in alarms if alarm.fired)


def why_to_end(job: Job, number: int) -> str | None:
    """The reason to play no round after this one, or None."""
    alarms = job.store.measures.fetch_alarms(job.run_id).get(number, [])
    fired = [f"{alarm.name.replace('_', ' ')} ({alarm.words})" for alarm in alarms if alarm.fired]
    if fired and job.config.alarms.stop:
        return f"alarm in round {number}: {'; '.join(fired)}"
    return why_no_more(job.store.evaluations.fetch_round_scores(job.run_id), number, job.config.run.patience)


def round_outcome(job: Job, this: Round, *, trained: bool) -> str:
    """In a few words what became of the round."""
    labels = len(lessons.labels_of(job, this))
    settings = job.config.train
    if not trained and labels >= settings.min_examples:
        return f"not trained: of {labels} labels too few have at most {settings.max_example_tokens} tokens"
    if not trained:
        return f"not trained: {labels} labels, {settings.min_examples} needed"
    training = job.store.trainings.fetch_latest(this.round_id)
    notes = [f"trained on {training.examples - training.held_out_examples} examples"]
    if training.held_out_examples:
        unlearnt = "" if training.generalises else ", whose loss was lowest before the training"
        notes.append(f"{training.held_out_examples} held out{unlearnt}")
    if labels > training.examples:
        notes.append(f"{labels - training.examples} too long")
    if job.teacher_id:
        repeated = len(lessons.taught_by(job, job.teacher_id)) - len(lessons.teachers_labels(job, job.teacher_id))
        notes += [f"{repeated} repeat a benchmark's item and were left out"] if repeated else []
    return ", ".join(notes) + (f"; ended early: {training.stopped}" if training.stopped else "")


def ask(job: Job, this: Round) -> Iterator[Event]:
    """Stages 1 and 2: raw questions, each judged as it comes; what is not new is rewritten and judged again."""
    asking = Asking(job, this)
    if asking.tally.done < asking.tally.total:
        yield from staged(job, this, "ask", asking.tally, asking.work())
        if reason := job.store.runs.fetch_round(this.run_id, this.number).asking_stopped:
            yield AskingStopped(this.number, reason)


def vote(job: Job, this: Round) -> Iterator[Event]:
    """Stage 3: several answers to each kept question, until its label is decided."""
    settings, prompt, votes = job.config.vote, job.prompts.solve, job.store.votes
    generation = Generation(
        settings.max_tokens,
        settings.temperature,
        settings.top_p,
        settings.top_k,
        logprobs=settings.keep == "likeliest",
    )
    polls, asked = {}, {}
    for question, drawn in votes.fetch_owed(this.round_id):
        polls[str(question.question_id)] = consensus.Poll(question.question_id, settings, drawn)
        asked[str(question.question_id)] = fill(prompt.text, question=question.text)

    def wave(poll: consensus.Poll) -> list[Request]:
        """What is to be drawn next for a question; nothing when it is settled, and then it is counted."""
        key, indexes = str(poll.question_id), poll.next_wave()
        if not indexes:
            votes.insert_consensus(poll.question_id, poll.decide())
            tally.total -= poll.missing
            del polls[key]
            return []
        return [Request(key, asked[key], generation, indexes, seed=job.config.run.seed)]

    def work() -> Generator[str, None, None]:
        patience = Patience("vote", SILENT_VOTES, "the model answered nothing; check its chat template")
        waiting = deque(request for poll in list(polls.values()) for request in wave(poll))
        for completion in sampler_of(job, this.model_id).sample(waiting) if waiting else ():
            poll = polls[completion.key]
            answer = find_answer(completion.text, finished=completion.finish_reason == "stop")
            cast = votes.insert_vote(poll.question_id, completion, answer, this.model_id, prompt.sha256)
            if poll.add(cast):
                waiting.extend(wave(poll))
            patience.note(bool(completion.text.strip()))
            yield completion.finish_reason

    done = votes.count(this.round_id)
    tally = Tally(done, done + sum(poll.missing for poll in polls.values()))
    if polls:
        yield from staged(job, this, "vote", tally, work())


def train(job: Job, this: Round) -> Iterator[Event]:
    """Stage 4: fine-tune the base on the labels, in a child process."""
    if job.store.runs.fetch_round(this.run_id, this.number).adapter_id:
        return
    votes_of, examples = lessons.token_examples(job, this)
    if len(examples) < job.config.train.min_examples:
        return
    trainings = job.store.trainings
    training_id = trainings.open_training(
        this.round_id, [(e.question_id, votes_of[e.question_id], len(e.input_ids)) for e in examples]
    )
    release_sampler(job)  # the training needs the memory

    def work() -> Generator[TrainingStep, None, None]:
        out_dir = job.workspace.adapters / f"run-{this.run_id}" / f"round-{this.number}"
        start = None
        if job.config.train.start_from == "last" and this.model_id != job.base_id:
            start = peft_dir_of(job.store.runs.fetch_model(this.model_id).path)
        for report in training.finetune(
            examples, base=job.base, config=job.config.train, seed=job.config.run.seed, out_dir=out_dir, start=start,
            started=job.trains_in,
        ):  # fmt: skip
            if isinstance(report, TrainedAdapter):
                adapter_id = job.store.runs.insert_model(adapter_file(report, this), parent_id=job.base_id)
                trainings.finish_training(training_id, this.round_id, report, adapter_id)
            else:
                trainings.insert_step(training_id, report)
                yield report

    try:
        yield from staged(job, this, "train", Tally(0, 0), work())
    except (KeyboardInterrupt, GeneratorExit):
        trainings.end_training(training_id, "interrupted")
        raise
    except Exception:
        trainings.end_training(training_id, "failed")
        raise


def adapter_file(adapter: TrainedAdapter, this: Round) -> ModelFile:
    """The round's adapter as a model."""
    name = f"run-{this.run_id}-round-{this.number}"
    return ModelFile(name, adapter.gguf_path, sha256_of(adapter.gguf_path), f"trained by {name}", "adapter")


def evaluate(job: Job, model_id: int, this: Round | None, roles: Collection[Role]) -> Iterator[Event]:
    """The benchmarks with these roles, in one queue. What was measured before in the same way is used again."""
    evaluations, number = job.store.evaluations, this.number if this else 0
    queue: list[evaluation.OwedItem] = []
    evaluation_ids: dict[str, int] = {}
    total, left = 0, Counter[str]()
    for benchmark in (each for each in job.benchmarks if each.role in roles):
        benchmark_id = evaluations.insert_benchmark(benchmark)
        for measurement in evaluation.measurements(benchmark, job.config, job.prompts):
            job.store.runs.insert_prompt(measurement.prompt)
            title = measurement.title
            evaluation_ids[title] = evaluations.open_evaluation(
                job.run_id, number, model_id, benchmark_id, measurement, job.config.run.seed
            )
            owed = evaluations.fetch_owed_items(evaluation_ids[title])
            queue += [evaluation.OwedItem(measurement, item, missing) for item, missing in owed]
            left[title] = sum(len(missing) for _, missing in owed)
            total += len(benchmark.items) * measurement.samples

    def work() -> Generator[str, None, None]:
        sampler = sampler_of(job, model_id)
        patience = Patience("evaluate", SILENT_VOTES, "the model answers nothing; check its chat template")
        for asked, completion, score in evaluation.evaluate(sampler, queue, seed=job.config.run.seed):
            title = asked.measurement.title
            evaluations.insert_item(evaluation_ids[title], asked.item.item_id, completion, score)
            patience.note(asked.measurement.ranks or bool(completion.text.strip()))
            left[title] -= 1
            if not left[title]:
                evaluations.finish_evaluation(evaluation_ids[title])
            yield title

    for title in evaluation_ids.keys() - {title for title, count in left.items() if count}:
        evaluations.finish_evaluation(evaluation_ids[title])
    if queue:
        yield from staged(job, this, "evaluate", Tally(total - left.total(), total), work())
    add_second_opinions(job, evaluation_ids.values())


def add_second_opinions(job: Job, evaluation_ids: Iterable[int]) -> None:
    """math-verify's opinion on each reply that has none. Those it cannot judge in time are asked about again when
    the run is resumed, or another one uses the evaluation: few, and the wait is bounded."""
    replies = [each for of_one in map(job.store.evaluations.fetch_without_opinion, evaluation_ids) for each in of_one]
    with closing(evaluation.second_opinions((each.reply, each.gold) for each in replies)) as opinions:
        judged = zip(replies, opinions, strict=True)
        while batch := list(islice(judged, OPINIONS_AT_ONCE)):
            job.store.evaluations.set_opinions(batch)
