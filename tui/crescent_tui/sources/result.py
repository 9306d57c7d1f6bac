"""What came of a run so far: the verdict on the round that it keeps, in the words of the report.

Reads the store in the background, and computes again only when an evaluation has finished; knows no widget. The first
screen does not wait for what it computes with: it asks when that has been imported. Example:
    fetch_result(store, run_id=3, known=Result()).head    # "round 2: improved, 36.0% → 46.0%"
"""

from __future__ import annotations

from dataclasses import dataclass

from crescent_lite.store import Store


@dataclass(frozen=True)
class Result:
    """The result of a run. The texts have names of benchmarks in them, and so are untrusted."""

    made_from: tuple[object, ...] = ()
    """The evaluations and the choice that it follows from; empty before it was read."""
    head: str = ""
    """The round, the word and the primary number before and after; empty before the base is measured."""
    about: str = ""
    """What the primary number is, with the numbers of the comparison."""
    word: str = ""
    """'improved', 'shorter', 'got worse' or 'no difference shown'; empty if the round was not compared."""


def fetch_result(store: Store, run_id: int, known: Result) -> Result:
    """The result of a run; `known` itself if nothing has changed since."""
    ended = tuple(e.evaluation_id for e in store.evaluations.fetch_evaluations(run_id))
    kept = store.fetch_standing(run_id).kept
    made_from = (run_id, ended, kept)
    if made_from == known.made_from:
        return known
    if not ended:
        return Result(made_from)
    from crescent_lite.evaluation.statistics import numbers_in_words
    from crescent_lite.report.primary import primary_number

    primary = primary_number(store, store.runs.fetch_run(run_id))
    if primary is None:
        return Result(made_from)
    base = f"{primary.scores[0].fraction:.1%}"
    if kept is None or kept not in primary.scores:
        why = "no round has been trained" if kept is None else f"round {kept} has not been measured"
        return Result(made_from, f"base {base}", f"{primary.name}; {why}")
    word = primary.word(kept) or ""
    head = f"round {kept}: {word or 'not compared'}, {base} → {primary.scores[kept].fraction:.1%}"
    numbers = f"; {numbers_in_words(primary.verdicts[kept])}" if word else ""
    return Result(made_from, head, primary.name + numbers, word)
