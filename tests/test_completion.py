"""The scripts that complete commands in a shell, and the man page: both are made from the parser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from man_page import PAGE, man_page

from crescent_lite.cli import main
from crescent_lite.cli.completion import SHELLS
from crescent_lite.errors import ExitCode


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == ExitCode.OK
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_knows_commands_their_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    assert all(word in text for word in ("rollback", "gguf", "votes", "q4_k_m"))


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_a_choice_of_an_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "crescent.bash"
    path.write_text(script("bash", capsys))
    words = "COMP_WORDS=(crescent export gguf --type q8); COMP_CWORD=4"
    asked = f'source {path}; {words}; _shtab_crescent; echo "$COMPREPLY"'
    assert subprocess.run(["bash", "-c", asked], capture_output=True, text=True).stdout.strip() == "q8_0"


def test_the_man_page_is_up_to_date() -> None:
    pytest.importorskip("argparse_manpage")
    assert PAGE.read_text(encoding="utf-8") == man_page(), "run `make docs`"
