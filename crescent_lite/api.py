"""The functions that `import crescent_lite` offers: runs, a workspace's database, votes to labels, and sampling.

Owns their signatures only; each function imports the modules that do its work when it is called. A workspace is the
folder that `init` made; it may be read while a run is at work. Every expected failure is a CrescentError, whose text
is one line: what is wrong, where, what to do. docs/python.md shows each function with its output. Example:
    for event in run("maths", rounds=1): print(event)
    labels("maths")[0].answer_key   # 'n:19'
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas

    from crescent_lite.config.names import Policy
    from crescent_lite.evaluation.statistics import Word
    from crescent_lite.evaluation.voted_answer import VotedAnswer
    from crescent_lite.events import Event
    from crescent_lite.records import Completion, Consensus, Label, Vote
    from crescent_lite.report.scores import Scored
    from crescent_lite.sampling import Sampler
    from crescent_lite.store import Store
    from crescent_lite.store.reading import Database

AnyPath = str | PathLike[str]
"""A path as text or as a Path."""
Scoring = Literal["strict", "flexible", "math-verify"]
"""strict: the right answer in a marked place, such as a box. flexible: the right answer wherever `canonical_answer`
finds it. math-verify: right in the opinion of that library, if second opinions were collected."""


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def init(folder: AnyPath, *, preset: str = "default") -> Path:
    """Create a workspace and return its folder. Its settings are in the file crescent.toml in that folder.

    `preset`: the settings to begin with, such as 'quick', which takes a few minutes with the embedded model.
    Raises WorkspaceError if the folder already is a workspace, ConfigError for an unknown preset.
    Example: init("maths", preset="quick")
    """
    from crescent_lite.config.text import starter_toml
    from crescent_lite.workspace import Workspace

    return Workspace(Path(folder)).create(starter_toml(preset)).parent


def run(
    workspace: AnyPath,
    *,
    rounds: int | None = None,
    preset: str | None = None,
    overrides: str | Iterable[str] = (),
    new: bool = False,
) -> Generator[Event, None, None]:
    """Start a run, or resume the unfinished one, and yield its events (`crescent_lite.events`) as they happen.

    The run advances only while its events are read: nothing happens before the first one is requested, and leaving
    the loop stops the run. Finished items are stored, and the same call resumes the run.
    `rounds`: total number of rounds; None for run.rounds, or for the number that a resumed run was started with.
    `preset`: used instead of the preset in crescent.toml. `overrides`: settings as `section.key=value`, for instance
    'vote.votes_per_question=5'. `new`: start another run even if one is unfinished.
    Ctrl-C and `crescent stop` raise Interrupted, or KeyboardInterrupt if they come while the body of your loop runs.
    They do not stop a run outside the main thread: leave its loop. Raises WorkspaceError while another process works
    on this workspace, and other CrescentErrors for what fails. Raises ConfigError at once, before the first event,
    for `rounds` out of range.
    Example: for event in run("maths", rounds=2): print(event)
    """
    from crescent_lite.config.layers import build
    from crescent_lite.config.settings import RunConfig
    from crescent_lite.engine import RunOptions, run_engine
    from crescent_lite.workspace import Workspace

    if rounds is not None:
        build(RunConfig, {"rounds": rounds}, "run")
    options = RunOptions(rounds=rounds, new=new, preset=preset, overrides=_texts(overrides))
    return run_engine(Workspace(Path(workspace)), options)


# ── a workspace's database ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class BenchmarkScore:
    """The greedy score of one model, the base or the model of a round, on one benchmark with one prompt."""

    benchmark: str
    prompt: str
    """Name of the prompt that the items were asked with, such as 'arithmetic/solve'."""
    scoring: Scoring
    round: int
    """0 is the base."""
    right: int
    """Items answered correctly."""
    items: int
    """Items answered."""
    low: float
    """Lower end of the 95% Wilson interval of right / items, 0-1."""
    high: float
    """Upper end of that interval."""
    difference: float | None
    """right / items minus the base's value on the same items, -1 to 1; None for the base itself."""
    difference_low: float | None
    """Lower end of the difference's interval (paired bootstrap, 95%; wider when several rounds are compared)."""
    difference_high: float | None
    """Upper end of that interval."""
    p_value: float | None
    """Exact two-sided McNemar test against the base, corrected over benchmarks, prompts, scorings and rounds (Holm).
    That of the primary number is corrected for the number of rounds alone."""
    p_uncorrected: float | None
    """The same, for this one comparison."""
    won: int | None
    """Items that only this model answers correctly; None for the base itself."""
    lost: int | None
    """Items that only the base answers correctly."""
    cut_off: float | None
    """Fraction of the replies that were cut off, 0-1; None where an option is chosen."""
    score_of_ended: float | None
    """Fraction of right answers among the other replies, 0-1; None where an option is chosen."""
    verdict: Word | None
    """'improved', 'shorter' (no gain among the replies that ended), 'got worse' or 'no difference shown'."""
    is_primary: bool
    """Whether this alone is the primary number of the run."""

    @property
    def fraction(self) -> float:
        """right / items, 0-1; 0 when there are no items."""
        return self.right / self.items if self.items else 0.0


