"""Makes docs/database.md and the plots of docs/gallery from the database of a real run.

    python tests/database_page.py     # reads data/reports/coder-0.5b/crescent.db.xz

The page consists of the descriptions of the views and saved queries, and of their answers for a real run. A test
fails when the page differs from what this script makes.
"""

from __future__ import annotations

import lzma
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from crescent_lite.report.drawing import AMBER, BLUE, GREEN, GREY, ORANGE
from crescent_lite.store import Store
from crescent_lite.store.querying import Cell, QueryResult
from crescent_lite.store.research_questions import QUESTIONS
from crescent_lite.store.saved_queries import named, saved_queries
from crescent_lite.store.views import VIEWS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "database.md"
GALLERY = ROOT / "docs" / "gallery"
PACKED = ROOT / "data" / "reports" / "coder-0.5b" / "crescent.db.xz"
ROWS = 5
CELL = 60
TOOLS = """\
## Query it with the tools that you know

All commands below read `data/crescent.db`, and can do so during a run. The tests run each of them.

The `sqlite3` shell:

```sh
sqlite3 -readonly -box data/crescent.db "SELECT round, texts, kept, labels, score FROM v_rounds"
```

[sqlite-utils](https://sqlite-utils.datasette.io), which is installed with this toolkit:

```sh
sqlite-utils data/crescent.db "SELECT reason, count(*) AS texts FROM v_rejections GROUP BY reason" --table
```

pandas:

```python
import sqlite3
import pandas

with sqlite3.connect("file:data/crescent.db?mode=ro", uri=True) as connection:
    labels = pandas.read_sql("SELECT round, label, share, question FROM v_labels", connection)
print(labels.groupby("round")["share"].describe())
```

[DuckDB](https://duckdb.org) reads the tables directly. The views are written in SQLite's SQL, so DuckDB asks SQLite
for them with `sqlite_query`:

```python
import duckdb

duckdb.sql("ATTACH 'data/crescent.db' AS run (TYPE sqlite, READ_ONLY)")
print(duckdb.sql("SELECT finish_reason, count(*), avg(tokens) FROM run.votes GROUP BY ALL"))
print(duckdb.sql("SELECT * FROM sqlite_query('run', 'SELECT * FROM v_rounds')"))
```

A browser: `crescent serve` starts [Datasette](https://datasette.io) on this machine, with the descriptions of this
page and a form for each saved query (`pip install 'crescent-lite[serve]'`).
"""
READINGS = {
    "where-labels-come-from": """\
Keep a topic in the bait if many of its texts become labels.""",
    "share-against-correctness": """\
Points below the dashed line are majorities that are right less often than their share suggests. Set `vote.min_share`
to the lowest share that is right often enough. In a tie, the answer that was drawn first counts as the majority.""",
    "what-is-rejected": """\
The most frequent reasons show what the bait should ask for more clearly.""",
    "cost-per-label": """\
Voting, training and evaluating take most of the time. Asking costs little, so being stricter about questions
costs little too.\
""",
    "answer-collapse": """\
A curve that starts high and falls steeply means that the model gives many questions the same answer.""",
    "template-growth": """\
A curve that flattens means that the model has begun to repeat itself.""",
    "length-drift": """\
Solutions that grow longer from round to round, or are cut off more often, are an early sign that training fails.\
""",
    "what-moved-the-score": """\
Even a small difference in score is the balance of many items that changed in both directions; the query lists them.\
""",
}
"""What to look for in each picture."""


def make_page(store: Store) -> str:
    """The whole page."""
    parts = [_HEAD, TOOLS, "## The views\n", _contents(), *(_view(store, name) for name in VIEWS)]
    parts += [_questions()]
    parts += ["## Saved queries, with their results for a real run\n", _QUERIES]
    parts += [_query(store, query.name) for query in saved_queries()]
    return "\n".join(parts)


_HEAD = f"""\
# The database

<!-- made by tests/database_page.py -->

`crescent.db` contains everything that a model wrote and what was decided about it: one row for each question, vote
and label, for each example and step of a training, and for each reply to a benchmark item. Views, whose names begin
with `v_`, answer common questions. `crescent db schema` prints the views and the tables behind them. The results on
this page are from a run of a 0.5B model with two rounds
([{PACKED.relative_to(ROOT)}](../{PACKED.relative_to(ROOT)}), `xz -d`).

The words of questions and solutions can be searched, with the saved queries [find-questions](#find-questions) and
[find-solutions](#find-solutions) or through the tables `questions_fts` and `solutions_fts`. A question is searchable
as soon as it is stored, a solution once all votes on its question are complete. Texts are stored as they were
written, except that NUL and invalid Unicode become U+FFFD (�).
"""
_QUERIES = """\
`crescent query NAME` runs a saved query; parameters follow its name, as in
`crescent query what-is-rejected run=1 round=2`. `crescent query --list` shows the parameters of each query. The
queries are plain SQL files in `crescent_lite/store/queries`.
"""


