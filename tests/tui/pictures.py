"""Pictures of every screen, made by the real app on a real run, for the docs.

    python tests/sample_run.py FOLDER         # some minutes: a run by the engine
    python tests/tui/pictures.py FOLDER       # writes an SVG of each screen to tui/pictures/
    python tests/tui/pictures.py              # the same of the stored sample run, except for the Compare screen

With a FOLDER the question of the Compare screen is answered live, and the Run screen is shown during a run: another
round is started in a copy of the workspace, and stopped when the picture has been taken.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tempfile
from contextlib import chdir, closing
from pathlib import Path

from sample_run import load_sample_run
from sample_workspace import agree, shown, until
from textual.pilot import Pilot
from tour import DISPUTED, still, tour

from crescent_lite.models import embedded_path
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace
from crescent_tui.app import CrescentApp

FOLDER = Path(__file__).parents[2] / "tui" / "pictures"
SIZE = (112, 34)
FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Removed because they name servers; any monospaced font will do."""
NOT_SHOWN = ("questions-rejected", "command-log", "all-settings")
LIVE_SECONDS = 600


async def take(folder: Path) -> None:
    """Take all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    app = CrescentApp(Workspace(folder))
    async with app.run_test(size=SIZE) as pilot:
        async for screen in tour(pilot):
            if screen == "compare":
                await ask_both(pilot)
            keep(app, screen)
        await pilot.press("escape", "1", "n")
        await agree(pilot, "Add a round to run")
        await until(pilot, lambda: "Round 3 of 3" in shown(app), LIVE_SECONDS)
        await until(pilot, lambda: re.search(r"step (8|9|\d\d) of", shown(app)) is not None, LIVE_SECONDS)
        keep(app, "run")
        await pilot.press("x")
        await agree(pilot, "Stop the run?")
        await until(pilot, lambda: "stopped" in shown(app), LIVE_SECONDS)


async def take_stored(workspace: Workspace) -> None:
    """Take the pictures that need no model."""
    app = CrescentApp(workspace)
    async with app.run_test(size=SIZE) as pilot:
        async for screen in tour(pilot):
            if screen != "compare":
                keep(app, screen)


async def ask_both(pilot: Pilot[None]) -> None:
    """Let the base and the kept round answer one question."""
    app = pilot.app
    assert isinstance(app, CrescentApp)
    app.question_id = DISPUTED
    await pilot.press("u", "ctrl+r")
    await until(pilot, lambda: shown(app).count("tokens") > 1, LIVE_SECONDS)
    await still(pilot)


def keep(app: CrescentApp, screen: str) -> None:
    """Write one picture, if the docs show this screen."""
    if screen in NOT_SHOWN:
        return
    picture = FONT_FACES.sub("", app.export_screenshot(title=f"crescent: {screen}"))
    (FOLDER / f"{screen}.svg").write_text(picture, encoding="utf-8")


def to_show(made: Path) -> Path:
    """A copy of the workspace and its base in the current folder, to keep local paths out of the pictures."""
    folder = Path(shutil.copytree(made, "maths"))
    (folder / "models").mkdir(exist_ok=True)
    model = Path(shutil.copy(embedded_path(), folder / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"))
    with closing(Store.open(folder / "crescent.db")) as store, store.database.transaction():
        store.database.write("UPDATE models SET path = ? WHERE kind = 'base'", [str(model)])
    with (folder / "crescent.toml").open("a") as settings:
        settings.write(f'\n[model]\nsource = "models/{model.name}"\n')
    return folder


if __name__ == "__main__":
    made = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as place, chdir(place):
        asyncio.run(take(to_show(made)) if made else take_stored(load_sample_run(Path("maths"))))
