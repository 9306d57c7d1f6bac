"""Which second look at the votes makes labels right more often, at equal tokens and equal coverage?

Draws, for questions whose answers are known but not shown: votes on the bare question, with a second prompt and on
the model's own rewording, and the model's own yes or no to "is this complete?" and "is the majority right?". What is
drawn is appended to a file at once, a few questions at a time, so that the script can be stopped and run again, and
judged at any time with what is there (`--judge-only`). Each way of `second_looks/` is compared with the plain
majority at its own coverage, and with as many tokens: the majority gets more votes where the other costs more.
    python benchmarks/second_look.py --model MODEL.gguf --questions svamp.jsonl --items 200 --draws draws.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from second_looks import LOOKS, PLAIN, Drawn, Draws, SecondLook
from second_looks.draws import Check, Kind, counted

from crescent_lite.answers import find_answer
from crescent_lite.config import BenchmarkConfig, SamplingConfig
from crescent_lite.errors import CrescentError, UsageError
from crescent_lite.evaluation import load_benchmark
from crescent_lite.evaluation.scoring import score
from crescent_lite.intervals import wilson
from crescent_lite.models import find_model
from crescent_lite.prompts.sets import PromptSet, fill, load_prompt_set
from crescent_lite.records import BenchmarkItem, Completion, Generation, Request, Vote
from crescent_lite.sampling import Sampler
from crescent_lite.sampling.llama import LlamaSampler

AT_ONCE = 16
"""Questions that are drawn together; a stopped script has drawn at most so many in part."""
COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
WANTED = 0.05
"""Gain in precision at equal coverage from which a second look may become a setting."""
WORDS = ("Yes", "No")
Rows = dict[str, dict[str, list[dict[str, Any]]]]
"""What was drawn, by item and kind."""


def main() -> int:
    """Draw what is missing, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="embedded", help="a GGUF, or 'embedded' (default)")
    parser.add_argument("--questions", type=Path, required=True, help="JSONL with question and answer")
    parser.add_argument("--items", type=int, default=200, help="questions, drawn by the seed (default: 200)")
    parser.add_argument("--votes", type=int, default=8, help="votes a question, an even number (default: 8)")
    parser.add_argument("--draws", type=Path, required=True, help="JSONL file to which everything drawn is appended")
    parser.add_argument("--prompts", default="word-problems", help="prompt set with reword, complete and right")
    parser.add_argument("--second-prompt", default="solve", help="the other prompt of the set (default: solve)")
    parser.add_argument("--max-tokens", type=int, default=640)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resamples", type=int, default=1_000, help="for the intervals of the gains (default: 1000)")
    parser.add_argument(
        "--judge-only", action="store_true", help="draw nothing; judge the questions that are complete"
    )
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    options = parser.parse_args()
    if options.votes < 2 or options.votes % 2:
        parser.error(f"--votes: {options.votes} is not an even number of at least 2")
    try:
        items = chosen_items(options.questions, options.items, options.seed)
        if not options.judge_only:
            draw(options, items)
        results = compare(options, items)
    except CrescentError as error:
        print(f"second_look.py: {error}", file=sys.stderr)
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("second_look.py: stopped; repeat the command to continue", file=sys.stderr)
        return 130
    print(json.dumps(results)) if options.json else print_tables(results)
    return 0


def chosen_items(path: Path, count: int, seed: int) -> list[BenchmarkItem]:
    """`count` items of the file, drawn by the seed; with a larger count the same ones come first."""
    items = list(load_benchmark("questions", BenchmarkConfig(source=str(path))).items)
    random.Random(f"items {seed}").shuffle(items)
    return items[:count]


# Drawing


def draw(options: argparse.Namespace, items: Sequence[BenchmarkItem]) -> None:
    """Draw what the file does not have yet, `AT_ONCE` questions at a time."""
    model = find_model(options.model)
    settings = {
        "model": model.sha256,
        "prompts": options.prompts,
        "second": options.second_prompt,
        "max_tokens": options.max_tokens,
        "temperature": options.temperature,
        "seed": options.seed,
    }
    rows = read_rows(options.draws, settings)
    owed = [item for item in items if not is_complete(rows, item, options.votes)]
    if not owed:
        return
    sampler = LlamaSampler(model.path, SamplingConfig(threads=options.threads))
    try:
        with options.draws.open("a", encoding="utf-8") as file:
            if file.tell() == 0:
                print(json.dumps({"settings": settings}), file=file, flush=True)
            drawing = _Drawing(options, sampler, file, rows)
            for start in range(0, len(owed), AT_ONCE):
                drawing.draw(owed[start : start + AT_ONCE])
                print(
                    f"{min(start + AT_ONCE, len(owed)):,} of {len(owed):,} questions, {drawing.speed}",
                    file=sys.stderr,
                )
    finally:
        sampler.close()


