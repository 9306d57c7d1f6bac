"""Prompt sets: folders of text files with declared placeholders, filled in one pass.

Owns which files a set has and which placeholders each file must contain; knows no model. LaTeX uses braces and
dollars, so only a declared `{name}` is replaced, and the text put in its place is not searched for more placeholders.
A set may vary its bait: `bait.topic.txt` holds the values of `{topic}`, one per line, and one of them is drawn each
time the model is asked for a question. A placeholder can have any name of two or more lower-case letters and
underscores.
Example: load_prompt_set("arithmetic").solve.text -> "{question} Reply with the number only."
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crescent_lite.errors import ConfigError
from crescent_lite.records import PromptText

PROMPT_DIR = Path(__file__).parent
PLACEHOLDERS = {"bait": (), "rewrite": ("question",), "solve": ("question",)}
"""The required files of a set, each with the placeholders it must contain. Any other file must contain {question}."""


def prompt_text(name: str, text: str) -> PromptText:
    """A prompt with its checksum."""
    return PromptText(name, text, hashlib.sha256(text.encode()).hexdigest())


BARE = prompt_text("bare", "{question}")
"""The prompt that consists of the question alone."""


@dataclass(frozen=True)
class PromptSet:
    """The prompts of a run."""

    name: str
    """Name of a set in this package, or the path of the user's folder, as configured."""
    folder: Path
    """Folder with the set's text files."""
    bait: PromptText
    """Makes the model write a question."""
    rewrite: PromptText
    """Makes the model change `{question}`, which is too close to the kept question `{similar}`."""
    solve: PromptText
    """Makes the model answer `{question}`; votes are drawn with this prompt."""
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each placeholder that varies the bait, its possible values, in the order of the file."""

    def checksums(self) -> dict[str, str]:
        """The sha256 of each prompt and each value list that a run uses, by name."""
        used = {prompt.name: prompt.sha256 for prompt in (self.bait, self.rewrite, self.solve)}
        lists = {
            f"{self.bait.name}.{name}": hashlib.sha256("\n".join(values).encode()).hexdigest()
            for name, values in self.choices.items()
        }
        return used | lists

    def for_evaluation(self, name: str) -> PromptText:
        """The prompt for a benchmark: BARE for 'bare', else the set's file `<name>.txt`. Raises ConfigError."""
        return BARE if name == "bare" else _read(self.folder, self.name, name)


def packaged_sets() -> tuple[str, ...]:
    """Names of the prompt sets in this package."""
    return tuple(sorted(path.name for path in PROMPT_DIR.iterdir() if (path / "bait.txt").is_file()))


def load_prompt_set(name: str) -> PromptSet:
    """A set of this package by name, or the user's own folder. Raises ConfigError."""
    folder = PROMPT_DIR / name if name in packaged_sets() else Path(name)
    if not folder.is_dir():
        raise ConfigError(
            f"run.prompts: {name!r} is no prompt set; use a folder or one of {', '.join(packaged_sets())}"
        )
    bait, rewrite, solve = (_read(folder, name, file) for file in PLACEHOLDERS)
    return PromptSet(name, folder, bait, rewrite, solve, _choices(folder))


def fill(text: str, **values: str) -> str:
    """Replace each `{name}` that has a value, in one pass; every other brace stays as it is."""
    pattern = re.compile("|".join(re.escape(f"{{{name}}}") for name in values))
    return pattern.sub(lambda found: values[found[0][1:-1]], text) if values else text


def _choices(folder: Path) -> dict[str, tuple[str, ...]]:
    """The value lists beside the bait (`bait.<placeholder>.txt`), by placeholder."""
    found = {}
    for path in sorted(folder.glob("bait.*.txt")):
        name = path.name.removeprefix("bait.").removesuffix(".txt")
        found[name] = tuple(line.strip() for line in _text(path).splitlines() if line.strip())
    return found


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig").rstrip("\n")
    except FileNotFoundError:
        raise ConfigError(f"{path}: this prompt is missing; add the file, or use another prompt") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    if not text.strip():
        raise ConfigError(f"{path}: is empty; write a prompt into it")
    return text


def _read(folder: Path, set_name: str, file: str) -> PromptText:
    path = folder / f"{file}.txt"
    text = _text(path)
    for placeholder in PLACEHOLDERS.get(file, ("question",)):
        if f"{{{placeholder}}}" not in text:
            raise ConfigError(f"{path}: must contain the placeholder {{{placeholder}}}")
    return prompt_text(f"{Path(set_name).name}/{file}", text)
