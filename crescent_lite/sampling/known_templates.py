"""Chat templates for a model whose GGUF has none or a broken one: known ones by name, or a file of the user's.

The known ones are files of `chat_templates/`, written after the documentation of the models that use them. Knows no
model. Example: template_text("chatml") -> "{% for message in messages %}..."
"""

from __future__ import annotations

from pathlib import Path

from crescent_lite.errors import ConfigError

FOLDER = Path(__file__).parent / "chat_templates"
KNOWN = tuple(sorted(path.stem for path in FOLDER.glob("*.jinja")))
"""The names of the known templates."""
MAX_FILE_BYTES = 1_000_000
"""A larger file is no chat template (guess)."""


def is_template_text(chosen: str) -> bool:
    """Whether a value of `model.chat_template` is a template itself, and not a name or a path."""
    return "{{" in chosen or "{%" in chosen or "\n" in chosen


def template_text(chosen: str) -> str:
    """The template that a value of `model.chat_template` means; '' for ''. Raises ConfigError.

    `chosen`: a name of KNOWN, the path of a file, or the text of a template.
    """
    if not chosen or is_template_text(chosen):
        return chosen
    path = FOLDER / f"{chosen}.jinja" if chosen in KNOWN else Path(chosen)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"model.chat_template: {path} is too large for a chat template; name a Jinja file")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        raise ConfigError(
            f"model.chat_template: {chosen!r} cannot be read: {reason}; give the path of a Jinja file or a known "
            f"template: {', '.join(KNOWN)}"
        ) from None
    except ValueError:  # not UTF-8, or a NUL in the path
        raise ConfigError(f"model.chat_template: {chosen!r} is not a text file in UTF-8") from None
    if not text.strip():
        raise ConfigError(f"model.chat_template: {chosen!r} is empty; give a Jinja file, or '' for the GGUF's own")
    return text
