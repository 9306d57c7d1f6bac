"""Counting the hashes that texts share, with lists and with bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescent_lite.questions.postings import FEW, Postings, add_bits


def test_the_example_of_the_module() -> None:
    postings = Postings()
    postings.add([3, 7])
    postings.add([7, 9])
    assert postings.shared([7, 9]).tolist() == [1, 2]
    assert postings.shared([]).tolist() == [0, 0]
    assert Postings().shared([1]).tolist() == []


@given(st.lists(st.lists(st.booleans(), min_size=130, max_size=130), max_size=20))
@pytest.mark.slow
def test_bits_add_up(rows: list[list[bool]]) -> None:
    packed = [np.packbits([*row, *[False] * 62], bitorder="little").view(np.uint64) for row in rows]
    planes = add_bits(packed)
    sums = sum(
        np.unpackbits(plane.view(np.uint8), count=130, bitorder="little").astype(int) << place
        for place, plane in enumerate(planes)
    )
    assert np.array_equal(np.broadcast_to(sums, 130), np.sum(np.array(rows, dtype=int).reshape(-1, 130), axis=0))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([FEW - 1, FEW + 1, 3 * FEW]))
def test_lists_and_bits_count_alike(seed: int, texts: int) -> None:
    chance = np.random.default_rng(seed)
    has = chance.random((texts, 40)) < np.linspace(0.0, 1.0, 40)
    postings = Postings()
    for row in has:
        postings.add(np.flatnonzero(row).tolist())
    wanted = chance.choice(45, 20, replace=False).tolist()
    assert postings.shared(wanted).tolist() == has[:, [key for key in wanted if key < 40]].sum(axis=1).tolist()


@pytest.mark.parametrize("rest", [0, 1, 63, 64, 65])
def test_a_text_that_comes_later_than_a_hashs_last_bit(rest: int) -> None:
    postings = Postings()
    for _ in range(2 * FEW):
        postings.add([1])
    for _ in range(rest):
        postings.add([2])
    assert postings.shared([1]).tolist() == [1] * (2 * FEW) + [0] * rest
