"""Questions of a user's own, from a JSONL file: a run votes on them in place of the ones that its model would ask.

Each line is a text, or an object with a text under `question` and, if it likes, a name under `id`. No answer is read:
labels come from the votes alone. Example: load_question_file("mine.jsonl", Path("data")).of_round(1, 100)
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.config.paths import settings_path
from crescent_lite.errors import ConfigError
from crescent_lite.printable import has_surrogate
from crescent_lite.records import PromptText

MAX_LINE = 200_000
"""Characters of one line."""


@dataclass(frozen=True)
class OwnQuestion:
    """One of them."""

    name: str
    """What the file calls it, or 'line-7'."""
    text: str


@dataclass(frozen=True)
class QuestionFile:
    """All of them, frozen by the file's checksum."""

    name: str
    sha256: str
    questions: tuple[OwnQuestion, ...]

    @property
    def as_prompt(self) -> PromptText:
        """What stands in the database where a question that was asked has its bait."""
        return PromptText(f"external/{self.name}", "", self.sha256)

    def of_round(self, number: int, count: int) -> tuple[OwnQuestion, ...]:
        """The next `count` of them in each round, from 1; none when they are used up."""
        return self.questions[(number - 1) * count : number * count]


def load_question_file(source: str, folder: Path) -> QuestionFile:
    """Read a file; a relative path starts in the workspace `folder`. Raises ConfigError, which names the line."""
    path = settings_path(source, folder)
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").split("\n")
    except FileNotFoundError:
        raise ConfigError(f"bait.file: no file {path}") from None
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {number}: not UTF-8 text: {error.reason}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    questions = tuple(_question(path, number, line) for number, line in enumerate(lines, 1) if line.strip())
    if not questions:
        raise ConfigError(f"{path}: has no question")
    return QuestionFile(path.name, hashlib.sha256(content).hexdigest(), questions)


def _question(path: Path, number: int, line: str) -> OwnQuestion:
    where = f"{path}, line {number}"
    if len(line) > MAX_LINE:
        raise ConfigError(f"{where}: longer than {MAX_LINE:,} characters")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise ConfigError(f"{where}: not JSON; a text in quotes, or an object with a question, is needed") from None
    text, name = found, None
    if isinstance(found, dict):
        text, name = found.get("question"), found.get("id")
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{where}: no question; a text, or an object with a text under 'question', is needed")
    if has_surrogate(f"{name}{text}"):
        raise ConfigError(f"{where}: half of a character (a surrogate) stands alone in it; write the whole one")
    return OwnQuestion(str(name) if isinstance(name, str | int) else f"line-{number}", text)
