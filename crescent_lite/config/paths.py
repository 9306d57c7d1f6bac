"""Where a path of the settings leads: a relative one starts in the workspace, so a run goes on from any folder.

Where the workspace has nothing of that name, it starts in the current folder, as one typed after `--set` should.
Example: settings_path("models/small.gguf", Path("maths")) -> Path("maths/models/small.gguf"), where that is
"""

from __future__ import annotations

from pathlib import Path


def settings_path(text: str, folder: Path) -> Path:
    """The path that `text` means in the settings of the workspace `folder`. It need not be there."""
    path = Path(text).expanduser()
    return folder / path if (folder / path).exists() else path
