"""Half of the votes on the question, half on another form of it; a label only where both halves lead to one answer.

Source: Co-rewarding, arXiv 2508.00410, whose other form is a rewording. The halves of one form are the control: they
show what the demand for agreement is worth without another form.
"""

from __future__ import annotations

from dataclasses import replace

from second_looks.draws import Draws, Kind, Looked, by_share, counted


class AgreeingHalves:
    """The answer that leads in both halves; its share of all votes is the confidence."""

    def __init__(self, other: Kind) -> None:
        """`other`: how the second half of the votes is asked for."""
        self._other: Kind = other
        self.name = {
            "reworded": "both halves, one reworded",
            "second": "both halves, two prompts",
            "bare": "both halves, same prompt",
        }[other]

    def look(self, draws: Draws, votes: int) -> Looked:
        """Compare the two halves' leading answers."""
        half = votes // 2
        if self._other == "bare":
            drawn = draws.first("bare", 2 * half)
            one, other = drawn[:half], drawn[half:]
        else:
            one, other = draws.first("bare", half), draws.first(self._other, half)
        cost = draws.rewording_tokens if self._other == "reworded" else 0
        pooled = by_share([*one, *other], extra_tokens=cost)
        leaders = [counted([each.vote for each in part]) for part in (one, other)]
        agree = all(each.reason in ("agreed", "cut_off") for each in leaders) and (
            leaders[0].answer_key == leaders[1].answer_key
        )
        if agree and pooled.chosen and pooled.chosen.answer_key == leaders[0].answer_key:
            return pooled
        return replace(pooled, chosen=None, confidence=0.0, is_label=False)
