"""2,000 hostile texts in a real terminal: only the app's own control sequences reach it."""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, filled_workspace

from crescent_lite.events import RoundFinished
from crescent_lite.records import ModelFile, QuestionVerdict
from crescent_lite.workspace import Workspace

terminals = pytest.importorskip("terminal", reason="needs a pty")

pytestmark = pytest.mark.slow
COUNT = 2000
PIECES = (
    "\x1b]52;c;aGFjaw==\x07", "\x1b]0;title\x07", "\x1b[2J", "\x1b[31m", "\x1b[?1049l", "\x1bc", "\x1bP+q544e\x1b\\",
    "\x1b_x\x1b\\", "\x1b]8;;file:///etc/passwd\x1b\\", "\x9b31m", "\x9d52;c;aGk=\x9c", "\x85", "\x90q\x9c", "\x07",
    "\x08\x08", "\x00", "\x7f", "\r", "\n\n", "\t", "\x0b\x0c\x0e\x0f", "[/]", "[bold", "[link=file:///x]y[/link]",
    "[@click=app.quit]q[/]", "\\[", "[$error]", "{}", "%s", "\u202e", "\u2066\u2069", "\u200b\u200d\ufeff",
    "\U000e0041", "漢字", "👩\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "\u0301" * 60, "ﷺ", "\u0600", "\u3164", "😀" * 30,
    "\u2028", "\ufffe", "plain words", "12 + 7 = 19?",
)  # fmt: skip
SEQUENCE = re.compile(
    rb"\x1b(?:\[[<-?]?[0-9:;]*[ -/]*[@-~]|\](\d*)[^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])"
)
NUMBERS = re.compile(rb"[0-9:;]+")
TABS = "123456789"


def hostile_text(drawn: random.Random) -> str:
    """A few pieces in a row; one text in two hundred is a line of a megabyte."""
    text = "".join(drawn.choice(PIECES) for _ in range(drawn.randint(1, 8)))
    return text * (1 + 1_000_000 // len(text)) if drawn.random() < 0.005 else text


def hostile_workspace(folder: Path) -> Workspace:
    """Questions, votes, model names, reasons and log lines with control sequences and markup."""
    drawn = random.Random(3)
    sample = SampleWorkspace(folder)
    with sample.store.database.transaction():
        sample.begin_run(base=hostile_text(drawn))
        sample.begin_round()
        for number in range(COUNT):
            text = hostile_text(drawn)
            kept = number % 2 == 0
            match = number if number % 4 == 3 else None
            verdict = QuestionVerdict("kept", "new", text) if kept else QuestionVerdict(
                "rejected", "near_duplicate" if match else "no_question", text, match, 91.0 if match else None
            )  # fmt: skip
            question_id = sample.ask(text, verdict, index=number)
            if kept:
                for index in range(2):
                    sample.vote(question_id, hostile_text(drawn), hostile_text(drawn)[:60], index)
                sample.conclude(question_id)
        for number in range(20):
            name = hostile_text(drawn)[:200]
            sample.store.runs.insert_model(
                ModelFile(name, Path(f"/gone/{number}"), f"{number:064}", name, "adapter"), sample.base_id
            )
        sample.note(RoundFinished(1, hostile_text(drawn)[:500]))
        sample.store.runs.set_state(sample.run_id, "failed", hostile_text(drawn)[:500])
    sample.store.close()
    logs = Workspace(folder).logs
    logs.mkdir()
    lines = [json.dumps({"at": hostile_text(drawn)[:40], "event": hostile_text(drawn)[:80]}) for _ in range(200)]
    (logs / "run-1.jsonl").write_text("\n".join([*lines, *map(hostile_text, [drawn] * 100)]), encoding="utf-8")
    (logs / "engine-output.txt").write_text("\n".join(hostile_text(drawn) for _ in range(200)), encoding="utf-8")
    return Workspace(folder)


def shapes(output: bytes) -> set[bytes]:
    """The control sequences in the output without their numbers, so that all colours and positions are equal."""
    return {
        b"OSC " + (found[1] or b"?") if found[0].startswith(b"\x1b]") else NUMBERS.sub(b"#", found[0])
        for found in SEQUENCE.finditer(output)
    }


def stray_controls(output: bytes) -> set[str]:
    """Control characters outside any sequence."""
    text = SEQUENCE.sub(b"", output).decode("utf-8", "replace")
    return {c for c in text if (ord(c) < 0x20 and c not in "\r\n\t") or 0x7F <= ord(c) < 0xA0}


def output_of_a_walk(workspace: Workspace, pages: int) -> bytes:
    """All output to the terminal during a walk through every screen."""
    command = [sys.executable, "-m", "crescent_lite.cli", "tui", "-w", str(workspace.folder)]
    with terminals.Terminal(command, columns=200, lines=60) as terminal:
        terminal.wait_for_text("Questions", 120)
        for tab in TABS:
            terminal.press("escape", tab)
            terminal.settle(0.2)
            for _ in range(pages if tab == "2" else 3):
                terminal.press("pagedown")
                terminal.settle(0.03)
            terminal.press("?")
            terminal.settle(0.2)
            terminal.press("escape")
        terminal.press("escape", "r")
        terminal.settle(0.2)
        terminal.press("escape", "q")
        assert terminal.process.wait(120) == 0
        assert terminal.modes_are_restored()
        return bytes(terminal.output)


def test_hostile_texts_send_nothing_to_the_terminal_that_harmless_ones_do_not(tmp_path: Path) -> None:
    harmless = output_of_a_walk(filled_workspace(tmp_path / "harmless").workspace, pages=2)
    hostile = output_of_a_walk(hostile_workspace(tmp_path / "hostile"), pages=50)

    assert stray_controls(hostile) == set()
    assert shapes(hostile) <= shapes(harmless)
