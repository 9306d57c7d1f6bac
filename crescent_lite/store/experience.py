"""What the earlier runs of a model in this database showed: lengths, yields and speeds, for an estimate of the next.

Reads only. Sums are over all runs of the base with the same prompt set; a speed is that of the latest stages.
Example: fetch_experience(database, base_id, "arithmetic", describe_machine()).kept -> 312
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crescent_lite.events import MachineNoted, Stage
from crescent_lite.store.database import Database
from crescent_lite.store.json_columns import json_object

PROMPT_WEIGHT = 0.5
"""Cost of reading a prompt token in drawn tokens, to share a stage's time between both. Measured: about 0.45 on two
cores. It hardly matters, because the next run has about the same mixture."""
LATEST = 3
"""Stages of one kind whose mean is the speed."""
OWN = "(external_id IS NOT NULL)"
"""Whether a question is from the user's file: such questions are judged less strictly, and get labels more often."""
STOPS = """(json_extract(r.config, '$.vote.stopping') IS NOT 'never'
    AND json_extract(r.config, '$.vote.policy') IS NOT 'reference')"""
"""Whether a run stops voting on a question that is decided."""
MIN_TOKENS = 500
"""A stage that drew fewer tokens tells no speed (guess)."""


@dataclass(frozen=True)
class Experience:
    """Counts over earlier runs; all 0 without any."""

    runs: tuple[int, ...] = ()
    """Numbers of the runs, newest first."""
    asked: int = 0
    """Texts without rewrites."""
    texts: int = 0
    text_tokens: int = 0
    kept: int = 0
    own_texts: int = 0
    """Questions from the user's file; they are not among `texts`."""
    own_kept: int = 0
    votes: int = 0
    """Votes on questions that are decided, of runs that may stop voting early."""
    planned_votes: int = 0
    """Votes planned for those questions."""
    drawn_votes: int = 0
    """All votes on questions that are decided."""
    vote_tokens: int = 0
    decided: int = 0
    """Decided questions that a model asked."""
    labels: int = 0
    own_decided: int = 0
    """Decided questions from the user's file."""
    own_labels: int = 0
    examples: int = 0
    example_tokens: int = 0
    trained_tokens: float = 0.0
    """Tokens of examples, times the epochs."""
    training_seconds: float = 0.0
    """Time of the optimiser's steps on these tokens."""
    training_start_seconds: float = 0.0
    """Mean time of a training before its first step."""
    replies: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(benchmark, prompt) -> mean length of a reply in tokens."""
    speeds: Mapping[tuple[Stage, bool], tuple[float, float]] = field(default_factory=dict)
    """(stage, with an adapter) -> tokens drawn per second, prompt tokens read per second."""


def fetch_experience(database: Database, base_id: int, prompt_set: str, machine: MachineNoted) -> Experience:
    """What earlier runs of the base showed. Speeds are taken from runs on `machine` only."""
    runs = tuple(
        row[0]
        for row in database.rows(
            """SELECT run_id FROM runs WHERE base_id = ? AND json_valid(config)
                AND json_extract(config, '$.run.prompts') = ? ORDER BY run_id DESC""",
            [base_id, prompt_set],
        )
    )
    if not runs:
        return Experience()
    here = tuple(run_id for run_id in runs if _was_on(database, run_id, machine))
    rounds = f"(SELECT round_id FROM rounds WHERE run_id IN ({', '.join(map(str, runs))}))"
    asked = database.row(
        f"""SELECT count(*) FILTER (WHERE ask_index IS NOT NULL AND NOT {OWN}), count(*) FILTER (WHERE NOT {OWN}),
            total(tokens) FILTER (WHERE NOT {OWN}), count(*) FILTER (WHERE verdict = 'kept' AND NOT {OWN}),
            count(*) FILTER (WHERE {OWN}), count(*) FILTER (WHERE verdict = 'kept' AND {OWN})
        FROM questions WHERE round_id IN {rounds} AND verdict IS NOT NULL"""
    )
    decided = database.row(
        f"""SELECT count(*) FILTER (WHERE NOT {OWN}), count(*) FILTER (WHERE decision = 'labelled' AND NOT {OWN}),
            count(*) FILTER (WHERE {OWN}), count(*) FILTER (WHERE decision = 'labelled' AND {OWN}),
            total(votes) FILTER (WHERE {STOPS}), total(planned) FILTER (WHERE {STOPS}), total(votes)
        FROM consensus JOIN questions USING (question_id) JOIN rounds USING (round_id) JOIN runs r USING (run_id)
        WHERE round_id IN {rounds}"""
    )
    vote_tokens = database.value(
        f"""SELECT total(v.tokens) FROM votes v JOIN consensus USING (question_id)
        JOIN questions USING (question_id) WHERE round_id IN {rounds}"""
    )
    assert asked and decided
    return Experience(
        runs=runs,
        asked=asked[0],
        texts=asked[1],
        text_tokens=int(asked[2]),
        kept=asked[3],
        own_texts=asked[4],
        own_kept=asked[5],
        votes=int(decided[4]),
        planned_votes=int(decided[5]),
        drawn_votes=int(decided[6]),
        vote_tokens=int(vote_tokens),
        decided=decided[0],
        labels=decided[1],
        own_decided=decided[2],
        own_labels=decided[3],
        **_trainings(database, runs, here),
        replies=_replies(database, base_id),
        speeds=_speeds(database, here),
    )


def _was_on(database: Database, run_id: int, machine: MachineNoted) -> bool:
    """Whether a run was last at work on a machine with the same processor, cores and GPUs."""
    found = database.value(
        "SELECT detail FROM events WHERE run_id = ? AND kind = 'MachineNoted' ORDER BY event_id DESC LIMIT 1",
        [run_id],
    )
    noted = json_object(found)
    return (noted.get("processor"), noted.get("cores"), tuple(noted.get("gpus", ()))) == (
        machine.processor,
        machine.cores,
        machine.gpus,
    )


def _trainings(database: Database, runs: tuple[int, ...], here: tuple[int, ...]) -> dict[str, Any]:
    rows = database.rows(
        f"""SELECT d.run_id, t.seconds, coalesce(json_extract(t.details, '$.epochs'), 1) AS epochs,
            s.seconds AS stage_seconds,
            (SELECT count(*) FROM examples e WHERE e.training_id = t.training_id) AS examples,
            (SELECT total(tokens) FROM examples e WHERE e.training_id = t.training_id) AS tokens
        FROM trainings t JOIN rounds d USING (round_id)
        JOIN stages s ON s.run_id = d.run_id AND s.round_number = d.number AND s.stage = 'train'
        WHERE d.run_id IN ({", ".join(map(str, runs))}) AND t.state = 'finished' AND t.seconds IS NOT NULL"""
    )
    found: dict[str, Any] = {
        "examples": sum(row["examples"] for row in rows),
        "example_tokens": int(sum(row["tokens"] for row in rows)),
    }
    if timed := [row for row in rows if row["run_id"] in here]:
        starts = [max(0.0, row["stage_seconds"] - row["seconds"]) for row in timed]
        found["trained_tokens"] = sum(row["tokens"] * float(row["epochs"]) for row in timed)
        found["training_seconds"] = sum(row["seconds"] for row in timed)
        found["training_start_seconds"] = sum(starts) / len(starts)
    return found


def _replies(database: Database, base_id: int) -> dict[tuple[str, str], float]:
    rows = database.rows(
        """SELECT b.name, e.prompt, avg(i.tokens) FROM evaluations e JOIN benchmarks b USING (benchmark_id)
        JOIN evaluated_items i USING (evaluation_id) WHERE e.model_id = ? GROUP BY 1, 2""",
        [base_id],
    )
    return {(row[0], row[1]): row[2] for row in rows}


def _speeds(database: Database, runs: tuple[int, ...]) -> dict[tuple[Stage, bool], tuple[float, float]]:
    rows = database.rows(
        f"""SELECT stage, round_number > (stage <> 'evaluate') AS adapted, seconds, tokens, prompt_tokens
        FROM stages WHERE run_id IN ({", ".join(map(str, runs))}) AND stage IN ('ask', 'vote', 'evaluate')
            AND tokens >= ? AND seconds > 0 ORDER BY run_id DESC, round_number DESC""",
        [MIN_TOKENS],
    )
    by_kind: dict[tuple[Stage, bool], list[tuple[float, float]]] = {}
    for row in rows:
        kind = row["stage"], bool(row["adapted"])
        by_kind.setdefault(kind, []).append((row["seconds"], row["tokens"] + PROMPT_WEIGHT * row["prompt_tokens"]))
    found = {}
    for kind, stages in by_kind.items():
        latest = stages[:LATEST]
        draw = sum(tokens for _, tokens in latest) / sum(seconds for seconds, _ in latest)
        found[kind] = (draw, draw / PROMPT_WEIGHT)
    return found
