"""What becomes of a round's texts on the way from a bait to an example, in steps with their losses.

Reads the store. Example: [step.name for step in flow_steps(store, round_)] ->
    ["texts", "usable", "new", "voted on", "labelled", "learnt from"]
"""

from __future__ import annotations

from collections.abc import Sequence

from crescent_lite.report.flow import FlowStep, fewest
from crescent_lite.store import Round, Store

REPEATS = ("near_duplicate", "same_template", "contaminated")
"""Reasons of a usable question that is nothing new; every other reason is of a text that is no usable question."""


def flow_steps(store: Store, this: Round) -> list[FlowStep]:
    """Each step with what does not go on to the next. Of an unfinished round as far as it is."""
    verdicts = store.questions.count_verdicts(this.round_id)
    rejected = [(why or "", count) for (verdict, why), count in verdicts.items() if verdict == "rejected"]
    unjudged = sum(count for (verdict, _), count in verdicts.items() if verdict is None)
    texts = sum(verdicts.values())
    unusable = [(_spaced(why), count) for why, count in rejected if why not in REPEATS]
    repeated = [(_spaced(why), count) for why, count in rejected if why in REPEATS]
    usable = texts - unjudged - _total(unusable)
    new = usable - _total(repeated)
    voted = store.votes.count_voted(this.round_id)
    decisions = store.votes.count_decisions(this.round_id)
    no_label = [(_spaced(why), count) for (decision, why), count in decisions.items() if decision == "rejected"]
    labels = sum(count for (decision, _), count in decisions.items() if decision == "labelled")
    by_origin = store.trainings.count_examples_by_origin(this.round_id)
    own = by_origin.pop(this.round_id, 0)
    earlier = sum(by_origin.values())
    return [
        FlowStep("texts", texts, fewest([*unusable, ("not judged yet", unjudged)])),
        FlowStep("usable", usable, fewest(repeated)),
        FlowStep("new", new, fewest([("not voted on yet", new - voted)])),
        FlowStep("voted on", voted, fewest([*no_label, ("not all votes yet", voted - labels - _total(no_label))])),
        FlowStep("labelled", labels, fewest([("not learnt from", labels - own)])),
        FlowStep("examples", own + earlier, joined=("of earlier rounds", earlier)),
    ]


def _total(counted: Sequence[tuple[str, int]]) -> int:
    return sum(count for _, count in counted)


def _spaced(reason: str) -> str:
    return reason.replace("_", " ")
