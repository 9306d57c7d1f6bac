"""Views match their descriptions, an index serves each common question, and the saved queries have answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sample_run import load_sample_run

from crescent_lite.errors import NotFoundError, UsageError
from crescent_lite.intervals import wilson
from crescent_lite.store import Store
from crescent_lite.store.saved_queries import named, saved_queries
from crescent_lite.store.views import VIEWS

USUAL = (
    "SELECT * FROM v_rounds WHERE run_id = 1",
    "SELECT * FROM v_questions WHERE question_id = 5",
    "SELECT * FROM v_questions WHERE run_id = 1 AND round = 2 AND verdict = 'kept' LIMIT 50",
    "SELECT * FROM v_questions WHERE run_id = 1 ORDER BY question_id DESC LIMIT 50",
    "SELECT * FROM v_questions WHERE duplicate_of = 5",
    "SELECT * FROM v_votes WHERE question_id = 5 ORDER BY sample_index",
    "SELECT * FROM v_votes WHERE run_id = 1 LIMIT 50",
    "SELECT * FROM v_disputed WHERE run_id = 1 LIMIT 50",
    "SELECT * FROM v_rejections WHERE run_id = 1 AND round = 1 AND reason = 'near_duplicate' LIMIT 50",
    "SELECT * FROM v_rejections WHERE duplicate_of = 5",
    "SELECT * FROM v_labels WHERE run_id = 1 AND share BETWEEN 0.5 AND 0.8 LIMIT 50",
    "SELECT * FROM v_labels ORDER BY share DESC LIMIT 20",
    "SELECT * FROM v_examples WHERE training_id = 1 LIMIT 50",
    "SELECT * FROM v_examples WHERE question_id = 5",
    "SELECT * FROM v_scores WHERE run_id = 1",
    "SELECT * FROM v_runs",
    "SELECT * FROM v_items WHERE run_id = 1 AND round = 1 AND benchmark = 'arithmetic' LIMIT 50",
    "SELECT * FROM v_machine WHERE run_id = 1",
    "SELECT * FROM v_answer_distribution WHERE question_id = 5",
    "SELECT * FROM v_cost WHERE run_id = 1",
)
LARGE = re.compile(r"SCAN (questions|votes|consensus|evaluated_items|examples|[qvcei])\b(?! USING COVERING)")
"""A scan of all rows of a table that grows, other than a scan of a covering index."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    workspace = load_sample_run(tmp_path_factory.mktemp("views") / "data")
    store = Store.open_read_only(workspace.database_path)
    yield store
    store.close()


@pytest.mark.parametrize("name", VIEWS)
def test_every_column_of_a_view_is_explained(store: Store, name: str) -> None:
    columns = [row["name"] for row in store.database.rows(f"PRAGMA table_info({name})")]

    assert columns == list(VIEWS[name].columns)


NEWER = ("v_machine", "v_own_answers")
"""Views of what was not yet stored when the sample run was made."""


@pytest.mark.parametrize("name", VIEWS)
def test_the_example_of_a_view_answers(store: Store, name: str) -> None:
    assert name in VIEWS[name].example
    assert store.querying.run(VIEWS[name].example).columns


@pytest.mark.parametrize("name", [name for name in VIEWS if name not in NEWER])
def test_the_sample_run_is_in_every_view(store: Store, name: str) -> None:
    assert store.querying.run(f"SELECT count(*) FROM {name}").rows[0][0]


@pytest.mark.parametrize("sql", USUAL)
def test_an_index_serves_each_common_question(store: Store, sql: str) -> None:
    steps = [row["detail"] for row in store.database.rows(f"EXPLAIN QUERY PLAN {sql}")]

    assert [step for step in steps if LARGE.match(step)] == []


def test_a_scan_of_a_table_would_be_seen(store: Store) -> None:
    steps = [
        row["detail"] for row in store.database.rows("EXPLAIN QUERY PLAN SELECT * FROM v_votes WHERE tokens > 5")
    ]

    assert any(LARGE.match(step) for step in steps)


def test_the_intervals_of_the_scores_are_wilsons(store: Store) -> None:
    rows = store.database.rows("SELECT right_flexible, items, low, high FROM v_scores WHERE samples = 1")

    assert len(rows) >= 6
    for right, items, low, high in rows:
        assert (low, high) == pytest.approx((wilson(right, items).low, wilson(right, items).high), abs=1e-9)


