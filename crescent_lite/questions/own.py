"""Reads the user's own questions, from a JSONL file or a hub data set; a run votes on them and asks for none.

A line of a file is a JSON string, or an object with the text under `bait.question_field` and perhaps a name under
`id` and an answer, as in a row of a data set. An answer tells afterwards whether the label is right; labels come from
the votes alone. Knows no model and no database. Example:
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

from crescent_lite.answers.given import read_given_answer
from crescent_lite.config import BaitConfig
from crescent_lite.errors import ConfigError
from crescent_lite.files import JsonLine, json_lines
from crescent_lite.models.hub_rows import HUB, hub_rows
from crescent_lite.records import GivenAnswer, PromptText
from crescent_lite.rows import columns_of, shortened, text_field


@dataclass(frozen=True)
class OwnQuestion:
    """A question from the user's file or data set."""

    name: str
    """The question's `id` there; 'line-7' or 'row-7' where it has none."""
    text: str
    answer: GivenAnswer | None = None
    """The right answer that came with it; None without one."""


@dataclass(frozen=True)
class QuestionFile:
    """The questions of one file or data set. A run keeps its checksum and refuses to resume with a changed one."""

    name: str
    """The file's name without its folder; 'hub:owner/repo' for a data set."""
    sha256: str
    """Checksum of the file's bytes, or of a data set's questions and those answers that are read."""
    questions: tuple[OwnQuestion, ...]
    """In the file's order; at least one."""

    @property
    def as_prompt(self) -> PromptText:
        """The entry among the prompts that these questions refer to, as a baited question refers to its bait."""
        return PromptText(f"external/{self.name}", "", self.sha256)

    @property
    def answers_in_words(self) -> str:
        """How many of the questions have a right answer, and how many of those cannot be read; '' without any."""
        given = [each.answer for each in self.questions if each.answer]
        if not given:
            return ""
        unreadable = [each.text for each in given if each.key is None]
        said = f"{len(given):,} of {len(self.questions):,} questions in {self.name} come with an answer"
        if not unreadable:
            return f"{said}, with which labels will be compared"
        first = shortened(unreadable[0], 30)
        return f"{said}; {len(unreadable):,} of these are no value that can be compared, such as '{first}'"

    def of_round(self, number: int, count: int) -> tuple[OwnQuestion, ...]:
        """The questions of round `number` (from 1), `count` per round; empty once the file is used up."""
        return self.questions[(number - 1) * count : number * count]


def load_questions(bait: BaitConfig, *, offline: bool = False) -> QuestionFile:
    """The questions of `bait.file`, a path or a data set of the hub. `offline`: a data set only from its cache.

    Raises ConfigError, NetworkError or MissingPackageError.
    """
    if bait.file.startswith(HUB):
        return _hub_questions(bait, offline=offline)
    return load_question_file(Path(bait.file), bait.question_field, bait.answer_field)


def load_question_file(path: Path, field: str = "question", answer_field: str = "") -> QuestionFile:
    """Read a question file. Raises ConfigError, which names the line, for a file or line that cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"bait.file: no file {path}; check the path") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; give a JSONL file, or hub:owner/repo") from None
    lines = json_lines(path, io.BytesIO(content), ConfigError)
    questions = tuple(_question(line, field, answer_field or "answer") for line in lines)
    if not questions:
        raise ConfigError(f"{path}: has no question; write one JSON string or object per line")
    if answer_field:
        _require_answers(str(path), questions, answer_field)
    return QuestionFile(path.name, hashlib.sha256(content).hexdigest(), questions)


def _question(line: JsonLine, field: str, answer_field: str) -> OwnQuestion:
    text, name, answer = line.value, f"line-{line.number}", None
    if isinstance(line.value, dict):
        name, answer = _name(line.value, name), _answer(line.value, answer_field)
        if field != "question":
            return OwnQuestion(name, text_field(line.where, line.value, field, ConfigError), answer)
        text = line.value.get("question")
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{line.where}: no question; write a string in quotes, or an object with a 'question'")
    return OwnQuestion(name, text, answer)


def _answer(row: Mapping[str, Any], field: str) -> GivenAnswer | None:
    """The right answer of a row; None where there is none. What is neither text nor a number is unreadable."""
    value = row.get(field)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        return GivenAnswer(shortened(value), None)
    return read_given_answer(value.strip())


def _require_answers(where: str, questions: tuple[OwnQuestion, ...], field: str) -> None:
    """Raise ConfigError if no row has an answer where the user said that they have."""
    if not any(each.answer for each in questions):
        raise ConfigError(f"{where}: no question has an answer under {field!r}; see bait.answer_field")


def _name(row: Mapping[str, Any], default: str) -> str:
    name = row.get("id")
    return str(name) if isinstance(name, str | int) and not isinstance(name, bool) else default


def _hub_questions(bait: BaitConfig, *, offline: bool) -> QuestionFile:
    """The questions of a data set; rows without a text are left out, since nobody here can correct them."""
    repo, columns = bait.file.removeprefix(HUB), columns_of(bait.question_field)
    read = (*columns, bait.answer_field) if bait.answer_field else columns
    what = f"bait.file: {repo}"
    rows = hub_rows(what, repo, bait.subset, bait.split, missing=ConfigError, columns=read, offline=offline)
    questions = tuple(
        OwnQuestion(
            _name(row, default),
            text_field(where, row, bait.question_field, ConfigError),
            _answer(row, bait.answer_field) if bait.answer_field else None,
        )
        for where, default, row in rows
        if not any(column in row and not str(row[column] or "").strip() for column in columns)
    )
    if not questions:
        raise ConfigError(f"{what}: has no question in the split {bait.split!r}; see bait.question_field")
    if bait.answer_field:
        _require_answers(what, questions, bait.answer_field)
    digest = hashlib.sha256()
    for question in questions:
        told = [question.name, question.text, *([question.answer.text] if question.answer else [])]
        digest.update(json.dumps(told).encode() + b"\n")
    return QuestionFile(bait.file, digest.hexdigest(), questions)
