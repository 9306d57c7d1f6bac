"""Reads the user's own questions from a JSONL file; the run votes on them instead of asking its model for questions.

Each line is a JSON string, or an object with the text under `question` and optionally a name under `id`. Answers in
the file are ignored: labels come from the votes alone. Knows no model and no database. Example:
    load_question_file(Path("mine.jsonl")).of_round(1, 100)    # the first 100 questions
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.errors import ConfigError
from crescent_lite.files import JsonLine, json_lines
from crescent_lite.records import PromptText


@dataclass(frozen=True)
class OwnQuestion:
    """A question from the user's file."""

    name: str
    """The question's `id` in the file; 'line-7' where it has none."""
    text: str


@dataclass(frozen=True)
class QuestionFile:
    """The questions of one file. A run keeps the file's checksum and refuses to resume with a changed file."""

    name: str
    """The file's name without its folder."""
    sha256: str
    """Checksum of the file's bytes."""
    questions: tuple[OwnQuestion, ...]
    """In the file's order; at least one."""

    @property
    def as_prompt(self) -> PromptText:
        """The entry among the prompts that these questions refer to, as a baited question refers to its bait."""
        return PromptText(f"external/{self.name}", "", self.sha256)

    def of_round(self, number: int, count: int) -> tuple[OwnQuestion, ...]:
        """The questions of round `number` (from 1), `count` per round; empty once the file is used up."""
        return self.questions[(number - 1) * count : number * count]


def load_question_file(path: Path) -> QuestionFile:
    """Read a question file. Raises ConfigError, which names the line, for a file or line that cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"bait.file: no file {path}; check the path") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    questions = tuple(map(_question, json_lines(path, io.BytesIO(content), ConfigError)))
    if not questions:
        raise ConfigError(f"{path}: has no question; write one JSON string or object per line")
    return QuestionFile(path.name, hashlib.sha256(content).hexdigest(), questions)


def _question(line: JsonLine) -> OwnQuestion:
    text, name = line.value, None
    if isinstance(line.value, dict):
        text, name = line.value.get("question"), line.value.get("id")
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{line.where}: no question; write a string in quotes, or an object with a 'question'")
    is_name = isinstance(name, str | int) and not isinstance(name, bool)
    return OwnQuestion(str(name) if is_name else f"line-{line.number}", text)