def test_the_intervals_hold_at_the_ends_and_for_many_items(store: Store) -> None:
    select = VIEWS["v_scores"].select
    counted = select[select.index("SELECT r.run_id") : select.index("GROUP BY")]
    grouped = select[select.index(counted) : select.index("r.evaluation_id\n") + len("r.evaluation_id")]
    for right, items in ((0, 7), (7, 7), (1, 1), (3, 1_000_000), (500_000, 1_000_000)):
        row = f"""SELECT 1 AS run_id, 1 AS round, '' AS benchmark, '' AS role, '' AS prompt, 1 AS samples,
            {items} AS items, {right} AS right_flexible, 0 AS right_strict, {right / items} AS flexible, 0 AS strict,
            0 AS second_opinion, 0 AS in_thoughts, 0 AS tokens, 1 AS model_id, 1 AS evaluation_id"""
        found = store.database.row(select.replace(grouped, row))
        assert found is not None
        expected = wilson(right, items)
        assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_counts_of_a_round_are_those_of_the_view(store: Store) -> None:
    rounds = store.runs.fetch_rounds(1)
    assert rounds
    for this in rounds:
        counts = store.fetch_round_counts(this.round_id)
        row = store.database.row("SELECT * FROM v_rounds WHERE run_id = 1 AND round = ?", [this.number])
        assert row is not None
        assert (counts.texts, counts.kept, counts.decided) == (row["texts"], row["kept"], row["voted"])
        assert (counts.votes, counts.labels, counts.examples) == (row["votes"], row["labels"], row["examples"])
        rejected = store.database.rows(
            "SELECT reason, count(*) FROM v_rejections WHERE run_id = 1 AND round = ? GROUP BY 1", [this.number]
        )
        assert counts.rejected == dict(map(tuple, rejected))
        assert counts.judged == counts.texts
        assert counts.voted == counts.kept
        assert counts.examples_by_round.keys() <= {each.round_id for each in rounds}
        assert 0 < counts.own_examples <= counts.labels


def test_a_round_that_does_not_exist_has_no_items(store: Store) -> None:
    counts = store.fetch_round_counts(0)

    assert (counts.asked, counts.texts, counts.decided, counts.examples, counts.own_examples) == (0, 0, 0, 0, 0)


def test_the_score_of_a_round_is_the_mean_over_prompts_and_benchmarks(store: Store) -> None:
    rows = dict(map(tuple, store.database.rows("SELECT round, score FROM v_rounds WHERE run_id = 1")))

    for number, score in rows.items():
        counts = [
            store.evaluations.count_right(e.evaluation_id, "flexible")
            for e in store.evaluations.fetch_evaluations(1)
            if (e.round_number, e.role, e.samples) == (number, "score", 1)
        ]
        assert score == pytest.approx(sum(right / items for right, items in counts) / len(counts))


def test_the_answers_of_a_question_add_up(store: Store) -> None:
    rows = store.database.rows(
        """SELECT question_id, sum(votes), sum(share), sum(leads),
            (SELECT count(*) FROM votes v WHERE v.question_id = a.question_id)
        FROM v_answer_distribution a GROUP BY question_id"""
    )

    assert len(rows) > 50
    for _, votes, share, leaders, drawn in rows:
        assert votes == drawn
        assert share == pytest.approx(1.0)
        assert leaders in (1, None)


def test_the_leading_answer_of_a_disputed_question_is_close_to_the_second(store: Store) -> None:
    rows = store.database.rows("SELECT answer_key, runner_up, share, runner_up_share FROM v_disputed")

    assert rows
    for first, second, share, second_share in rows:
        assert second not in (None, first)
        assert 0 <= share - second_share <= 0.25 + 1e-9


def test_every_label_has_one_vote_that_is_trained_on_and_agrees(store: Store) -> None:
    rows = store.database.rows(
        "SELECT question_id, sum(chosen), max(chosen AND NOT agrees) FROM v_votes GROUP BY question_id"
    )
    labelled = {row[0] for row in store.database.rows("SELECT question_id FROM v_labels")}

    assert {question for question, chosen, _ in rows if chosen == 1} == labelled
    assert all(wrong == 0 for _, _, wrong in rows)


