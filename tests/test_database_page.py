"""docs/database.md is what the views and queries say, and each way to ask that it shows works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_page import GALLERY, PAGE, PLOTS, TOOLS, make_page, open_real_run

from crescent_lite.store import Store

BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", TOOLS, re.DOTALL)
DUCKDB = """
import duckdb, duckdb_extension_sqlite_scanner as package, pathlib
for extension in pathlib.Path(package.__file__).parent.rglob("*.duckdb_extension"):
    duckdb.sql(f"LOAD '{extension}'")
"""
"""Where there is a network, DuckDB fetches it by itself."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("real") / "data"
    folder.mkdir()
    store = open_real_run(folder)
    yield store
    store.close()


def test_the_page_is_what_is_made_of_the_views_and_queries(store: Store) -> None:
    assert PAGE.read_text(encoding="utf-8") == make_page(store), "run `python tests/database_page.py`"


def test_every_picture_of_the_page_is_there() -> None:
    pictures = re.findall(r"\(gallery/([a-z-]+)\.svg\)", PAGE.read_text(encoding="utf-8"))

    assert set(pictures) <= set(PLOTS)
    assert {path.stem for path in GALLERY.glob("*.svg")} == set(pictures)


@pytest.mark.slow
@pytest.mark.parametrize(("language", "code"), BLOCKS, ids=[code.split()[0] + code.split()[1] for _, code in BLOCKS])
def test_each_way_to_ask_that_the_page_shows_works(store: Store, language: str, code: str) -> None:
    folder = store.database.path.parents[1]
    if language == "sh":
        program = code.split()[0]
        if shutil.which(program, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") is None:
            pytest.skip(f"{program} is not installed here")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        command = ["bash", "-c", code]
        done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    else:
        if "duckdb" in code:
            pytest.importorskip("duckdb_extension_sqlite_scanner")
            code = DUCKDB + code
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert re.search(r"\d", done.stdout)
