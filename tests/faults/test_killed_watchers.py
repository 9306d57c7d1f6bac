"""A TUI that dies, an engine that is killed while it is paused, and one that samples from a server."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from bed import (
    broken_invariants,
    count,
    crescent,
    crescent_command,
    environment,
    faults_of,
    orphans_of,
    shares,
    source,
    trials,
    what_was_said,
)
from kills import ForkServer, Work, lead_life, require_clean, stored
from server_stand_ins import Answer, Body, Vllm, stand_in
from small_workspace import make_workspace
from test_two_at_once import CHILD, NO_TRAINING, wait_for

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("share", shares(few=1, all_of_them=8, each=1), ids=str)
def test_an_engine_outlives_a_tui_that_dies(share: range, tmp_path: Path) -> None:
    terminals = pytest.importorskip("terminal", reason="needs a pty")
    for trial in share:
        folder, chance = tmp_path / str(trial), source("killed TUI", trial)
        workspace = make_workspace(folder, None, NO_TRAINING)
        terminal = terminals.Terminal(
            crescent_command("tui", "-w", str(folder)), columns=120, lines=40, environment=environment()
        )
        try:
            terminal.wait_for_text("no run yet", 120)
            terminal.press("s")
            terminal.wait_for_text("Start a new run?", 60)
            terminal.settle(0.5)
            terminal.press("enter")
            wait_for(lambda workspace=workspace: workspace.log_of(1).exists(), 120)
            time.sleep(chance.random() * 2)
            if trial % 2:  # the window is closed, without a signal
                os.close(terminal._main)
                os.close(terminal._side)
                terminal.process.wait(30)
                count("kills: TUI, by closing its terminal")
            else:
                terminal.process.send_signal(signal.SIGKILL)
                terminal.process.wait(30)
                count("kills: TUI")
            if trial % 4 > 1 and workspace.is_busy():
                pid = re.search(r"\d+", workspace._holder())
                if pid is not None:
                    os.kill(int(pid[0]), signal.SIGKILL)
                    count("kills: engine of a TUI")
        finally:
            if terminal.process.poll() is None:
                terminal.process.kill()
        wait_for(lambda workspace=workspace: not workspace.is_busy(), 300)
        assert not orphans_of(folder)
        ended = crescent("run", "--yes", "-w", str(folder), seconds=300)
        assert not faults_of(ended, [0, 5])  # 5: the run is finished already
        assert not broken_invariants(folder)
        shutil.rmtree(folder)


@pytest.mark.parametrize("share", shares(few=1, all_of_them=10, each=5), ids=str)
def test_an_engine_killed_while_it_is_paused_goes_on_without_the_pause(share: range, tmp_path: Path) -> None:
    for trial in share:
        folder, chance = tmp_path / str(trial), source("pause", trial)
        workspace = make_workspace(folder, None, NO_TRAINING)
        process = subprocess.Popen([*CHILD, str(folder)], env=environment())
        log = workspace.log_of(1)
        wait_for(lambda log=log: log.exists() and "StageProgressed" in log.read_text())
        time.sleep(chance.random() * 0.2)
        workspace.ask("pause")
        if chance.random() < 0.8:
            wait_for(lambda log=log: "RunPaused" in log.read_text())
        process.kill()
        process.wait()
        count("kills: pause")
        before = stored(folder)
        assert not broken_invariants(folder, at_rest=False)
        assert subprocess.run([*CHILD, str(folder)], env=environment(), timeout=120).returncode == 0
        assert before <= stored(folder)
        assert not broken_invariants(folder)


@pytest.mark.parametrize("share", shares(few=0, all_of_them=10, each=5), ids=str)
def test_a_killed_stop_and_a_killed_engine_that_is_stopping_leave_nothing(share: range, tmp_path: Path) -> None:
    for trial in share:
        folder, chance = tmp_path / str(trial), source("stop", trial)
        workspace = make_workspace(folder, None, NO_TRAINING)
        process = subprocess.Popen([*CHILD, str(folder)], env=environment(), stderr=subprocess.DEVNULL)
        log = workspace.log_of(1)
        wait_for(lambda log=log: log.exists() and "StageProgressed" in log.read_text())
        workspace.ask("stop")
        time.sleep(chance.random() * 0.8)  # an engine looks for requests twice a second
        process.kill()
        process.wait()
        count("kills: stop")
        before = stored(folder)
        assert subprocess.run([*CHILD, str(folder)], env=environment(), timeout=120).returncode == 0
        assert before <= stored(folder)
        assert not broken_invariants(folder)


class Sums(Vllm):
    """A server that asks and answers sums; each reply follows from the prompt and the seed."""

    def completion(self, body: Body, model: str) -> Answer:
        answer = super().completion(body, model)
        chance = random.Random(f"{body['prompt']} {body.get('seed')}")
        assert isinstance(answer.body, dict)
        for choice in answer.body["choices"]:
            first, second = chance.randint(1, 30), chance.randint(1, 30)
            choice["text"] = f" {first} + {second}?" if chance.random() < 0.5 else f" {first}"
        return answer


@pytest.mark.parametrize("share", shares(few=1, all_of_them=2, each=1), ids=str)
def test_a_run_on_a_server_killed_again_and_again(share: range, tmp_path: Path) -> None:
    for life in share:
        first, folder = tmp_path / "first", tmp_path / "maths"
        make_workspace(first, None, NO_TRAINING)
        with stand_in(Sums(first / "tiny.gguf")) as served, ForkServer() as server:
            for place in (first, folder):
                make_workspace(place, first / "tiny.gguf", NO_TRAINING)
                settings = place / "crescent.toml"
                settings.write_text(f'{settings.read_text()}\n[sampling]\nservers = ["{served.url}/v1"]\n')
            whole = server.do(Work("engine", (str(first), "real")), first)
            require_clean(whole, (0,), first)
            chance, kills = source("server", life), trials(3, 12)
            work = Work("engine", (str(folder), "real"))
            lead_life(server, work, folder, chance, kills=kills, writes=whole.writes, what="sampling from a server")
        assert {row[2] for row in what_was_said(folder)} == {row[2] for row in what_was_said(first)}
        shutil.rmtree(folder)
        shutil.rmtree(first)
