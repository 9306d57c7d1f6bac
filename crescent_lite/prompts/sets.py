"""Prompt sets: folders of text files with declared placeholders, filled in one pass.

Owns which files a set has and which placeholders each must hold; knows no model. LaTeX has braces and dollars, so
nothing but a declared `{name}` is ever touched, and what is filled in is never filled again.
A set may vary its bait: `bait.topic.txt` holds one value of `{topic}` a line, and each time the model is asked, one
of them is drawn. Any word will do in place of "topic".
Example: load_prompt_set("arithmetic").solve.text -> "{question} Reply with the number only."
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crescent_lite.config.paths import settings_path
from crescent_lite.errors import ConfigError
from crescent_lite.records import PromptText

PROMPT_DIR = Path(__file__).parent
PLACEHOLDERS = {"bait": (), "rewrite": ("question",), "solve": ("question",)}
"""The files of a set, each with the placeholders it must hold. Any other file must hold {question}."""


def prompt_text(name: str, text: str) -> PromptText:
    """A prompt with its checksum."""
    return PromptText(name, text, hashlib.sha256(text.encode()).hexdigest())


BARE = prompt_text("bare", "{question}")
"""The question alone."""


@dataclass(frozen=True)
class PromptSet:
    """The prompts of a run."""

    name: str
    folder: Path
    bait: PromptText
    """Makes the model write a question."""
    rewrite: PromptText
    """Makes it change `{question}`, which is too close to `{similar}`."""
    solve: PromptText
    """Makes it answer `{question}`; votes are drawn with it."""
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The values of each placeholder by which the bait is varied, in the order of their file."""

    def checksums(self) -> dict[str, str]:
        """The sha256 of each file that a run is made from, by its name."""
        used = {prompt.name: prompt.sha256 for prompt in (self.bait, self.rewrite, self.solve)}
        lists = {
            f"{self.bait.name}.{name}": hashlib.sha256("\n".join(values).encode()).hexdigest()
            for name, values in self.choices.items()
        }
        return used | lists

    def for_evaluation(self, name: str) -> PromptText:
        """'bare', or the file `<name>.txt` of the set. Raises ConfigError."""
        return BARE if name == "bare" else _read(self.folder, self.name, name)


def load_prompt_set(name: str, workspace: Path = Path()) -> PromptSet:
    """A set of this package by name, or a folder of the user's own. Raises ConfigError."""
    own = sorted(path.name for path in PROMPT_DIR.iterdir() if (path / "bait.txt").is_file())
    folder = PROMPT_DIR / name if name in own else settings_path(name, workspace)
    if not folder.is_dir():
        raise ConfigError(f"run.prompts: {name!r} is neither a folder nor one of {', '.join(own)}")
    bait, rewrite, solve = (_read(folder, name, file) for file in PLACEHOLDERS)
    return PromptSet(name, folder, bait, rewrite, solve, _choices(folder))


def fill(text: str, **values: str) -> str:
    """Replace each `{name}` that has a value, all at once."""
    pattern = re.compile("|".join(re.escape(f"{{{name}}}") for name in values))
    return pattern.sub(lambda found: values[found[0][1:-1]], text) if values else text


def _choices(folder: Path) -> dict[str, tuple[str, ...]]:
    """The lists beside the bait, by the placeholder that each one fills."""
    found = {}
    for path in sorted(folder.glob("bait.*.txt")):
        name = path.name.removeprefix("bait.").removesuffix(".txt")
        found[name] = tuple(line.strip() for line in _text(path).splitlines() if line.strip())
    return found


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig").rstrip("\n")
    except FileNotFoundError:
        raise ConfigError(f"{path}: this prompt is missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    if not text.strip():
        raise ConfigError(f"{path}: is empty")
    return text


def _read(folder: Path, set_name: str, file: str) -> PromptText:
    path = folder / f"{file}.txt"
    text = _text(path)
    for placeholder in PLACEHOLDERS.get(file, ("question",)):
        if f"{{{placeholder}}}" not in text:
            raise ConfigError(f"{path}: must hold {{{placeholder}}}")
    return prompt_text(f"{Path(set_name).name}/{file}", text)
