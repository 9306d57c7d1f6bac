"""The full report of a run: put together from its parts, and saved as Markdown and as an HTML page.

Reads the store. Its size is bounded: only some of many rounds are drawn, and only a few of many texts are shown.
Example: write_document(build_document(store, 1), workspace.exports, 1) -> exports/run-1.html, run-1.md
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.files import atomic_replacement
from crescent_lite.report import figures
from crescent_lite.report.alarms import LOOKS_FOR, alarms_tables, spaced_name
from crescent_lite.report.content import Document, Section, Table
from crescent_lite.report.excerpts import excerpt_sections
from crescent_lite.report.glossary import WORDS
from crescent_lite.report.headroom import fetch_headroom, headroom_table
from crescent_lite.report.markdown import document_markdown
from crescent_lite.report.page import document_html
from crescent_lite.report.primary import primary_number, sampled_verdicts
from crescent_lite.report.reproduction import making_section, time_table
from crescent_lite.report.scores import Scored, agreement_table, compare, gains_table, samples_table, scores_table
from crescent_lite.report.summary import headline, summary
from crescent_lite.report.tables import yield_tables
from crescent_lite.report.verdict_tables import primary_table, sharpened_table
from crescent_lite.store import Run, Store


def build_document(store: Store, run_id: int) -> Document:
    """The full report of a run, finished or not. Raises NotFoundError for an unknown run."""
    run = store.runs.fetch_run(run_id)
    rounds = store.runs.fetch_rounds(run_id)
    standing = store.fetch_standing(run_id)
    kept, scored = standing.kept, compare(store, run)
    yields = [table for this in rounds for table in yield_tables(store, run, this)]
    base = store.runs.fetch_base(run)
    sections = [
        Section(
            "scores",
            "Did the model get better?",
            figures=(figures.scores_figure(scored, kept),),
            tables=_with_rows(
                primary_table(store, run),
                sharpened_table(store, run),
                *_scores_tables(store, run, scored),
                agreement_table(store, run),
                gains_table(store, run),
                samples_table(store, run),
                headroom_table(fetch_headroom(store, run_id=run_id)),
            ),
        ),
        Section(
            "texts",
            "What became of the questions",
            figures=tuple(figures.flow_figures(store, run, rounds, kept)),
            tables=_with_rows(*(_folded(table) for table in yields if table.title.endswith("yield"))),
        ),
        Section(
            "votes",
            "How sure the model was",
            figures=(
                figures.shares_figure(store, run, rounds, kept),
                figures.calibration_figure(store, run, rounds, kept),
            ),
            tables=_with_rows(*(_folded(table) for table in yields if not table.title.endswith("yield"))),
        ),
        Section(
            "training",
            "How the training went",
            figures=(figures.loss_figure(store, rounds, kept), figures.looks_figure(store, rounds, kept)),
        ),
        Section(
            "alarms",
            "Is anything going wrong?",
            figures=(figures.alarms_figure(store, run), figures.lengths_figure(store, run)),
            tables=_with_rows(*alarms_tables(store, run), measures_table(store, run)),
            terms=tuple((spaced_name(name), words) for name, words in LOOKS_FOR.items()),
        ),
        *excerpt_sections(store, run),
        Section("time", "What it cost", tables=_with_rows(time_table(store, run, rounds))),
        making_section(store, run, rounds),
        Section("words", "Words", terms=WORDS),
    ]
    title = f"Run {run_id} of {base.name}"
    said = tuple(summary(store, run, standing, scored))
    truth = store.fetch_label_truth(run.teacher_id or run_id)
    result = headline(run, standing, scored, primary_number(store, run), sampled_verdicts(store, run), truth)
    return Document(title, result, said, tuple(sections))


def measures_table(store: Store, run: Run) -> Table:
    """A table of every measure of every round."""
    measures = store.measures.fetch_measures(run.run_id)
    names = sorted({name for found in measures.values() for name in found})
    rows = tuple(
        (name.replace("_", " "), *(f"{found[name]:.4g}" if name in found else "" for found in measures.values()))
        for name in names
    )
    columns = ("measure", *(f"round {number}" if number else "base" for number in measures))
    note = "Shares and scores are from 0 to 1, similarities from 0 to 100; lengths are in tokens."
    return Table("Measures of each round", columns, rows, note, folded=True)


@dataclass(frozen=True)
class ReportFiles:
    """Paths of a saved report."""

    html: Path
    markdown: Path


def write_document(document: Document, folder: Path, run_id: int) -> ReportFiles:
    """Save a report as HTML and as Markdown, each complete or not at all. Raises StorageError."""
    written = ReportFiles(folder / f"run-{run_id}.html", folder / f"run-{run_id}.md")
    for path, text in ((written.html, document_html(document)), (written.markdown, document_markdown(document))):
        with atomic_replacement(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8", newline="\n")
    return written


def _scores_tables(store: Store, run: Run, scored: Sequence[Scored]) -> list[Table]:
    """One table for each scoring, folded except for the flexible one."""
    titles = {
        "flexible": "Right answers, wherever they are written (flexible)",
        "strict": "Right answers in a marked place (strict)",
        "math-verify": "Right answers according to math-verify",
    }
    return [
        dataclasses.replace(
            scores_table(store, run, [one for one in scored if one.scoring == scoring]),
            title=title,
            folded=scoring != "flexible",
        )
        for scoring, title in titles.items()
    ]


def _with_rows(*tables: Table) -> tuple[Table, ...]:
    return tuple(table for table in tables if table.rows)


def _folded(table: Table) -> Table:
    return dataclasses.replace(table, folded=True)
