"""Reads the user's own questions, from a JSONL file or a hub data set; a run votes on them and asks for none.

A line of a file is a JSON string, or an object with the text under `bait.question_field` and perhaps a name under
`id`, as in a row of a data set. Answers are not read: labels come from the votes alone. Knows no model and no
database. Example:
    load_question_file(Path("mine.jsonl")).of_round(1, 100)    # the first 100 questions
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescent_lite.config import BaitConfig
from crescent_lite.errors import ConfigError
from crescent_lite.files import JsonLine, json_lines
from crescent_lite.models.hub_rows import HUB, hub_rows
from crescent_lite.records import PromptText
from crescent_lite.rows import columns_of, text_field


@dataclass(frozen=True)
class OwnQuestion:
    """A question from the user's file or data set."""

    name: str
    """The question's `id` there; 'line-7' or 'row-7' where it has none."""
    text: str


@dataclass(frozen=True)
class QuestionFile:
    """The questions of one file or data set. A run keeps its checksum and refuses to resume with a changed one."""

    name: str
    """The file's name without its folder; 'hub:owner/repo' for a data set."""
    sha256: str
    """Checksum of the file's bytes, or of a data set's questions."""
    questions: tuple[OwnQuestion, ...]
    """In the file's order; at least one."""

    @property
    def as_prompt(self) -> PromptText:
        """The entry among the prompts that these questions refer to, as a baited question refers to its bait."""
        return PromptText(f"external/{self.name}", "", self.sha256)

    def of_round(self, number: int, count: int) -> tuple[OwnQuestion, ...]:
        """The questions of round `number` (from 1), `count` per round; empty once the file is used up."""
        return self.questions[(number - 1) * count : number * count]


def load_questions(bait: BaitConfig, *, offline: bool = False) -> QuestionFile:
    """The questions of `bait.file`, a path or a data set of the hub. `offline`: a data set only from its cache.

    Raises ConfigError, NetworkError or MissingPackageError.
    """
    if bait.file.startswith(HUB):
        return _hub_questions(bait, offline=offline)
    return load_question_file(Path(bait.file), bait.question_field)


def load_question_file(path: Path, field: str = "question") -> QuestionFile:
    """Read a question file. Raises ConfigError, which names the line, for a file or line that cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"bait.file: no file {path}; check the path") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; give a JSONL file, or hub:owner/repo") from None
    questions = tuple(_question(line, field) for line in json_lines(path, io.BytesIO(content), ConfigError))
    if not questions:
        raise ConfigError(f"{path}: has no question; write one JSON string or object per line")
    return QuestionFile(path.name, hashlib.sha256(content).hexdigest(), questions)


def _question(line: JsonLine, field: str) -> OwnQuestion:
    text, name = line.value, f"line-{line.number}"
    if isinstance(line.value, dict):
        name = _name(line.value, name)
        if field != "question":
            return OwnQuestion(name, text_field(line.where, line.value, field, ConfigError))
        text = line.value.get("question")
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{line.where}: no question; write a string in quotes, or an object with a 'question'")
    return OwnQuestion(name, text)


def _name(row: Mapping[str, Any], default: str) -> str:
    name = row.get("id")
    return str(name) if isinstance(name, str | int) and not isinstance(name, bool) else default


def _hub_questions(bait: BaitConfig, *, offline: bool) -> QuestionFile:
    """The questions of a data set; rows without a text are left out, since nobody here can correct them."""
    repo, columns = bait.file.removeprefix(HUB), columns_of(bait.question_field)
    what = f"bait.file: {repo}"
    rows = hub_rows(what, repo, bait.subset, bait.split, missing=ConfigError, columns=columns, offline=offline)
    questions = tuple(
        OwnQuestion(_name(row, default), text_field(where, row, bait.question_field, ConfigError))
        for where, default, row in rows
        if not any(column in row and not str(row[column] or "").strip() for column in columns)
    )
    if not questions:
        raise ConfigError(f"{what}: has no question in the split {bait.split!r}; see bait.question_field")
    digest = hashlib.sha256()
    for question in questions:
        digest.update(json.dumps([question.name, question.text]).encode() + b"\n")
    return QuestionFile(bait.file, digest.hexdigest(), questions)
