"""5,952 replies and pairs of replies, labelled by people who had not seen the code: how many keys are wrong.

Set 1 was used to mend the reader; sets 2 and 3 were judged once before they were looked at. Example:
    {"set": 2, "kind": "ratio", "relation": "other", "a": "The ratio is 3:4.", "b": "The ratio is 4:3."}
"""

from __future__ import annotations

import json
import lzma
from collections import Counter
from pathlib import Path

import pytest

from crescent_lite.answers import find_answer

pytestmark = pytest.mark.slow
PAIRS = Path(__file__).with_name("answer_pairs.jsonl.xz")


@pytest.fixture(scope="module")
def outcomes() -> Counter[tuple[str, str]]:
    """(relation, how the keys compare) -> how often."""
    found = Counter[tuple[str, str]]()
    for line in lzma.decompress(PAIRS.read_bytes()).decode().splitlines():
        row = json.loads(line)
        answers = [
            find_answer(text, finished=row.get("finished", True)) for text in (row["a"], row["b"]) if text is not None
        ]
        keys = {answer.key if answer else None for answer in answers}
        found[row["relation"], "abstained" if None in keys else f"{len(keys)} keys"] += 1
    return found


def test_replies_with_different_values_hardly_ever_share_a_key(outcomes: Counter[tuple[str, str]]) -> None:
    assert outcomes["other", "1 keys"] <= 1  # of 2,652


def test_replies_with_the_same_value_mostly_share_a_key(outcomes: Counter[tuple[str, str]]) -> None:
    assert outcomes["same", "1 keys"] >= 1720  # of 2,100
    assert outcomes["same", "2 keys"] <= 2


def test_replies_without_a_value_seldom_have_a_key(outcomes: Counter[tuple[str, str]]) -> None:
    assert outcomes["none", "1 keys"] <= 8  # of 1,200: all of them in set 3