def bare_votes(votes: int) -> int:
    """Votes drawn on the bare question: some more than planned, to compare at equal tokens."""
    return votes + max(1, votes // 4)


def is_complete(rows: Rows, item: BenchmarkItem, votes: int) -> bool:
    """Whether everything was drawn for a question. A rewording that was not usable has no votes."""
    kinds = rows[item.item_id]
    needed = {"bare": bare_votes(votes), "second": votes // 2, "rewording": 1, "complete": 2}
    if any(len(kinds[kind]) < count for kind, count in needed.items()):
        return False
    return len(kinds["reworded"]) >= votes // 2 and (not _leader(kinds, votes) or len(_checks(kinds, votes)) == 2)


class _Drawing:
    """Draws in two waves: what needs only the question, then what needs its rewording and its majority."""

    def __init__(self, options: argparse.Namespace, sampler: Sampler, file: TextIO, rows: Rows) -> None:
        self._options, self._sampler, self._file, self._rows = options, sampler, file, rows
        self._prompts: PromptSet = load_prompt_set(options.prompts)
        self._generation = Generation(options.max_tokens, options.temperature)
        self._began = time.monotonic()

    @property
    def speed(self) -> str:
        """Tokens drawn per second so far."""
        return f"{self._sampler.usage.tokens / (time.monotonic() - self._began):.0f} tokens/s"

    def draw(self, items: Sequence[BenchmarkItem]) -> None:
        """Draw everything that these questions still need."""
        self._sample([request for item in items for request in self._first_wave(item)])
        self._sample([request for item in items for request in self._second_wave(item)])

    def _first_wave(self, item: BenchmarkItem) -> Iterator[Request]:
        votes = self._options.votes
        yield from self._missing(item, "bare", bare_votes(votes), item.question)
        second = self._prompts.for_evaluation(self._options.second_prompt).text
        yield from self._missing(item, "second", votes // 2, fill(second, question=item.question))
        reword = self._prompts.for_evaluation("reword").text
        yield from self._missing(item, "rewording", 1, fill(reword, question=item.question))
        complete = self._prompts.for_evaluation("complete").text
        yield from self._asked(item, "complete", fill(complete, question=item.question))

    def _second_wave(self, item: BenchmarkItem) -> Iterator[Request]:
        kinds, votes = self._rows[item.item_id], self._options.votes
        yield from self._missing(item, "reworded", votes // 2, reworded(item, kinds))
        if leader := _leader(kinds, votes):
            right = self._prompts.for_evaluation("right").text
            asked = fill(right, question=item.question, answer=leader.raw)
            yield from self._asked(item, f"right {leader.key}", asked)

    def _missing(self, item: BenchmarkItem, kind: str, count: int, user: str) -> Iterator[Request]:
        have = {row["index"] for row in self._rows[item.item_id][kind]}
        if indexes := tuple(index for index in range(count) if index not in have):
            yield Request(f"{kind}\n{item.item_id}", user, self._generation, indexes, seed=self._options.seed)

    def _asked(self, item: BenchmarkItem, kind: str, user: str) -> Iterator[Request]:
        have = {row["index"] for row in self._rows[item.item_id][kind]}
        if indexes := tuple(index for index in range(len(WORDS)) if index not in have):
            likelihood = Generation(self._options.max_tokens, logprobs=True)
            yield Request(f"{kind}\n{item.item_id}", user, likelihood, indexes, forced=WORDS)

    def _sample(self, requests: Sequence[Request]) -> None:
        for completion in self._sampler.sample(requests) if requests else ():
            row = _row(completion)
            print(json.dumps(row), file=self._file, flush=True)
            self._rows[row["item"]][row["kind"]].append(row)


def _row(completion: Completion) -> dict[str, Any]:
    kind, _, item = completion.key.partition("\n")
    return {
        "item": item,
        "kind": kind,
        "index": completion.sample_index,
        "text": completion.text,
        "finish": completion.finish_reason,
        "tokens": completion.tokens,
        "prompt_tokens": completion.prompt_tokens,
        "mean_logprob": completion.mean_logprob,
    }


def read_rows(path: Path, settings: Mapping[str, Any] | None) -> Rows:
    """What the file has. Raises CrescentError if it was drawn with other settings."""
    rows: Rows = defaultdict(lambda: defaultdict(list))
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # the line that was being written when the script was killed
        if "settings" in row:
            other = [name for name, value in (settings or {}).items() if row["settings"].get(name) != value]
            if other:
                raise UsageError(f"{path}: was drawn with another {other[0]}; name another file in --draws")
        else:
            rows[row["item"]][row["kind"]].append(row)
    return rows


# Comparing


def reworded(item: BenchmarkItem, kinds: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The rewording that was drawn; the question itself if there is none or it was cut off."""
    rewording = kinds["rewording"][0]
    return rewording["text"].strip() if rewording["finish"] == "stop" and rewording["text"].strip() else item.question


def _leader(kinds: Mapping[str, Sequence[Mapping[str, Any]]], votes: int) -> Any:
    """The answer that leads the planned votes, as written; None if none leads."""
    drawn = [each.vote for each in drawn_votes(kinds["bare"])[:votes]]
    key = counted(drawn).answer_key
    return next((find_answer(vote.text) for vote in drawn if vote.answer_key == key and key), None)


def _checks(kinds: Mapping[str, Sequence[Mapping[str, Any]]], votes: int) -> Sequence[Mapping[str, Any]]:
    leader = _leader(kinds, votes)
    return kinds[f"right {leader.key}"] if leader else ()


def drawn_votes(rows: Sequence[Mapping[str, Any]]) -> list[Drawn]:
    """Votes in the order of their indexes, with their answers read by the present rules."""
    found = []
    for number, row in enumerate(sorted(rows, key=lambda row: row["index"])):
        answer = find_answer(row["text"], finished=row["finish"] == "stop")
        key, form = (answer.key, answer.form) if answer else (None, None)
        found.append(Drawn(Vote(number, row["index"], row["text"], key, form, row["finish"]), row["tokens"]))
    return found


def check_of(rows: Sequence[Mapping[str, Any]]) -> Check | None:
    """A yes or no from its two rows."""
    if len(rows) < len(WORDS):
        return None
    yes, no = (row["tokens"] * (row["mean_logprob"] or 0.0) for row in sorted(rows, key=lambda row: row["index"]))
    return Check(yes - no, rows[0]["prompt_tokens"] + sum(row["tokens"] for row in rows))


def draws_of(kinds: Mapping[str, Sequence[Mapping[str, Any]]]) -> Draws:
    """What was drawn for one question, as the second looks read it."""
    forms: tuple[Kind, ...] = ("bare", "second", "reworded")
    number, votes = 0, {}
    for form in forms:
        drawn = []
        for each in drawn_votes(kinds[form]):
            vote = Vote(
                number,
                number,
                each.vote.text,
                each.vote.answer_key,
                each.vote.answer_form,
                each.vote.finish_reason,
            )
            drawn.append(Drawn(vote, each.tokens))
            number += 1
        votes[form] = drawn
    checks = {kind.removeprefix("right "): check_of(kinds[kind]) for kind in kinds if kind.startswith("right ")}
    return Draws(
        votes=votes,
        rewording_tokens=sum(row["tokens"] for row in kinds["rewording"]),
        is_complete=check_of(kinds["complete"]),
        is_right={key: check for key, check in checks.items() if check},
    )


@dataclass(frozen=True)
class Judged:
    """What a second look made of all questions, in their order."""

    name: str
    confidence: np.ndarray
    """0 for a question that gets no label at any floor."""
    right: np.ndarray
    """Whether the answer that would be learnt is right."""
    is_label: np.ndarray
    """Whether the question gets a label at the usual floor."""
    tokens: float
    """Mean tokens a question."""


def judge(look: SecondLook, items: Sequence[BenchmarkItem], draws: Sequence[Draws], votes: int) -> Judged:
    """Let a second look decide every question, and compare with the true answers."""
    looked = [look.look(each, votes) for each in draws]
    right = [
        each.chosen is not None
        and score(each.chosen.text, item.answer_key, question=item.question, gold=item.answer).flexible
        for item, each in zip(items, looked, strict=True)
    ]
    return Judged(
        look.name,
        np.array([each.confidence for each in looked]),
        np.array(right),
        np.array([each.is_label for each in looked]),
        float(np.mean([each.tokens for each in looked])),
    )


def precision_at(confidence: np.ndarray, right: np.ndarray, labels: float) -> float | None:
    """Fraction of right answers among the `labels` most confident questions; None if fewer have an answer.

    Of questions that tie at the border, a part is counted: the mean over their orders.
    """
    usable = confidence > 0
    if labels <= 0 or usable.sum() < labels - 1e-9:
        return None
    border = np.sort(confidence[usable])[::-1][int(np.ceil(labels - 1e-9)) - 1]
    above, tied = confidence > border, confidence == border
    rest = (labels - above.sum()) / tied.sum()
    return float((right[above].sum() + rest * right[tied].sum()) / labels)


def compare(options: argparse.Namespace, items: Sequence[BenchmarkItem]) -> dict[str, Any]:
    """Judge every second look on the questions that are complete."""
    rows, votes = read_rows(options.draws, None), options.votes
    complete = [item for item in items if is_complete(rows, item, votes)]
    if not complete:
        raise UsageError(f"{options.draws}: no question is complete yet; run without --judge-only")
    draws = [draws_of(rows[item.item_id]) for item in complete]
    plain = {count: judge(PLAIN, complete, draws, count) for count in range(votes, bare_votes(votes) + 1)}
    looks = [_against(judge(look, complete, draws, votes), plain, options.resamples) for look in LOOKS]
    usual = plain[votes]
    bare = [each.vote for found in draws for each in found.first("bare", votes)]
    return {
        "questions": len(complete),
        "votes": votes,
        "abstentions": sum(vote.answer_key is None for vote in bare) / len(bare),
        "cut_off": sum(vote.finish_reason != "stop" for vote in bare) / len(bare),
        "rewordings_unusable": sum(reworded(item, rows[item.item_id]) == item.question for item in complete)
        / len(complete),
        "looks": [_figures(usual), *looks],
    }


def _figures(judged: Judged) -> dict[str, Any]:
    labels = int(judged.is_label.sum())
    of = wilson(int(judged.right[judged.is_label].sum()), labels)
    count = len(judged.right)
    return {
        "name": judged.name,
        "tokens": round(judged.tokens),
        "labels": labels,
        "coverage": labels / count,
        "right": of.right,
        "precision": of.fraction,
        "low": of.low,
        "high": of.high,
        "at_coverage": {cover: precision_at(judged.confidence, judged.right, cover * count) for cover in COVERAGES},
    }


def _against(judged: Judged, plain: Mapping[int, Judged], resamples: int) -> dict[str, Any]:
    """The figures of a second look, and the plain majority with as many tokens at the same coverage.

    Where it gives more labels than the majority has answers, there is no comparison.
    """
    enough = [count for count, each in plain.items() if each.tokens >= judged.tokens]
    count = min(enough, default=max(plain))
    other = plain[count]
    found = _figures(judged) | {"majority_votes": count, "majority_tokens": round(other.tokens)}
    labels = float(judged.is_label.sum())
    majority = precision_at(other.confidence, other.right, labels)
    chance, differences = np.random.default_rng(0), []
    total = len(judged.right)
    for _ in range(resamples if majority is not None else 0):
        drawn = chance.integers(0, total, total)
        mine = judged.is_label[drawn]
        theirs = precision_at(other.confidence[drawn], other.right[drawn], float(mine.sum()))
        if mine.any() and theirs is not None:
            differences.append(judged.right[drawn][mine].mean() - theirs)
    low, high = np.quantile(differences, (0.025, 0.975)) if differences else (None, None)
    gain = None if majority is None else found["precision"] - majority
    return found | {
        "majority_precision": majority,
        "gain": gain,
        "gain_low": None if low is None else float(low),
        "gain_high": None if high is None else float(high),
        "verdict": _verdict(gain, low),
    }


def _verdict(gain: float | None, low: float | None) -> str:
    """What the figures say about making this a setting."""
    if gain is None or low is None:
        return "not comparable"
    if gain < WANTED:
        return "no"
    return "yes" if low > 0 else "perhaps: more questions"


def print_tables(results: Mapping[str, Any]) -> None:
    """Print the comparison for people."""
    print(
        f"{results['questions']:,} questions, {results['votes']} votes; of the votes on the bare question "
        f"{results['abstentions']:.1%} abstain and {results['cut_off']:.1%} are cut off; "
        f"{results['rewordings_unusable']:.1%} of the rewordings are unusable or the question itself"
    )
    print("\n| second look | tokens | labels | coverage | precision | majority there | gain, points | at least 5? |")
    print("|---|---|---|---|---|---|---|---|")
    for look in results["looks"]:
        precision = f"{look['precision']:.1%} ({look['low']:.1%} to {look['high']:.1%})" if look["labels"] else "-"
        compared = ("", "", "")
        if "verdict" in look:
            majority = f"{_percent(look['majority_precision'])} ({look['majority_votes']} votes)"
            gain = "-"
            if look["gain"] is not None and look["gain_low"] is not None:
                gain = f"{100 * look['gain']:+.1f} ({100 * look['gain_low']:+.1f} to {100 * look['gain_high']:+.1f})"
            compared = (majority, gain, look["verdict"])
        cells = (look["name"], f"{look['tokens']:,}", look["labels"], f"{look['coverage']:.1%}", precision, *compared)
        print(f"| {' | '.join(map(str, cells))} |")
    print(f"\n| precision at a coverage of | {' | '.join(f'{each:.0%}' for each in COVERAGES)} |")
    print(f"|---|{'---|' * len(COVERAGES)}")
    for look in results["looks"]:
        print(f"| {look['name']} | {' | '.join(map(_percent, look['at_coverage'].values()))} |")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


if __name__ == "__main__":
    sys.exit(main())