@pytest.mark.parametrize("name", [query.name for query in saved_queries()])
def test_a_saved_query_says_what_it_is_and_answers(store: Store, name: str) -> None:
    query = named(name)
    values = query.values(["words=what"] if "words" in query.parameters else [])

    assert query.title and query.about.endswith(".")
    assert set(re.findall(r":([a-z]+)", re.sub(r"--.*", "", query.sql))) == set(query.parameters)
    assert all(query.parameters.values())
    found = store.querying.run(query.sql, values=values)
    # The sample run measures one sample of an item, and is older than the samples of the machine.
    assert found.rows or name in ("share-against-correctness", "precision-by-share", "machine-over-time")


def test_the_parameters_of_a_saved_query_take_effect(store: Store) -> None:
    query = named("answer-collapse")

    found = store.querying.run(query.sql, values=query.values(["run=1", "top=1"]))

    assert [row[1] for row in found.rows] == [1, 1]
    assert store.querying.run(query.sql, values=query.values(["run=99"])).rows == ()


@pytest.mark.parametrize("given", ["rum=1", "run", "=", "run:1"])
def test_an_unknown_parameter_of_a_saved_query_is_an_error_that_names_the_known_ones(given: str) -> None:
    with pytest.raises(UsageError, match="takes run="):
        named("cost-per-label").values([given])


def test_the_closest_saved_query_is_suggested() -> None:
    with pytest.raises(NotFoundError, match="did you mean cost-per-label"):
        named("cost-per-labels")
    with pytest.raises(NotFoundError, match="--list"):
        named("zzz")


def test_solutions_are_found_by_their_words_once_their_votes_are_complete(store: Store) -> None:
    counted = store.database.value("SELECT count(*) FROM votes JOIN consensus USING (question_id)")

    assert store.database.value("SELECT count(*) FROM solutions_fts_docsize") == counted
    found = store.database.rows(
        """SELECT v.solution FROM solutions_fts JOIN v_votes v ON v.vote_id = solutions_fts.rowid
        WHERE solutions_fts MATCH '"the answer"' LIMIT 5"""
    )
    assert all("the answer" in row[0].casefold() for row in found)


def test_a_deleted_text_is_not_found_by_its_words_any_more(tmp_path: Path) -> None:
    workspace = load_sample_run(tmp_path / "data")
    store = Store.open(workspace.database_path)
    vote_id = store.database.value("SELECT min(vote_id) FROM votes JOIN consensus USING (question_id)")
    store.database.write("UPDATE votes SET text = 'rhubarb' WHERE vote_id = ?", [vote_id])
    matching = "SELECT count(*) FROM solutions_fts WHERE solutions_fts MATCH 'rhubarb'"
    assert store.database.value(matching) == 1

    store.database.write(
        "DELETE FROM consensus WHERE question_id = (SELECT question_id FROM votes WHERE vote_id = ?)", [vote_id]
    )

    assert store.database.value(matching) == 0
    store.database.write("INSERT INTO solutions_fts (solutions_fts, rank) VALUES ('integrity-check', 0)")


def test_v_rounds_counts_the_stored_rows(store: Store) -> None:
    rows = store.database.rows("SELECT round, texts, kept, voted, votes, labels FROM v_rounds WHERE run_id = 1")

    for number, *counted in rows:
        where = f"JOIN rounds USING (round_id) WHERE run_id = 1 AND number = {number}"
        questions = store.database.row(f"SELECT count(*), sum(verdict = 'kept') FROM questions {where}")
        decided = store.database.row(
            f"""SELECT count(*), sum(votes), sum(decision = 'labelled')
            FROM consensus JOIN questions USING (question_id) {where}"""
        )
        assert questions and decided
        assert counted == ([*questions, *decided] if number else [None, None, 0, None, None])


def test_a_round_without_labels_costs_something_and_has_none(store: Store) -> None:
    rows = store.database.rows("SELECT round, labels, seconds FROM v_cost WHERE stage = 'evaluate' ORDER BY round")

    assert [row["labels"] is None for row in rows] == [True, False, False]


def test_the_matching_benchmark_item_is_shown_whatever_its_benchmark_is_called(tmp_path: Path) -> None:
    workspace = load_sample_run(tmp_path / "data")
    with closing(Store.open(workspace.database_path)) as store:
        item = store.database.row("SELECT item_id, question FROM benchmark_items LIMIT 1")
        assert item
        store.database.write("UPDATE benchmarks SET name = 'a/b'")
        store.database.write(
            """UPDATE questions SET verdict = 'rejected', reason = 'contaminated', benchmark_item = 'a/b/' || ?
            WHERE question_id = 1""",
            [item["item_id"]],
        )

        assert store.database.value("SELECT match FROM v_rejections WHERE question_id = 1") == item["question"]