def open_database(workspace: AnyPath) -> Database:
    """A workspace's database as a read-only sqlite-utils `Database`. Close it, or use it in a `with`.

    The views, whose names begin with `v_`, are explained in docs/database.md. Like every function that reads a
    database, this first migrates a database of an older version. Raises WorkspaceError if there is no workspace, or
    no run in it yet. A statement that SQLite rejects later, such as a write, raises sqlite3.Error.
    Example: open_database("maths")["v_labels"].count
    """
    from crescent_lite.store.reading import read_only

    with _store(workspace) as store:
        path = store.database.path
    return read_only(path)


def frame(workspace: AnyPath, what: str) -> pandas.DataFrame:
    """A view or table, or the result of one SELECT statement, as a pandas DataFrame of all rows.

    `what`: the name of the view or table, or the statement. Cells are as stored. Raises MissingPackageError without
    pandas, NotFoundError for a name that the database does not have, UsageError for SQL that is wrong or would write.
    Example: frame("maths", "v_labels").groupby("round")["share"].mean()
    """
    from crescent_lite.errors import MissingPackageError, NotFoundError
    from crescent_lite.store.querying import quoted

    try:
        import pandas
    except ImportError:
        raise MissingPackageError("crescent_lite.frame needs pandas: run `pip install pandas`") from None
    with _store(workspace) as store:
        sql = what
        if len(what.split()) == 1:
            known = [relation.name for relation in store.querying.fetch_catalogue()]
            if what not in known:
                near = difflib.get_close_matches(what, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise NotFoundError(f"{store.database.path}: has no table or view {what!r}{hint}")
            sql = f"SELECT * FROM {quoted(what)}"
        columns, rows = store.querying.fetch_all(sql)
    return pandas.DataFrame.from_records(rows, columns=list(columns))


def labels(workspace: AnyPath, run: int | None = None) -> list[Label]:
    """The labels of a run, in the order in which their questions were asked: question, solution, answer and share.

    `run`: number of the run; None for the latest run, leaving out evaluations and controls. Raises NotFoundError for
    a run that the workspace does not have.
    Example: labels("maths")[0].share   # 0.75: three votes in four
    """
    with _store(workspace) as store:
        return store.votes.fetch_labels(run_id=store.runs.fetch_run(run, "improvement").run_id)


def votes(workspace: AnyPath, question_id: int) -> list[Vote]:
    """Every vote on a question, in the order of the sample indexes; empty if the question was not voted on.

    Raises NotFoundError for a question that the workspace does not have.
    Example: [vote.answer_key for vote in votes("maths", 7)]   # ['n:19', 'n:19', None, 'n:12']
    """
    with _store(workspace) as store:
        store.questions.require(question_id)
        return store.votes.fetch_votes(question_id)


def scores(workspace: AnyPath, run: int | None = None, *, scoring: Scoring = "flexible") -> list[BenchmarkScore]:
    """The greedy scores of a run: the base (round 0) and each round, on each benchmark with each prompt.

    Each round is compared with the base on the same items. Benchmarks that the base has not finished are left out.
    `run`: number of the run; None for the latest run, leaving out evaluations and controls. Raises NotFoundError for
    a run that the workspace does not have.
    Example: pandas.DataFrame(scores("maths"))
    """
    from crescent_lite.errors import UsageError
    from crescent_lite.report.scores import compare
    from crescent_lite.store.evaluations import SCORINGS

    if scoring not in SCORINGS:
        raise UsageError(f"scoring: expected one of {', '.join(map(repr, SCORINGS))}, not {scoring!r}")
    with _store(workspace) as store:
        found = compare(store, store.runs.fetch_run(run, "improvement"), [scoring])
    return [_benchmark_score(one, scoring) for one in found if one.own]


# ── a question to a model of a run ───────────────────────────────────────────────────────────────────────────────


def answer(
    workspace: AnyPath,
    question: str,
    *,
    votes: int = 8,
    round: int | None = None,
    run: int | None = None,
    prompt: str = "solve",
    temperature: float | None = None,
    max_tokens: int | None = None,
) -> VotedAnswer:
    """The answer of one model of a run to a question, by a majority of several samples. Nothing is stored.

    The result's `leader` is the answer with its number of votes (None if no vote has an answer), `share` the fraction
    of all votes for it, `split` every answer with its votes, `solution` a vote for the leader with its text. In a
    tie the answer drawn first leads, and `tied` names them all.
    `votes`: samples to draw; 1 asks once, greedily. `round`: the model of this round, 0 for the base; None for the
    kept round, or the base if none was kept. `run`: None for the latest run. `prompt`: 'bare', or a prompt of the
    run's set. `temperature`: None for the run's vote.temperature. `max_tokens`: None for its evaluate.max_tokens.
    Raises UsageError, NotFoundError, ModelError and other CrescentErrors.
    Example: answer("maths", "What is 2 + 3?").split_in_words()   # '5 in 7 of 8 votes; 6: 1'
    """
    from crescent_lite.inquiry import DrawnVote, Inquiry, Result, answer_by_vote
    from crescent_lite.workspace import Workspace

    found: list[Result] = []

    def note(news: DrawnVote | Result) -> None:
        if isinstance(news, Result):
            found.append(news)

    with _store(workspace) as store:
        run_id = store.runs.fetch_run(run, "improvement").run_id
        number = round if round is not None else store.fetch_standing(run_id).kept or 0
        inquiry = Inquiry(question, run_id, (number,), prompt, temperature, max_tokens, votes)
        answer_by_vote(Workspace(Path(workspace)), store, inquiry, note)
    return found[0].voted


# ── votes to labels ──────────────────────────────────────────────────────────────────────────────────────────────


def decide(
    votes: str | Iterable[Vote | str | None],
    *,
    policy: Policy = "majority",
    min_share: float = 0.5,
    max_share: float = 0.8,
) -> Consensus:
    """The label of one question, or the reason why it has none.

    `votes`: answer keys, with None for a vote without an answer, or `Vote` values; `chosen_vote` of the result is the
    position of a key, counted from 0, or the id of a `Vote`. `policy`: 'majority' takes the leading answer if its
    share of all votes, including those without an answer, is at least `min_share` (0-1), and rejects a tie; 'band'
    also rejects shares above `max_share`; 'reference' takes the most common answer, whatever its share, and counts
    "no answer" as an answer. Raises ConfigError for a value out of range.
    Example: decide(["n:5", "n:5", None, "n:7"]).answer_key   # 'n:5', with a share of 0.5
    """
    from crescent_lite import consensus
    from crescent_lite.config import VoteConfig
    from crescent_lite.config.layers import build
    from crescent_lite.records import Vote

    all_votes = [
        vote if isinstance(vote, Vote) else Vote(index, index, "", vote, None, "stop")
        for index, vote in enumerate((votes,) if isinstance(votes, str) else votes)
    ]
    rule = build(VoteConfig, {"policy": policy, "min_share": min_share, "max_share": max_share}, "decide")
    return consensus.decide(all_votes, dataclasses.replace(rule, votes_per_question=len(all_votes)))


# ── sampling ─────────────────────────────────────────────────────────────────────────────────────────────────────


class TextSampler:
    """A model that answers prompts; `open_sampler` makes it. Close it, or use it in a `with`."""

    def __init__(self, sampler: Sampler) -> None:
        """`sampler`: draws the tokens; it is closed together with this object."""
        self._sampler = sampler

    def sample(
        self,
        prompts: str | Iterable[str],
        n: int = 1,
        *,
        temperature: float = 1.0,
        max_tokens: int = 512,
        top_p: float = 1.0,
        top_k: int = 64,
        seed: int = 0,
    ) -> list[list[Completion]]:
        """Draw `n` completions for each prompt, all together; return a list per prompt, in the order of the prompts.

        A prompt is the text of the user's turn; the model's chat template is added around it. `temperature`: 0 is
        greedy. `max_tokens`: longest completion. `top_k`: draw only from this many of the likeliest tokens; 0 is the
        whole vocabulary, which is slow. `top_p`: of these, draw only from the likeliest whose probabilities add up to
        this value, 0-1. The same call with the same sampler settings on the same machine gives the same completions.
        Raises UsageError for a value out of range, OutOfMemoryError or ModelError.
        """
        from crescent_lite.errors import UsageError
        from crescent_lite.records import Generation, Request

        if n < 1 or max_tokens < 1 or temperature < 0 or top_k < 0 or not 0 <= top_p <= 1:
            raise UsageError(
                "sample: n and max_tokens must be 1 or more, temperature and top_k 0 or more, top_p 0 to 1"
            )
        generation = Generation(max_tokens=max_tokens, temperature=temperature, top_p=top_p, top_k=top_k)
        requests = [
            Request(str(index), prompt, generation, tuple(range(n)), seed=seed)
            for index, prompt in enumerate(_texts(prompts))
        ]
        drawn: list[list[Completion]] = [[] for _ in requests]
        for completion in self._sampler.sample(requests):
            drawn[int(completion.key)].append(completion)
        return [sorted(of_prompt, key=lambda completion: completion.sample_index) for of_prompt in drawn]

    def use_adapter(self, path: AnyPath | None) -> None:
        """Put a GGUF adapter on the model, or remove it with None. The model is not reloaded.

        Raises ModelError for a file that is not an adapter of this model.
        """
        self._sampler.use_adapter(Path(path) if path is not None else None)

    def close(self) -> None:
        """Free the model's memory. The sampler cannot be used again."""
        self._sampler.close()

    def __enter__(self) -> TextSampler:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def open_sampler(
    model: AnyPath = "embedded", *, servers: str | Iterable[str] = (), overrides: str | Iterable[str] = ()
) -> TextSampler:
    """A sampler for a model that runs in this process, or on servers that serve the same model.

    `model`: 'embedded', the path of a GGUF file, or `repo:file` on the Hugging Face hub. `servers`: addresses
    like 'http://host:8080'; each is asked what kind of server it is. Without servers the model runs in this process.
    `overrides`: settings of [sampling], such as 'sampling.gpu_layers=0', and how
    prompts are wrapped, such as 'model.chat_template=chatml'.
    Raises ModelError, OutOfMemoryError, ConfigError, NetworkError or MissingPackageError.
    Example: with open_sampler("model.gguf") as sampler: sampler.sample(["What is 2 + 3?"], n=8)
    """
    from crescent_lite import sampling
    from crescent_lite.config import load_config
    from crescent_lite.config.toml import toml_text
    from crescent_lite.models import find_model

    addresses = _texts(servers)
    served = (f"sampling.servers={toml_text(addresses)}",) if addresses else ()
    config = load_config(overrides=(*_texts(overrides), *served))
    path = find_model(str(model)).path
    sampling.check_servers(path, config, will_train=False)
    return TextSampler(sampling.open_sampler(path, config))


# ── shared helpers ───────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _store(workspace: AnyPath) -> Iterator[Store]:
    """The workspace's database, read-only. A database of an older version is migrated first."""
    from crescent_lite.workspace.database import open_store, open_workspace

    with closing(open_store(open_workspace(Path(workspace)))) as store:
        yield store


def _texts(given: str | Iterable[str]) -> tuple[str, ...]:
    """A single text as a tuple of one; iterating over the text itself would give its characters."""
    return (given,) if isinstance(given, str) else tuple(given)


def _benchmark_score(one: Scored, scoring: Scoring) -> BenchmarkScore:
    from crescent_lite.evaluation import word_of

    evaluation, verdict = one.evaluation, one.verdict
    return BenchmarkScore(
        benchmark=evaluation.benchmark,
        prompt=evaluation.prompt,
        scoring=scoring,
        round=evaluation.round_number,
        right=one.score.right,
        items=one.score.items,
        low=one.score.low,
        high=one.score.high,
        difference=verdict.comparison.difference if verdict else None,
        difference_low=verdict.low if verdict else None,
        difference_high=verdict.high if verdict else None,
        p_value=verdict.p_corrected if verdict else None,
        p_uncorrected=verdict.comparison.p_value if verdict else None,
        won=verdict.comparison.gained if verdict else None,
        lost=verdict.comparison.lost if verdict else None,
        cut_off=one.cut_off,
        score_of_ended=one.ended.fraction if one.ended else None,
        verdict=word_of(verdict) if verdict else None,
        is_primary=one.is_primary,
    )
