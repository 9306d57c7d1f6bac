"""`import crescent_lite` is small, typed, reads and never writes; docs/python.md shows it as it is."""

from __future__ import annotations

import lzma
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from hypothesis import given
from hypothesis import strategies as st
from python_page import PAGE, filled
from sample_run import load_sample_run
from small_workspace import make_workspace

import crescent_lite
from crescent_lite.api import TextSampler
from crescent_lite.config import VoteConfig
from crescent_lite.errors import ConfigError, MissingPackageError, NotFoundError, UsageError, WorkspaceError
from crescent_lite.events import RoundFinished, RunFinished, RunStarted, StageProgressed
from crescent_lite.records import Vote
from crescent_lite.store import Store

ROOT = Path(__file__).parents[1]
SMALL = (
    "bait.questions=3", "bait.max_tokens=8", "vote.votes_per_question=2", "vote.max_tokens=8",
    "evaluate.benchmarks={}", "train.min_examples=1000",
)  # fmt: skip


@pytest.fixture(scope="module")
def maths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a finished run of two rounds. Nothing here writes to it."""
    return load_sample_run(tmp_path_factory.mktemp("api") / "maths").folder


def in_another_process(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


# ── the package ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import crescent_lite; print(sorted({*sys.modules} - before))"

    assert in_another_process(code).stdout == "['crescent_lite']\n"


def test_every_name_is_there_has_an_example_and_can_be_listed() -> None:
    for name in crescent_lite.__all__:
        value = getattr(crescent_lite, name)
        assert value.__doc__
        if value.__module__ == "crescent_lite.api":
            assert "Example: " in value.__doc__, name
    assert set(crescent_lite.__all__) <= set(dir(crescent_lite))


def test_an_unknown_name_is_an_attribute_error_that_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"'lables'; it has .*labels"):
        crescent_lite.lables  # type: ignore[attr-defined]  # noqa: B018


def test_type_checkers_see_the_same_names_as_python() -> None:
    source = (ROOT / "crescent_lite" / "__init__.py").read_text(encoding="utf-8")
    for_checkers = source.partition("if TYPE_CHECKING:")[2].partition("__all__")[0]

    assert all(name in for_checkers for name in crescent_lite.__all__)
    assert (ROOT / "crescent_lite" / "py.typed").is_file()


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_init_makes_a_workspace_once(tmp_path: Path) -> None:
    folder = crescent_lite.init(tmp_path / "maths", preset="quick")

    assert folder == tmp_path / "maths"
    assert 'preset = "quick"' in (folder / "crescent.toml").read_text(encoding="utf-8")
    with pytest.raises(WorkspaceError):
        crescent_lite.init(folder)
    with pytest.raises(ConfigError):
        crescent_lite.init(tmp_path / "other", preset="quickly")


def test_a_run_needs_a_workspace_and_settings_that_exist(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="crescent init"):
        next(crescent_lite.run(tmp_path / "nothing"))
    folder = crescent_lite.init(tmp_path / "maths")
    with pytest.raises(ConfigError, match=r"vote\.vote_per_question"):
        next(crescent_lite.run(folder, overrides="vote.vote_per_question=5"))


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [0, -1, 1001])
def test_a_number_of_rounds_out_of_range_is_refused_before_the_run(rounds: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"run\.rounds: {rounds} is out of range, 1 to 1,000"):
        crescent_lite.run(tmp_path, rounds=rounds)


def test_a_run_yields_its_events_and_the_same_call_resumes_it(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "tiny").folder
    for event in crescent_lite.run(folder, rounds=1, overrides=SMALL):
        if isinstance(event, StageProgressed):
            break
    events = list(crescent_lite.run(folder))

    assert isinstance(events[0], RunStarted)
    assert (events[0].run_id, events[0].resumed, events[0].rounds) == (1, True, 1)
    assert any(isinstance(event, RoundFinished) and event.number == 1 for event in events)
    assert isinstance(events[-1], RunFinished)
    with closing(Store.open_read_only(folder / "crescent.db")) as store:
        assert store.runs.fetch_run().state == "finished"


# ── a workspace's database ───────────────────────────────────────────────────────────────────────────────────────


def test_labels_are_those_of_the_latest_run_or_of_the_one_that_is_named(maths: Path) -> None:
    labels = crescent_lite.labels(maths)

    assert labels == crescent_lite.labels(str(maths), run=1)
    assert len(labels) == 56
    assert [label.question_id for label in labels] == sorted(label.question_id for label in labels)
    assert all(label.solution and label.share is not None and label.share >= 0.5 for label in labels)


def test_the_votes_of_a_question_come_by_sample_index(maths: Path) -> None:
    votes = crescent_lite.votes(maths, 230)

    assert [vote.sample_index for vote in votes] == list(range(6))
    assert [vote.answer_key for vote in votes].count("n:1000") == 3
    assert crescent_lite.votes(maths, 1) == []  # rejected as a question


def test_what_the_workspace_does_not_have_is_not_found(maths: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="run 7"):
        crescent_lite.labels(maths, run=7)
    with pytest.raises(NotFoundError, match="run 7"):
        crescent_lite.scores(maths, run=7)
    with pytest.raises(NotFoundError, match="9999"):
        crescent_lite.votes(maths, 9999)
    with pytest.raises(WorkspaceError):
        crescent_lite.labels(tmp_path)
    with pytest.raises(WorkspaceError, match="no database yet"):
        crescent_lite.labels(crescent_lite.init(tmp_path / "new"))


def test_scores_stand_beside_the_base_on_the_same_items(maths: Path) -> None:
    scores = crescent_lite.scores(maths)
    base, best = (next(s for s in scores if (s.prompt, s.round) == ("arithmetic/solve", number)) for number in (0, 2))

    assert (base.right, base.items, base.difference, base.p_value) == (22, 80, None, None)
    assert (best.right, best.items) == (26, 80)
    assert best.low < best.fraction < best.high
    assert best.difference == pytest.approx(best.fraction - base.fraction)
    assert best.difference_low is not None and best.difference_high is not None and best.p_value is not None
    assert best.difference_low < best.difference < best.difference_high
    assert 0 < best.p_value <= 1


def test_scores_by_another_scoring(maths: Path) -> None:
    strict, second = (crescent_lite.scores(maths, scoring=scoring) for scoring in ("strict", "math-verify"))

    assert {score.scoring for score in strict} == {"strict"}
    assert sum(score.right for score in strict) <= sum(score.right for score in crescent_lite.scores(maths))
    assert {score.scoring for score in second} == {"math-verify"}
    with pytest.raises(UsageError, match="'strict', 'flexible', 'math-verify'"):
        crescent_lite.scores(maths, scoring="strictly")  # type: ignore[arg-type]


def test_the_database_can_be_read_with_sqlite_utils(maths: Path) -> None:
    with crescent_lite.open_database(maths) as database:
        assert database["v_labels"].count == 56
        assert "v_scores" in database.view_names()
        assert database["votes"].foreign_keys
        assert [row["n"] for row in database.query("SELECT count(*) AS n FROM runs WHERE run_id = ?", [1])] == [1]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM votes",
        "UPDATE runs SET state = 'running'",
        "CREATE TABLE mine (a)",
        "CREATE TEMP TABLE mine (a)",
        "DROP VIEW v_labels",
        "ATTACH '{path}' AS other",
        "VACUUM INTO '{path}.copy'",
    ],
)
def test_the_database_cannot_be_written(maths: Path, sql: str) -> None:
    path = maths / "crescent.db"
    before = path.read_bytes()
    with crescent_lite.open_database(maths) as database, pytest.raises(sqlite3.Error):
        database.execute(sql.replace("{path}", str(path)))

    assert path.read_bytes() == before
    assert not path.with_name("crescent.db.copy").exists()


def test_switching_the_pragma_off_does_not_make_it_writable(maths: Path) -> None:
    with crescent_lite.open_database(maths) as database:
        database.execute("PRAGMA query_only = OFF")
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            database["runs"].update(1, {"state": "running"})


def test_a_workspace_is_read_while_a_run_is_at_work(maths: Path, tmp_path: Path) -> None:
    shutil.copytree(maths, tmp_path / "busy")
    with closing(Store.open(tmp_path / "busy" / "crescent.db")) as store, store.database.transaction():
        store.database.write("DELETE FROM consensus")

        assert len(crescent_lite.labels(tmp_path / "busy")) == 56


def test_a_database_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    folder = crescent_lite.init(tmp_path / "old")
    packed = ROOT / "tests" / "databases" / "m005_rounds_to_choose_from.db.xz"
    (folder / "crescent.db").write_bytes(lzma.decompress(packed.read_bytes()))

    with crescent_lite.open_database(folder) as database:
        assert database["v_labels"].count == len(crescent_lite.labels(folder)) > 0


def test_a_frame_of_a_view_a_table_or_a_statement(maths: Path) -> None:
    pandas = pytest.importorskip("pandas")
    labels = crescent_lite.frame(maths, "v_labels")

    assert isinstance(labels, pandas.DataFrame)
    assert len(labels) == 56
    assert labels["share"].between(0.5, 1).all()
    assert list(crescent_lite.frame(maths, "runs")["run_id"]) == [1]
    assert crescent_lite.frame(maths, "SELECT 1 AS one, NULL AS none WHERE 0").columns.tolist() == ["one", "none"]
    assert crescent_lite.frame(maths, "SELECT x'00ff' AS bytes")["bytes"][0] == b"\x00\xff"
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) SELECT i FROM n"
    assert len(crescent_lite.frame(maths, many)) == 5000


def test_a_frame_of_something_else_is_refused_in_one_line(maths: Path) -> None:
    pytest.importorskip("pandas")
    with pytest.raises(NotFoundError, match="did you mean 'v_labels'"):
        crescent_lite.frame(maths, "v_lables")
    for sql in ("SELECT * FROM nothing", "DELETE FROM runs", "SELECT 1; SELECT 2", ""):
        with pytest.raises(UsageError) as caught:
            crescent_lite.frame(maths, sql)
        assert "\n" not in str(caught.value)


def test_a_frame_without_pandas_says_what_to_install(maths: Path) -> None:
    code = (
        "import sys; sys.modules['pandas'] = None; import crescent_lite\n"
        "try: crescent_lite.frame(sys.argv[1], 'runs')\n"
        "except crescent_lite.CrescentError as error: print(type(error).__name__, error)"
    )

    said = in_another_process(code, str(maths)).stdout
    assert said.startswith(MissingPackageError.__name__)
    assert "pip install pandas" in said


# ── votes to labels ──────────────────────────────────────────────────────────────────────────────────────────────


def test_answer_keys_become_a_label() -> None:
    decided = crescent_lite.decide(["n:7", "n:5", None, "n:5"])

    assert (decided.decision, decided.answer_key, decided.share, decided.abstentions) == ("labelled", "n:5", 0.5, 1)
    assert decided.chosen_vote == 1  # the position of the first vote for it


def test_a_single_answer_key_is_one_vote() -> None:
    assert crescent_lite.decide("n:5") == crescent_lite.decide(["n:5"])


def test_a_question_without_a_label_says_why() -> None:
    assert crescent_lite.decide(["n:5", "n:7"]).reason == "tie"
    assert crescent_lite.decide(["n:5", None, None]).reason == "low_share"
    assert crescent_lite.decide([None]).reason == "no_answer"
    assert crescent_lite.decide([]).reason == "no_answer"
    assert crescent_lite.decide(["n:5"] * 4, policy="band").reason == "high_share"
    assert crescent_lite.decide(["n:5", "n:7"], policy="reference").answer_key == "n:5"


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"decide\.min_share"):
        crescent_lite.decide(["n:5"], min_share=50)
    with pytest.raises(ConfigError, match=r"decide\.policy"):
        crescent_lite.decide(["n:5"], policy="most")  # type: ignore[arg-type]


def test_stored_votes_give_the_label_that_the_run_gave(maths: Path) -> None:
    labels = {label.question_id: label for label in crescent_lite.labels(maths)}
    for question_id, label in labels.items():
        decided = crescent_lite.decide(crescent_lite.votes(maths, question_id))
        assert (decided.answer_key, decided.share, decided.chosen_vote) == (
            label.answer_key,
            label.share,
            label.vote_id,
        )


@given(st.lists(st.sampled_from(["n:1", "n:2", None]), max_size=8))
def test_keys_and_votes_are_decided_alike(keys: list[str | None]) -> None:
    votes = [Vote(place, place, "a solution", key, "boxed", "stop") for place, key in enumerate(keys)]

    assert crescent_lite.decide(keys) == crescent_lite.decide(votes)
    assert crescent_lite.decide(keys).votes == len(keys)


def test_the_defaults_are_those_of_the_settings() -> None:
    defaults = crescent_lite.decide.__kwdefaults__

    assert defaults == {name: getattr(VoteConfig(), name) for name in ("policy", "min_share", "max_share")}


# ── sampling ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_completions_come_by_prompt_and_by_sample() -> None:
    with TextSampler(FakeSampler()) as sampler:
        drawn = sampler.sample(["What is 2 + 3?", "What is 30 + 30?"], n=8)

        assert [[each.sample_index for each in of_prompt] for of_prompt in drawn] == [list(range(8))] * 2
        assert "5" in [each.text for each in drawn[0]]
        assert "60" in [each.text for each in drawn[1]]
        assert sampler.sample(["What is 2 + 3?", "What is 30 + 30?"], n=8) == drawn
        assert sampler.sample(["What is 2 + 3?", "What is 30 + 30?"], n=8, seed=1) != drawn


def test_one_prompt_may_be_given_alone() -> None:
    sampler = TextSampler(FakeSampler("5"))

    assert [[each.text for each in of_prompt] for of_prompt in sampler.sample("What is 2 + 3?")] == [["5"]]
    assert sampler.sample([]) == []


def test_a_sampler_takes_an_adapter_and_gives_it_back(tmp_path: Path) -> None:
    fake = FakeSampler()
    sampler = TextSampler(fake)
    sampler.use_adapter(str(tmp_path / "adapter.gguf"))
    sampler.use_adapter(None)

    assert fake.adapters_used == [tmp_path / "adapter.gguf", None]


@pytest.mark.parametrize(
    "wrong", [{"n": 0}, {"max_tokens": 0}, {"temperature": -1.0}, {"top_p": 1.5}, {"top_k": -1}], ids=str
)
def test_sampling_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        TextSampler(FakeSampler()).sample("What is 2 + 3?", **wrong)  # type: ignore[arg-type]


def test_a_sampler_needs_a_model_and_settings_that_exist(tmp_path: Path) -> None:
    with pytest.raises(crescent_lite.CrescentError, match="no file"):
        crescent_lite.open_sampler(tmp_path / "model.gguf")
    with pytest.raises(ConfigError, match=r"sampling\.slot"):
        crescent_lite.open_sampler(overrides="sampling.slot=4")


@pytest.mark.slow
def test_a_model_is_sampled_in_this_process(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    with crescent_lite.open_sampler(tmp_path / "tiny.gguf", overrides=["sampling.slots=2"]) as sampler:
        drawn = sampler.sample(["What is 2 + 3?", "What is 4 + 5?"], n=3, max_tokens=4)

    assert [len(of_prompt) for of_prompt in drawn] == [3, 3]
    assert all(1 <= each.tokens <= 4 for of_prompt in drawn for each in of_prompt)


# ── the page and its script ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_the_page_shows_what_its_code_prints(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert filled(page, tmp_path, slow=False) == page, "run `python tests/python_page.py`"


@pytest.mark.slow
def test_the_page_shows_what_its_code_prints_that_samples_a_model(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert filled(page, tmp_path, slow=True) == page, "run `python tests/python_page.py`"


def test_the_page_names_everything() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert [name for name in crescent_lite.__all__ if name not in page] == []


@pytest.mark.slow
def test_the_script_plots_votes_against_shares(maths: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(maths)
    script = ROOT / "docs" / "examples" / "votes_against_shares.py"
    ended = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env={**os.environ, "MPLBACKEND": "agg"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    assert " 75% of 4 votes:   3 questions labelled" in ended.stdout
    # matplotlib writes each text of a picture into a comment
    assert "labelled: 56 questions" in (tmp_path / "votes-against-shares.svg").read_text(encoding="utf-8")
