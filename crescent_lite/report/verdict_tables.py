"""Tables of verdicts: the primary number of each round, and whether a round is sharpened or better.

Reads the store through `primary`. Example:
    primary_table(store, run).title -> "The primary number: svamp, bare, flexible"
"""

from __future__ import annotations

from crescent_lite.evaluation import ComparisonResult, in_words
from crescent_lite.report.content import Table
from crescent_lite.report.primary import primary_number, sampled_verdicts
from crescent_lite.store import Run, Store

VERDICT_COLUMNS = ("won", "lost", "against the base", "p", "corrected p")


def verdict_cells(verdict: ComparisonResult | None) -> tuple[str, ...]:
    """The cells of VERDICT_COLUMNS; empty for the base."""
    if verdict is None:
        return ("",) * len(VERDICT_COLUMNS)
    comparison = verdict.comparison
    return (
        str(comparison.gained),
        str(comparison.lost),
        difference_in_points(verdict),
        f"{comparison.p_value:.2g}",
        f"{verdict.p_corrected:.2g}",
    )


def primary_table(store: Store, run: Run) -> Table:
    """A table of the primary number of the base and each round; without rows if nothing was measured."""
    primary = primary_number(store, run)
    rows = []
    for number, score in sorted(primary.scores.items()) if primary else ():
        assert primary is not None
        verdict = primary.verdicts.get(number)
        cells = (
            f"round {number}" if number else "base",
            f"{score.right}/{score.items}",
            f"{score.fraction:.1%}",
            f"{score.low:.1%} to {score.high:.1%}",
            f"{primary.cut_off[number]:.1%}",
        )
        rows.append((*cells, *verdict_cells(verdict)))
    columns = ("model", "right", "score", "95% interval", "cut off", *VERDICT_COLUMNS)
    note = (
        "Whether a round improved is said of this number only. It was named in the settings before the run "
        "(evaluate.primary_prompt and primary_scoring). p is corrected for the number of rounds (Holm)."
    )
    name = f"The primary number: {primary.name}" if primary else ""
    return Table(name, columns, tuple(rows), note)


def sharpened_table(store: Store, run: Run) -> Table:
    """A table of whether each round is sharpened or better; without rows unless items were answered several times."""
    rows = []
    for number, verdict in sampled_verdicts(store, run).items():
        k = verdict.samples
        changes = {
            f"mean of {k}": ("mean", verdict.mean),
            f"maj@{k}": ("majority", verdict.majority),
            "right favourites, estimated": ("majority", verdict.favourites),
            f"pass@{k}": ("passed", verdict.passed),
            "mean of those that ended": ("ended", verdict.ended),
        }
        rows += [
            (
                f"round {number}",
                name,
                f"{change.before:.1%}",
                f"{change.after:.1%}",
                f"{change.difference:+.1%} ({change.low:+.1%} to {change.high:+.1%})",
                f"{change.p_value:.2g}",
                f"{verdict.p_corrected[test]:.2g}",
            )
            for name, (test, change) in changes.items()
            if change
        ]
        said = " and ".join(verdict.words) or "no difference shown"
        rows.append(
            (f"round {number}", "verdict", "", "", f"{said}; items by majority: {verdict.counts.in_words()}", "", "")
        )
    columns = ("model", "measure", "base", "round", "difference and 95% interval", "p", "corrected p")
    note = (
        "better: single replies and majorities are right more often, beyond what sharpening explains. sharpened: "
        "single replies agree more often with the favourite answer, which is right as often as before. likelier: "
        "single replies are right more often, and which of the two it is cannot be told. narrowed: fewer items are "
        "solved at least once. shorter: no gain among the replies that ended. Sign-flip tests and a bootstrap over "
        "items; corrected for the tests and the rounds (Bonferroni)."
    )
    return Table("Sharpened or better", columns, tuple(rows), note)


def difference_in_points(verdict: ComparisonResult) -> str:
    """'+10.0% (+2.1% to +17.9%), improved (n=300, ...)'."""
    return f"{verdict.comparison.difference:+.1%} ({verdict.low:+.1%} to {verdict.high:+.1%}), {in_words(verdict)}"
