"""The alarms of a run in words: what each alarm looks for, and what it found after each round.

Reads the store; judges nothing. Example: standing_of(Alarm("length", False, "needs two rounds with 20 votes")) -> "-"
"""

from __future__ import annotations

from crescent_lite.report.content import Table
from crescent_lite.round_facts import Alarm
from crescent_lite.store import Run, Store

LOOKS_FOR = {
    "false_consensus": "The votes agree more and more while the model is right less often: it reinforces its own "
    "errors.",
    "one_answer": "The model gives the same answer to a large part of all questions.",
    "few_answers": "Different questions get fewer and fewer different answers.",
    "sameness": "The questions become alike, or hardly any text is still new.",
    "length": "Solutions become much longer or much shorter than in the first round.",
    "broken_replies": "Replies to the benchmarks are cut off, or contain no answer, more often than the base's.",
    "format": "More right answers are not marked as the answer: the way of writing has changed, not the skill.",
    "narrowing": "The model is right more often at the first try but less often in any of several tries: it finds "
    "fewer ways to a solution.",
    "forgetting": "Scores on benchmarks of other abilities have fallen.",
    "contamination": "The model writes questions that are items of its benchmarks.",
}
"""What each alarm looks for."""
MARKS = {"fired": "fired", "quiet": "quiet", "unknown": "not enough data"}
"""The states of an alarm, with the words shown for each."""


def standing_of(alarm: Alarm) -> str:
    """The state of an alarm: 'fired', 'quiet', or 'unknown' if there was not enough data to judge."""
    if alarm.fired:
        return "fired"
    return "unknown" if alarm.words.startswith("needs ") else "quiet"


def alarms_tables(store: Store, run: Run) -> list[Table]:
    """Two tables: the alarms that fired, and every alarm after every round."""
    rows = tuple(
        (f"round {number}", spaced_name(alarm.name), MARKS[standing_of(alarm)], alarm.words)
        for number, alarms in store.measures.fetch_alarms(run.run_id).items()
        for alarm in alarms
    )
    columns = ("round", "alarm", "state", "what was found")
    fired = tuple(row for row in rows if row[2] == MARKS["fired"])
    return [Table("Alarms that fired", columns, fired), Table("Every alarm", columns, rows, folded=True)]


def fired_in_words(store: Store, run: Run) -> str:
    """One sentence on which alarms fired; empty if no alarm could be judged."""
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
    """The name of an alarm with spaces: 'one answer'."""
    return name.replace("_", " ")


def _rounds(count: int) -> str:
    return "the one round" if count == 1 else f"any of the {count} rounds"


def _fired(name: str, times: list[tuple[int, str]]) -> str:
    """An alarm and the rounds it fired after, such as 'length after rounds 2, 3 (median 80 to 190 tokens)', with the
    finding of the last one."""
    numbers = ", ".join(str(number) for number, _ in times)
    return f"{spaced_name(name)} after round{'s' if len(times) > 1 else ''} {numbers} ({times[-1][1]})"
