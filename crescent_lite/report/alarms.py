"""The alarms of a run in words: what each looks for, and what it saw after each round.

Reads the store; judges nothing. Example: standing_of(Alarm("length", False, "needs two rounds with 20 votes")) -> "-"
"""

from __future__ import annotations

from crescent_lite.report.content import Table
from crescent_lite.round_facts import Alarm
from crescent_lite.store import Run, Store

LOOKS_FOR = {
    "false_consensus": "The votes agree more and more while the model is right less often: it has talked itself "
    "into something.",
    "one_answer": "The model gives one and the same answer to a large part of all questions.",
    "few_answers": "Different questions come to ever fewer different answers.",
    "sameness": "The questions grow alike, or hardly any text is new any more.",
    "length": "Solutions grow or shrink a lot against the first round.",
    "broken_replies": "Replies to the benchmarks are cut off, or hold no answer, more often than the base's.",
    "format": "More of the right answers stand where nothing marks them as the answer: a habit of writing has "
    "changed, not skill.",
    "narrowing": "The model is right at once more often, but in any of several tries less often: it knows fewer "
    "ways.",
    "forgetting": "Benchmarks of other abilities have fallen.",
    "contamination": "The model writes down questions that it is measured with.",
}
MARKS = {"fired": "fired", "quiet": "quiet", "unknown": "too little known"}


def standing_of(alarm: Alarm) -> str:
    """One of MARKS: 'fired', 'quiet', or 'unknown' where there was too little to judge by."""
    if alarm.fired:
        return "fired"
    return "unknown" if alarm.words.startswith("needs ") else "quiet"


def alarms_tables(store: Store, run: Run) -> list[Table]:
    """The alarms that fired, and every alarm after every round."""
    rows = tuple(
        (f"round {number}", spaced_name(alarm.name), MARKS[standing_of(alarm)], alarm.words)
        for number, alarms in store.measures.fetch_alarms(run.run_id).items()
        for alarm in alarms
    )
    columns = ("round", "alarm", "state", "what was seen")
    fired = tuple(row for row in rows if row[2] == MARKS["fired"])
    return [Table("Alarms that fired", columns, fired), Table("Every alarm", columns, rows, folded=True)]


def fired_in_words(store: Store, run: Run) -> str:
    """In a sentence which alarms fired; empty where none was looked for."""
    found = store.measures.fetch_alarms(run.run_id)
    fired: dict[str, list[tuple[int, str]]] = {}
    for number, alarms in found.items():
        for alarm in alarms:
            if alarm.fired:
                fired.setdefault(alarm.name, []).append((number, alarm.words))
    if fired:
        return f"Alarms fired: {'; '.join(_fired(name, times) for name, times in fired.items())}."
    judged = [n for n, alarms in found.items() if any(standing_of(alarm) == "quiet" for alarm in alarms)]
    return f"No alarm fired after {_rounds(len(judged))} that could be judged." if judged else ""


def spaced_name(name: str) -> str:
    """'one_answer' as people write it."""
    return name.replace("_", " ")


def _rounds(count: int) -> str:
    return "the one round" if count == 1 else f"any of the {count} rounds"


def _fired(name: str, times: list[tuple[int, str]]) -> str:
    """'length after rounds 2, 3 (median 80 to 190 tokens)', in the words of the last time."""
    numbers = ", ".join(str(number) for number, _ in times)
    return f"{spaced_name(name)} after round{'s' if len(times) > 1 else ''} {numbers} ({times[-1][1]})"
