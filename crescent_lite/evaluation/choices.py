"""Multiple choice: builds items with lettered options, and finds the option that a reply chose. Pure.

The question's text includes the options, lettered A, B, C ... whatever the data set calls them; the answer's key is
its letter. Either a reply is read for a letter, or the options are ranked by the likelihood that the model gives them
after the question, as lm-evaluation-harness does for ARC; small models are better at the latter. Knows no model and
no data set. Example:
    choice_item("1", "Which is a metal?", {"options": ["iron", "glass"], "gold": 0}, "options", "gold").question
    -> "Which is a metal?\\nA. iron\\nB. glass"
    score_choice("The answer is (A).", item) -> strict False, flexible True
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Any

from crescent_lite.answers.thoughts import why_unanswered
from crescent_lite.evaluation.letters import chosen_letter
from crescent_lite.records import Abstention, BenchmarkItem, Completion, ItemScore
from crescent_lite.rows import names_in, shortened

MAX_OPTIONS = 20
"""Most options of a question (guess)."""
RANKED_AFTER = "The answer is"
"""Beginning of the model's turn, which each option is tried to complete. Measured with a 0.5B model on 80 items of
ARC-Easy: 45% right with it, 34% without it. On 50 items answered by letter it had 20% right, which is chance."""


def choice_item(
    item_id: str, question: str, row: Mapping[str, Any], choices_field: str, answer_field: str
) -> BenchmarkItem:
    """Convert a row to an item. Its gold answer may be a label, a letter, an index from 0 or the text of an option.

    Raises ValueError with a message that says what is wrong with the row.
    """
    options, labels = _options(row, choices_field)
    gold = _gold_index(row, answer_field, options, labels)
    lettered = [f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False)]
    return BenchmarkItem(
        item_id, "\n".join((question, *lettered)), ascii_uppercase[gold], f"choice:{ascii_uppercase[gold]}"
    )


def score_choice(reply: str, item: BenchmarkItem, *, finished: bool = True) -> ItemScore:
    """Score a reply. Strict: it begins with the right letter. Flexible: it names the letter, or is that option.

    `finished`: False for a reply that was cut off.
    """
    _, options = stem_and_options(item)
    chosen, strict = chosen_letter(reply, options, finished=finished)
    return _scored(chosen, item, strict=strict, abstained=why_unanswered(reply, finished=finished))


def _scored(letter: str | None, item: BenchmarkItem, *, abstained: Abstention, strict: bool = True) -> ItemScore:
    if letter is None:
        return ItemScore(answer_raw=None, answer_key=None, strict=False, flexible=False, abstained=abstained)
    key = f"choice:{letter}"
    right = item.answer_key == key
    return ItemScore(answer_raw=letter, answer_key=key, strict=right and strict, flexible=right)


def stem_and_options(item: BenchmarkItem) -> tuple[str, dict[str, str]]:
    """Return the question without its options, and the options by letter."""
    lines = item.question.split("\n")
    first = max(number for number, line in enumerate(lines) if line.startswith("A. "))
    return "\n".join(lines[:first]), {line[0]: line[3:] for line in lines[first:]}


def choose(ranked: Sequence[Completion], item: BenchmarkItem) -> tuple[Completion, ItemScore]:
    """Return the option with the highest mean log-probability per token, and its score.

    The mean keeps long options from losing because of their length. If no option fitted into the context, the item
    has no answer.
    """
    best = max(ranked, key=lambda completion: (_mean_logprob(completion), -completion.sample_index))
    letter = None if best.mean_logprob is None else ascii_uppercase[best.sample_index]
    return replace(best, sample_index=0), _scored(letter, item, abstained="cut_off")


def _mean_logprob(completion: Completion) -> float:
    return -math.inf if completion.mean_logprob is None else completion.mean_logprob


def _options(row: Mapping[str, Any], field: str) -> tuple[Sequence[str], Sequence[str]]:
    """Return the texts of the options and the data set's labels for them (A, B, C ... where it has no labels)."""
    if field not in row:
        raise ValueError(f"no field {field!r}; its fields: {names_in(row)}")
    value, labels = row[field], row.get("labels")
    if isinstance(value, Mapping):
        value, labels = row[field].get("text"), row[field].get("label")
    if not isinstance(value, Sequence) or isinstance(value, str) or not 2 <= len(value) <= MAX_OPTIONS:
        raise ValueError(f"the field {field!r} is not a list of 2 to {MAX_OPTIONS} options")
    options = [" ".join(str(option).split()) for option in value if isinstance(option, str | int | float)]
    if len(options) < len(value) or not all(options) or len(set(options)) < len(options):
        raise ValueError(f"the field {field!r} has an option that is empty, repeated or not text")
    if labels is None:
        return options, list(ascii_uppercase[: len(options)])
    if not isinstance(labels, Sequence) or len(labels) != len(options) or len(set(map(str, labels))) < len(labels):
        raise ValueError(f"the labels of {field!r} do not match its {len(options)} options")
    return options, [str(label).strip() for label in labels]


def _gold_index(row: Mapping[str, Any], field: str, options: Sequence[str], labels: Sequence[str]) -> int:
    if field not in row:
        raise ValueError(f"no field {field!r}; its fields: {names_in(row)}")
    gold = "" if isinstance(row[field], bool) else str(row[field]).strip()
    if gold in labels:
        return labels.index(gold)
    if gold.isascii() and gold.isdigit() and int(gold) < len(options):
        return int(gold)
    if gold in options:
        return options.index(gold)
    raise ValueError(f"the answer {shortened(gold)!r} is not one of the options {shortened(', '.join(labels), 200)}")
