"""Ten questions that a researcher asks are answered by one saved query each, on the databases that are shipped."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crescent_lite.cli import main
from crescent_lite.errors import UsageError
from crescent_lite.report.query_plot import Plot, draw_rows
from crescent_lite.store import Store
from crescent_lite.store.querying import QueryResult
from crescent_lite.store.research_questions import QUESTIONS, ResearchQuestion
from crescent_lite.store.saved_queries import named

REPORTS = Path(__file__).parents[1] / "data" / "reports"
SHIPPED = sorted(REPORTS.glob("*/crescent.db.xz"))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Store]]:
    stores = {}
    for packed in SHIPPED:
        path = tmp_path_factory.mktemp(packed.parent.name) / "crescent.db"
        path.write_bytes(lzma.decompress(packed.read_bytes()))
        stores[packed.parent.name] = Store.open(path)
    yield stores
    for store in stores.values():
        store.close()


def answer(store: Store, name: str) -> QueryResult:
    query = named(name)
    return store.querying.run(query.sql, values=query.values([]))


def test_there_are_ten_questions() -> None:
    assert len({each.question for each in QUESTIONS}) == 10


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda each: each.question)
def test_each_question_is_answered_and_drawn(
    asked: ResearchQuestion, shipped: dict[str, Store], tmp_path: Path
) -> None:
    answers = {name: answer(store, asked.query) for name, store in shipped.items()}
    answered = [name for name, found in answers.items() if found.rows]
    assert answered if asked.needs else len(answered) == len(shipped)
    found = answers[answered[0]]

    draw_rows(found.columns, found.rows, Plot(*asked.plot), asked.question, tmp_path / "answer.svg")

    assert (tmp_path / "answer.svg").read_bytes().startswith(b"<?xml")


def test_the_churn_is_that_of_the_items(shipped: dict[str, Store]) -> None:
    store = shipped["coder-0.5b"]
    found = answer(store, "churn-per-round")
    at = {name: number for number, name in enumerate(found.columns)}
    moved = answer(store, "what-moved-the-score")
    change = moved.columns.index("change")
    last = [row for row in found.rows if row[at["round"]] == 2 and row[at["against"]] == "base"]

    for column in ("gained", "lost"):
        assert sum(row[at[column]] for row in last) == sum(row[change] == column for row in moved.rows)


def test_precision_and_coverage_follow_from_the_shares(shipped: dict[str, Store]) -> None:
    by_share = answer(shipped["coder-0.5b"], "share-against-correctness")
    found = answer(shipped["coder-0.5b"], "precision-by-share")
    items, right = by_share.columns.index("items"), by_share.columns.index("right")
    lowest = found.rows[0]

    assert lowest[found.columns.index("items")] == sum(row[items] for row in by_share.rows)
    assert lowest[found.columns.index("right")] == sum(row[right] for row in by_share.rows)
    coverage = [row[found.columns.index("coverage")] for row in found.rows]
    assert coverage == sorted(coverage, reverse=True)


ROWS = (("ask", 1, 2.5), ("vote", 1, 9.0), ("ask", 2, None), ("vote", 2, 4.0))
COLUMNS = ("stage", "round", "seconds")


@pytest.mark.parametrize("plot", [Plot("round", "seconds", "stage"), Plot("stage", "seconds", "round")])
@pytest.mark.parametrize("ending", [".svg", ".png", ".pdf"])
def test_lines_and_bars_are_drawn_in_each_format(plot: Plot, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"plot{ending}"

    draw_rows(COLUMNS, ROWS, plot, "A $title$ & more", path)

    assert path.stat().st_size > 1000


@pytest.mark.parametrize(
    ("plot", "said"),
    [
        (Plot("rounds", "seconds"), "did you mean 'round'"),
        (Plot("round", "stage"), "has texts"),
        (Plot("round", "seconds", "none"), "no such column"),
    ],
)
def test_what_cannot_be_drawn_is_said(plot: Plot, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        draw_rows(COLUMNS, ROWS, plot, "title", tmp_path / "plot.svg")
    with pytest.raises(UsageError, match="ends in"):
        draw_rows(COLUMNS, ROWS, plot, "title", tmp_path / "plot.gif")
    with pytest.raises(UsageError, match="nothing to draw"):
        draw_rows(COLUMNS, (), Plot("round", "seconds"), "title", tmp_path / "plot.svg")
    assert list(tmp_path.iterdir()) == []


def test_a_query_draws_a_picture_and_replaces_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "crescent.toml").write_text('preset = "quick"\n', encoding="utf-8")
    with closing(Store.open(tmp_path / "crescent.db")):
        pass
    drawn = ["query", "SELECT 1 AS a, 2.5 AS b", "--plot", "a", "b", "-w", str(tmp_path)]

    assert main([*drawn, "--json"]) == 0
    assert Path(json.loads(capsys.readouterr().out)["path"]).is_file()
    own = tmp_path / "own.png"
    assert main([*drawn, "--output", str(own)]) == 0
    assert main([*drawn, "--output", str(own)]) == 5
    assert main(["query", "SELECT 1", "--by", "a", "-w", str(tmp_path)]) == 2
