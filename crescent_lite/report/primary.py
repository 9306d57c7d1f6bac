"""The primary number of a run, by which a round is called improved, worse or not shown to differ; and its samples.

The primary number is the fraction of right greedy answers to all items of the benchmarks with the role 'score' (the
canaries if a run has none, else whatever it measured), with one prompt and one scoring that the settings name before
the run (`store.primary` chooses the evaluations). Rounds are corrected for each other (Holm). Every other comparison
is secondary: `scores.compare` corrects those as one family. Where the base and a round drew several samples of these
items, `sampled_verdicts` says whether the round is sharpened or better. Reads the store. Example:
    primary_number(store, run).in_a_line(1) -> "from 36.0% to 46.0% (svamp, bare, flexible; n=300, ...)"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crescent_lite.evaluation import ComparisonResult, among_ended, corrected, mcnemar, word_of
from crescent_lite.evaluation.statistics import Word, numbers_in_words
from crescent_lite.evaluation.verdict import SampledVerdict, sampled_verdict
from crescent_lite.intervals import wilson
from crescent_lite.records import Role, SampledReply, Score, short_name
from crescent_lite.store import Run, Store
from crescent_lite.store.evaluations import EvaluationRow
from crescent_lite.store.primary import primary_evaluations, primary_scoring

NOT_BETTER: Mapping[Word, str] = {
    "shorter": "it is only shorter, and not shown to be better than the base",
    "got worse": "it is worse than the base",
    "no difference shown": "it is not shown to be better than the base",
}


@dataclass(frozen=True)
class Primary:
    """The primary number of the base and of each round that was measured on all of its benchmarks."""

    measured: tuple[tuple[str, str], ...]
    """(benchmark, prompt) pairs whose items are pooled."""
    scoring: str
    """One of SCORINGS. Benchmarks that math-verify does not judge are scored flexibly."""
    role: Role
    """Role of these benchmarks."""
    scores: Mapping[int, Score]
    """Round -> score with its interval; 0 is the base."""
    cut_off: Mapping[int, float]
    """Round -> fraction of the replies that were cut off, 0-1."""
    verdicts: Mapping[int, ComparisonResult]
    """Round -> comparison with the base, corrected for the number of rounds."""

    @property
    def name(self) -> str:
        """'svamp and asdiv, bare, flexible'."""
        prompts = dict.fromkeys(short_name(prompt) for _, prompt in self.measured)
        return f"{' and '.join(name for name, _ in self.measured)}, {' and '.join(prompts)}, {self.scoring}"

    def word(self, number: int) -> Word | None:
        """What is said of a round; None if it was not compared with the base."""
        return word_of(self.verdicts[number]) if number in self.verdicts else None

    def in_a_line(self, number: int) -> str:
        """The comparison of a round with the base: 'from 36.0% to 46.0% (svamp, bare, flexible; n=300, ...)'."""
        before, after = self.scores[0].fraction, self.scores[number].fraction
        return f"from {before:.1%} to {after:.1%} ({self.name}; {numbers_in_words(self.verdicts[number])})"

    def not_better_in_words(self, number: int) -> str:
        """'it is not shown to be better than the base (36.0%, base 39.7%)'; empty if the round improved."""
        word = self.word(number)
        if word is None:
            return "it was not compared with the base"
        if word == "improved":
            return ""
        return f"{NOT_BETTER[word]} ({self.scores[number].fraction:.1%}, base {self.scores[0].fraction:.1%})"


def primary_number(store: Store, run: Run) -> Primary | None:
    """The primary number of a run; None if the base has not been measured."""
    chosen = primary_evaluations(store.evaluations, run)
    if 0 not in chosen:
        return None
    scoring = primary_scoring(run)
    right = {number: _pooled(rows, lambda e: _right(store, e, scoring)) for number, rows in chosen.items()}
    ended = {number: _pooled(rows, lambda e: ended_of(store, e)) for number, rows in chosen.items()}
    later = [number for number in sorted(chosen) if number]
    verdicts = corrected(
        [mcnemar(right[0], right[number]) for number in later],
        [among_ended(right[0], right[number], ended[0], ended[number]) for number in later],
        family="rounds",
    )
    return Primary(
        tuple((e.benchmark, e.prompt) for e in chosen[0]),
        scoring,
        chosen[0][0].role,
        {number: wilson(sum(found.values()), len(found)) for number, found in right.items()},
        {number: cut_off_share(found) for number, found in ended.items()},
        dict(zip(later, verdicts, strict=True)),
    )


def sampled_verdicts(store: Store, run: Run) -> dict[int, SampledVerdict]:
    """Round -> the verdict on several samples of the items of the primary number, corrected for the number of rounds.

    Rounds without such samples are left out.
    """
    chosen = primary_evaluations(store.evaluations, run, sampled=True)
    if 0 not in chosen or len(chosen) == 1:
        return {}
    samples: dict[int, dict[str, Sequence[SampledReply]]] = {
        number: _pooled(rows, lambda e: store.evaluations.fetch_samples(e.evaluation_id))
        for number, rows in sorted(chosen.items())
    }
    found = {n: sampled_verdict(samples[0], samples[n], comparisons=len(samples) - 1) for n in samples if n}
    return {number: verdict for number, verdict in found.items() if verdict}


def ended_of(store: Store, e: EvaluationRow) -> dict[str, bool]:
    """Whether the greedy reply to each item ended; empty where an option is chosen: nothing is cut off."""
    return store.evaluations.fetch_ended(e.evaluation_id) if e.kind == "answers" else {}


def cut_off_share(ended: Mapping[str, bool]) -> float:
    """Fraction of replies that were cut off, 0-1; 0 without replies."""
    return 1 - sum(ended.values()) / len(ended) if ended else 0.0


def _right(store: Store, e: EvaluationRow, scoring: str) -> dict[str, bool]:
    return store.evaluations.fetch_right(e.evaluation_id, scoring) or store.evaluations.fetch_right(
        e.evaluation_id, "flexible"
    )


def _pooled(rows: Sequence[EvaluationRow], fetch: Any) -> dict[str, Any]:
    return {f"{e.benchmark}\n{item}": found for e in rows for item, found in fetch(e).items()}
