"""Resolves paths in settings: a relative path starts in the workspace, so a run can be resumed from any folder.

If the workspace has no such file, the path starts in the current folder, as is expected of one typed after `--set`.
Example: settings_path("models/small.gguf", Path("maths")) -> Path("maths/models/small.gguf"), if that exists
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from crescent_lite.errors import ConfigError


def settings_path(text: str, folder: Path) -> Path:
    """The path that `text` means in the settings of the workspace `folder`. It may not exist.

    Raises ConfigError for a text that no file can have as its path.
    """
    path = Path(text)
    with contextlib.suppress(RuntimeError):  # "~name" of a user that this machine does not have
        path = path.expanduser()
    try:
        return folder / path if (folder / path).exists() else path
    except OSError as error:  # a name of more than 255 characters
        raise ConfigError(f"a path in the settings cannot be used: {text[:60]!r}...: {error.strerror}") from None
