"""One thing in full: a question with its votes, the figures of a round, or the state of the latest run.

Reads the store into plain values and texts; prints nothing. Example: question_text(question_detail(store, 17))
"""

from __future__ import annotations

from typing import Any

from crescent_lite.errors import NotFoundError
from crescent_lite.printable import printable
from crescent_lite.store import RoundCounts, Store


def run_status(store: Store, *, engine_is_running: bool) -> dict[str, Any]:
    """The state of the latest run, by name. Raises NotFoundError."""
    run = store.runs.fetch_run()
    state = run.state
    if state == "running" and not engine_is_running:
        how = "`crescent run` resumes it" if run.kind == "improvement" else "repeat the command that started it"
        state = f"killed; {how}"
    rounds = store.runs.fetch_rounds(run.run_id)
    status: dict[str, Any] = {
        "run": run.run_id,
        "state": state,
        "reason": run.reason,
        "rounds": f"{sum(r.finished_at is not None for r in rounds)} of {run.rounds} done",
        "started": run.started_at,
        "finished": run.finished_at,
    }
    if rounds:
        status |= _figures(store.fetch_round_counts(rounds[-1].round_id))
    if rounds and (truth := store.fetch_label_truth(run.run_id, rounds[-1].number)):
        status["labels_right"] = truth.words
    status["thoughts"] = "; ".join(found.words for found in store.fetch_in_thoughts(run.run_id))
    if sampled_as := store.machine.fetch_effective(run.run_id).get("sampling.merge_adapters"):
        status["trained_model"] = f"sampled as {sampled_as}"
    status["alarms"] = "; ".join(
        f"round {number}: {alarm.name.replace('_', ' ')}, {alarm.words}"
        for number, alarms in store.measures.fetch_alarms(run.run_id).items()
        for alarm in alarms
        if alarm.fired
    )
    return status


def round_detail(store: Store, run_id: int, number: int | None) -> dict[str, Any]:
    """The figures of a round, by name; of the latest round without a number. Raises NotFoundError."""
    rounds = store.runs.fetch_rounds(run_id)
    if not rounds:
        raise NotFoundError(f"run {run_id} has no round yet; the first one begins after the base is measured")
    this = store.runs.fetch_round(run_id, number or rounds[-1].number)
    counts = store.fetch_round_counts(this.round_id)
    adapter = store.runs.fetch_model(this.adapter_id) if this.adapter_id else None
    return {
        "run": run_id,
        "round": this.number,
        "outcome": this.outcome or "unfinished",
        **_figures(counts),
        "labels_right": truth.words if (truth := store.fetch_label_truth(run_id, this.number)) else None,
        "thoughts": "; ".join(found.words for found in store.fetch_in_thoughts(run_id, this.number)),
        "examples": counts.examples,
        "adapter": str(adapter.path) if adapter else None,
        "adapter_sha256": adapter.sha256 if adapter else None,
        **{
            f"alarm_{alarm.name}": f"{'FIRED' if alarm.fired else 'quiet'}: {alarm.words}"
            for alarm in store.measures.fetch_alarms(run_id).get(this.number, [])
        },
    }


def question_detail(store: Store, question_id: int | None) -> dict[str, Any]:
    """A question, the reason why it was kept or rejected, and its votes, by name. Raises NotFoundError."""
    if question_id is None:
        raise NotFoundError("crescent show question: NUMBER is missing; e.g. `crescent show question 17`")
    found = store.questions.fetch_detail(question_id)
    if found is None:
        raise NotFoundError(
            f"question {question_id}: not in the database; `crescent query find-questions words=...` finds questions"
        )
    votes = store.votes.fetch_votes(found["question_id"])
    return {
        **dict(found),
        "notes": [note.text for note in store.notes.fetch(found["question_id"])],
        "drawn_votes": [
            {
                "sample_index": vote.sample_index,
                "answer_key": vote.answer_key,
                "finish_reason": vote.finish_reason,
                "abstained": vote.abstained,
                "kept": vote.vote_id == found["chosen_vote"],
                "text": vote.text,
            }
            for vote in votes
        ],
    }


def question_text(question: dict[str, Any]) -> str:
    """The detail of a question as text for a terminal."""
    lines = [
        f"question {question['question_id']} (run {question['run_id']}, round {question['round']})",
        "",
        _indented(question["text"]),
        "",
        f"{question['verdict'] or 'undecided'}: {question['reason'] or ''}",
    ]
    if question["match_text"]:
        match = question["benchmark_item"] or f"question {question['duplicate_of']}"
        lines += [
            f"too close to {match} (similarity {question['similarity']:.0f}):",
            _indented(question["match_text"]),
        ]
    if question["semantic_match"]:
        lines.append(
            f"nearest in meaning: question {question['semantic_match']} "
            f"(cosine {question['semantic_similarity']:.2f})"
        )
    if question["decision"]:
        lines.append(
            f"{question['decision']}: {question['decision_reason']}; leading answer {question['answer_key']}, "
            f"share {question['share']:.2f} of {question['votes']} votes ({question['planned']} planned, "
            f"{question['stopped'].replace('_', ' ')}), {question['abstentions']} abstained"
        )
    if question["own_answer"] is not None:
        lines.append(f"answer given with it: {_compared(question)}")
    for note in question["notes"]:
        lines += ["", "note:", _indented(note)]
    for vote in question["drawn_votes"]:
        mark = " (kept as the solution)" if vote["kept"] else ""
        lines += [
            "",
            f"vote {vote['sample_index'] + 1}: {_answer(vote)}, {vote['finish_reason']}{mark}",
            _indented(vote["text"]),
        ]
    return "\n".join(lines)


def _compared(question: dict[str, Any]) -> str:
    """The answer that came with a question, and whether the leading answer of the votes is the same."""
    given, key = question["own_answer"], question["own_answer_key"]
    if key is None:
        return f"{given}, which is no value that can be compared"
    if not question["decision"]:
        return f"{given} ({key})"
    return f"{given} ({key}); the leading answer is {'right' if key == question['answer_key'] else 'wrong'}"


def plain_text(values: dict[str, Any]) -> str:
    """One line for each name and value; empty values are left out."""
    return "\n".join(
        f"{name.replace('_', ' ')}: {printable(str(value))}"
        for name, value in values.items()
        if value not in (None, "")
    )


def _answer(vote: dict[str, Any]) -> str:
    """The answer of a vote, or why it has none."""
    if vote["answer_key"]:
        return str(vote["answer_key"])
    return "no answer: it never left its thoughts" if vote["abstained"] == "in_thoughts" else "no answer"


def _figures(counts: RoundCounts) -> dict[str, Any]:
    return {"questions": counts.texts, "kept": counts.kept, "votes": counts.votes, "labels": counts.labels}


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in printable(text).splitlines())
