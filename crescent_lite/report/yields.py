"""The steps from a round's texts to its examples, with what is lost at each step.

Reads the store. Example: [step.name for step in flow_steps(store, round_)] ->
    ["texts", "usable", "new", "voted on", "labelled", "examples"]
"""

from __future__ import annotations

from crescent_lite.report.flow import FlowStep, fewest
from crescent_lite.store import Round, Store

REPEATS = ("near_duplicate", "same_template", "contaminated")
"""Reasons for rejecting a usable question that is not new; all other reasons reject texts that are not usable."""


def flow_steps(store: Store, this: Round) -> list[FlowStep]:
    """Each step with the items that do not go on to the next; an unfinished round shows how far it is."""
    counts = store.fetch_round_counts(this.round_id)
    unusable = [(_spaced(why), count) for why, count in counts.rejected.items() if why not in REPEATS]
    repeated = [(_spaced(why), count) for why, count in counts.rejected.items() if why in REPEATS]
    no_label = [(_spaced(why), count) for why, count in counts.no_label.items()]
    usable = counts.kept + sum(count for _, count in repeated)
    earlier = counts.examples - counts.own_examples
    return [
        FlowStep("texts", counts.texts, fewest([*unusable, ("not judged yet", counts.texts - counts.judged)])),
        FlowStep("usable", usable, fewest(repeated)),
        FlowStep("new", counts.kept, fewest([("not voted on yet", counts.kept - counts.voted)])),
        FlowStep("voted on", counts.voted, fewest([*no_label, ("not all votes yet", counts.voted - counts.decided)])),
        FlowStep("labelled", counts.labels, fewest([("not trained on", counts.labels - counts.own_examples)])),
        FlowStep("examples", counts.examples, joined=("of earlier rounds", earlier)),
    ]


def _spaced(reason: str) -> str:
    return reason.replace("_", " ")