def _questions() -> str:
    rows = [
        f"| {each.question} | [{each.query}](#{anchor(each.query)}) | `{each.command}` | {each.needs} |"
        for each in QUESTIONS
    ]
    text = (
        "Each is answered by one saved query. `--plot X Y` draws two of its columns into a file (SVG, PNG or PDF), "
        "and `--by` gives each value of a third column a line or bar of its own."
    )
    head = ["## Ten questions", "", text, "", "| question | query | drawn by | needs |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def anchor(name: str) -> str:
    """The anchor of a query's heading, as GitHub makes it from the title."""
    return re.sub(r"[^a-z0-9 -]", "", named(name).title.lower()).replace(" ", "-")


def _contents() -> str:
    rows = [f"| [`{name}`](#{name}) | {view.about} |" for name, view in VIEWS.items()]
    return "\n".join(["| view | a row is |", "|---|---|", *rows, ""])


def _view(store: Store, name: str) -> str:
    view = VIEWS[name]
    columns = [f"| `{column}` | {meaning} |" for column, meaning in view.columns.items()]
    example = [f"\n```sql\n{view.example}\n```\n", table(store.querying.run(view.example, limit=ROWS))]
    return "\n".join([f"### {name}\n", view.about, "", "| column | |", "|---|---|", *columns, *example, ""])


def _query(store: Store, name: str) -> str:
    query = named(name)
    takes = [f"- `{parameter}`: {meaning}" for parameter, meaning in query.parameters.items()]
    given = ["words=apples"] if "words" in query.parameters else []
    found = store.querying.run(query.sql, values=query.values(given))
    command = " ".join(["crescent query", name, *given])
    parts = [f"### {query.title}\n", f"{query.about[:1].upper()}{query.about[1:]}", "", *takes]
    if name in PLOTS and found.rows:
        parts += ["", READINGS[name], "", f"![{query.title}](gallery/{name}.svg)"]
    parts += [f"\n```sh\n{command}\n```\n", table(found), ""]
    return "\n".join(parts)


def table(found: QueryResult) -> str:
    """The first rows, as Markdown."""
    if not found.rows:
        return "No rows in this run."
    rows = ["| " + " | ".join(map(_cell, row)) + " |" for row in found.rows[:ROWS]]
    more = [] if len(found.rows) <= ROWS and not found.truncated else ["| … |" + " |" * (len(found.columns) - 1)]
    return "\n".join(["| " + " | ".join(found.columns) + " |", "|" + "---|" * len(found.columns), *rows, *more])


def _cell(value: Cell) -> str:
    if value is None:
        return "NULL"
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
    text = text if len(text) <= CELL else text[: CELL - 1] + "…"
    for sign in "\\|<>*_[]`$":
        text = text.replace(sign, "\\" + sign)
    return text


def _rounds(found: QueryResult, round_at: int = 0) -> dict[int, list[tuple[Any, ...]]]:
    split: dict[int, list[tuple[Any, ...]]] = {}
    for row in found.rows:
        split.setdefault(int(row[round_at] or 0), []).append(row)
    return split


def _stacked(axis: Any, names: Sequence[str], layers: Sequence[tuple[str, str, Sequence[float]]]) -> None:
    """Draw stacked horizontal bars, the first name on top."""
    left = [0.0] * len(names)
    for label, colour, widths in layers:
        axis.barh(names, widths, left=left, color=colour, label=label)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axis.invert_yaxis()
    axis.legend()


def _draw_topics(axis: Any, found: QueryResult) -> None:
    rows: list[Any] = list(found.rows[:20])
    layers = (
        ("got a label", GREEN, [row[3] for row in rows]),
        ("kept, no label", AMBER, [row[2] - row[3] for row in rows]),
        ("rejected", GREY, [row[1] - row[2] for row in rows]),
    )
    _stacked(axis, [str(row[0]) for row in rows], layers)
    axis.set_xlabel("texts")


def _draw_shares(axis: Any, found: QueryResult) -> None:
    split: dict[tuple[Any, ...], list[Any]] = {}
    for row in found.rows:
        split.setdefault(row[:3], []).append(row)
    for (number, benchmark, samples), rows in split.items():
        shares, right = [row[3] for row in rows], [row[6] for row in rows]
        which = f"round {number}" if number else "base"
        axis.plot(shares, right, marker="o", label=f"{benchmark}, {which}, {samples} samples")
        for share, part, row in zip(shares, right, rows, strict=True):
            axis.annotate(f"n={row[4]}", (share, part), textcoords="offset points", xytext=(4, -10))
    axis.plot([0, 1], [0, 1], color=GREY, linestyle="--")
    axis.set_xlabel("share of the leading answer")
    axis.set_ylabel("fraction of items where it is right")
    axis.legend()


def _draw_rejections(axis: Any, found: QueryResult) -> None:
    rows: list[Any] = list(found.rows)
    _stacked(axis, [str(row[0]).replace("_", " ") for row in rows], (("texts", ORANGE, [row[1] for row in rows]),))
    axis.get_legend().remove()
    axis.set_xlabel("rejected texts, both rounds")


def _draw_cost(axis: Any, found: QueryResult) -> None:
    split = _rounds(found)
    layers = []
    for stage, colour in (("ask", BLUE), ("vote", GREEN), ("train", ORANGE), ("evaluate", GREY)):
        of_stage = [next((row[3] or 0 for row in rows if row[1] == stage), 0) for rows in split.values()]
        layers.append((stage, colour, of_stage))
    _stacked(axis, [f"round {number}" for number in split], layers)
    axis.set_xlabel("seconds per label (other programs used the machine in round 2)")


def _draw_answers(axis: Any, found: QueryResult) -> None:
    for number, rows in _rounds(found).items():
        axis.plot([row[1] for row in rows], [100 * row[4] for row in rows], marker="o", label=f"round {number}")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("rank of the label in its round")
    axis.set_ylabel("% of the labels")
    axis.legend()


def _draw_growth(axis: Any, found: QueryResult) -> None:
    for number, rows in _rounds(found).items():
        axis.plot([0, *(row[1] for row in rows)], [0, *(row[3] for row in rows)], marker="o", label=f"round {number}")
    most = max(int(row[1] or 0) for row in found.rows)
    axis.plot([0, most], [0, most], color=GREY, linestyle="--", label="all kept")
    axis.set_xlabel("texts")
    axis.set_ylabel("kept so far")
    axis.legend()


def _draw_lengths(axis: Any, found: QueryResult) -> None:
    rounds = [f"round {row[0]}" for row in found.rows]
    for column, label, colour in (
        (3, "characters of a question", GREY),
        (4, "tokens of a solution", BLUE),
        (5, "tokens of a solution that is trained on", GREEN),
    ):
        axis.plot(rounds, [row[column] for row in found.rows], marker="o", label=label, color=colour)
    axis.set_ylim(bottom=0)
    axis.legend()


def _draw_changes(axis: Any, found: QueryResult) -> None:
    sets = list(dict.fromkeys((row[0], row[1]) for row in found.rows))
    counted = {
        change: [sum(row[:2] == each and row[3] == change for row in found.rows) for each in sets]
        for change in ("gained", "lost")
    }
    names = [f"{benchmark}, {prompt}" for benchmark, prompt in sets]
    _stacked(axis, names, (("gained", GREEN, counted["gained"]), ("lost", ORANGE, counted["lost"])))
    axis.set_xlabel("items that the base and the last round answer differently")


PLOTS: dict[str, Callable[[Any, QueryResult], None]] = {
    "where-labels-come-from": _draw_topics,
    "share-against-correctness": _draw_shares,
    "what-is-rejected": _draw_rejections,
    "cost-per-label": _draw_cost,
    "answer-collapse": _draw_answers,
    "template-growth": _draw_growth,
    "length-drift": _draw_lengths,
    "what-moved-the-score": _draw_changes,
}


def draw_plots(store: Store) -> None:
    """Draw the picture of each saved query that has one into the gallery."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.hashsalt"] = "crescent"
    GALLERY.mkdir(exist_ok=True)
    for name, draw in PLOTS.items():
        found = store.querying.run(named(name).sql, values=named(name).values([]))
        if not found.rows:
            continue
        figure = Figure(figsize=(7.5, 3.6 if name != "where-labels-come-from" else 5), layout="constrained")
        axis = figure.subplots()
        axis.spines[["top", "right"]].set_visible(False)
        draw(axis, found)
        figure.savefig(GALLERY / f"{name}.svg", metadata={"Date": None, "Creator": None})


def open_real_run(folder: Path) -> Store:
    """Unpack the database of the real run into `folder`, migrate it to this version and open it."""
    path = folder / "crescent.db"
    path.write_bytes(lzma.decompress(PACKED.read_bytes()))
    return Store.open(path)


def main() -> int:
    """Write the page and the pictures."""
    with tempfile.TemporaryDirectory() as place, closing(open_real_run(Path(place))) as store:
        draw_plots(store)
        PAGE.write_text(make_page(store), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
