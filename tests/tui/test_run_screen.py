"""The Run screen on a real database that is written while the screen is open."""

import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, agree, filled_workspace, shown, shown_words, until
from textual.widgets import Button, Static

from crescent_lite.config import Config
from crescent_lite.events import StageFinished
from crescent_lite.following.throughput import Throughput
from crescent_lite.intervals import wilson
from crescent_lite.store.watching import ScoreCount
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.machine import NvidiaGpu
from crescent_tui.app import LIGHT, CrescentApp
from crescent_tui.content import run as run_content
from crescent_tui.content.doctor import doctor_report
from crescent_tui.sources.child_process import command_line
from crescent_tui.sources.machine_load import CpuLoad, GpuLoad, MachineLoad, gpu_load

pytestmark = pytest.mark.asyncio


async def test_an_empty_workspace_shows_how_to_start(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path / "nothing-here"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Press  s  to start a run" in shown(app))
        assert "no run yet" in shown(app)
    assert not (tmp_path / "nothing-here").exists()


@pytest.mark.slow
async def test_a_run_that_begins_appears_without_a_key_press(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no run yet" in shown(app))
        sample = SampleWorkspace(tmp_path)
        sample.begin_run()
        await until(pilot, lambda: "Base, then 2 rounds" in shown(app))


@pytest.mark.slow
async def test_a_new_vote_appears_without_a_key_press(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    question_id = sample.ask("What is 2 + 3?")
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "0 of 8" in shown(app))
        sample.vote(question_id, "It is 5.", "5", 0)
        await until(pilot, lambda: "1 of 8" in shown(app))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
@pytest.mark.slow
async def test_the_whole_round_fits_the_terminal(tmp_path: Path, size: tuple[int, int]) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "round 1   35.8%" in shown(app))
        text = shown(app)
    assert [len(line) for line in text.splitlines()] == [size[0]] * size[1]
    for fact in ("40 of 40", "14 of 40", "112 of 112", "11 of 14", "120 of 120", "181 of 240", "0.46", "q Quit"):
        assert fact in text


def log(sample: SampleWorkspace, *events: dict[str, object]) -> None:
    """Append events to the run's log file, a second apart, the last one now."""
    sample.workspace.logs.mkdir(exist_ok=True)
    begin = datetime.now(UTC) - timedelta(seconds=len(events))
    with sample.workspace.log_of(sample.run_id).open("a") as file:
        for second, event in enumerate(events, 1):
            file.write(json.dumps({"at": (begin + timedelta(seconds=second)).isoformat(), **event}) + "\n")


def voted(done: int) -> dict[str, object]:
    return {"event": "StageProgressed", "stage": "vote", "done": done, "total": 320, "tokens": 50 * done, "note": ""}


@pytest.mark.slow
async def test_the_pace_of_an_engine_at_work_is_shown(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    sample.ask("What is 2 + 3?")
    log(
        sample,
        {"event": "StageStarted", "round": 1, "stage": "vote", "done": 0, "total": 320},
        *map(voted, range(1, 31)),
    )
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no engine is working on this run" in shown(app))
        with sample.workspace.lock():
            await until(pilot, lambda: "60 votes per minute" in shown(app))
            assert "60 per minute, 5 min left" in shown(app)
            assert "50 tokens per second" in shown(app)
            assert "████████" in shown(app)
            log(sample, {"event": "RunPaused"})
            await until(pilot, lambda: "tokens per second, paused" in shown(app))
        await until(pilot, lambda: "no engine is working on this run" in shown(app))


@pytest.mark.slow
async def test_of_two_runs_in_state_running_the_one_with_the_newer_log_is_active(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    log(sample, {"event": "StageStarted", "round": 1, "stage": "vote", "done": 0, "total": 320})
    killed = sample.run_id
    sample.begin_run()
    log(sample, {"event": "StageStarted", "round": 1, "stage": "vote", "done": 0, "total": 320})
    os.utime(sample.workspace.log_of(killed), (1, 1))
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        with sample.workspace.lock():
            await until(pilot, lambda: "running" in shown(app).splitlines()[0])
            app.choose_run(killed)
            await until(pilot, lambda: "run 1 · killed" in shown(app))
            os.utime(sample.workspace.log_of(sample.run_id), (0, 0))
            await until(pilot, lambda: "running" in shown(app).splitlines()[0])


async def test_several_samples_per_item_are_distinguished_from_greedy_answers(tmp_path: Path) -> None:
    counts = [ScoreCount(0, "gsm8k", "word-problems/solve", 100 * n, 100 * n, 50 * n, n) for n in (1, 8)]
    said = run_content.scores((count, wilson(count.right, count.items)) for count in counts).plain
    assert said.splitlines()[::2] == ["gsm8k, solve", "gsm8k, solve, 8 samples per item"]


async def test_a_long_silence_of_the_engine_is_shown(tmp_path: Path) -> None:
    text = run_content.now(Throughput("vote", items_per_minute=3.0), quiet_seconds=95).plain
    assert "no item for 1:35" in text
    assert (
        "no item"
        not in run_content.now(Throughput("vote", items_per_minute=3.0, paused=True), quiet_seconds=95).plain
    )


async def test_second_opinions_have_a_name_on_the_screens(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    stage = {"stage": "second_opinion", "done": 0, "total": 20}
    log(
        sample,
        {"event": "StageStarted", "round": 0, **stage},
        *({"event": "StageProgressed", **stage, "done": n, "tokens": 0, "note": "right"} for n in range(1, 11)),
    )
    sample.note(StageFinished(0, "second_opinion", 9.0, 0, 20))
    app = CrescentApp(sample.workspace)
    with sample.workspace.lock():
        async with app.run_test(size=(140, 24)) as pilot:
            await until(pilot, lambda: "60 replies per minute" in shown(app))
            assert "second opinions, 10 of 20" in shown(app)
            assert "run 1 · second opinions · running" in shown(app)
            assert "second opinions: 20 done in 0:09" in shown(app)
            assert "tokens per second" not in shown(app)


async def test_the_machine_has_meters(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: re.search(r"CPU  [━╌]", shown(app)) and "GiB" in shown(app))


async def test_a_machine_without_a_gpu_has_no_meters_for_it() -> None:
    lines = run_content.meters(MachineLoad(0.5, 2**30, 2**32), 36).plain.splitlines()
    assert lines[1].endswith("1.0 of 4.0 GiB")
    assert [line.split() for line in lines[2:]] == [["GPU", "n/a"], ["VRAM", "n/a"]]
    lines = run_content.meters(MachineLoad(0.5, 2**30, 2**32, GpuLoad(0.45, 2**30, 2**32)), 36).plain.splitlines()
    assert lines[2].endswith("45%") and lines[3].endswith("1.0 of 4.0 GiB")


async def test_several_gpus_share_a_line() -> None:
    load = MachineLoad(0.5, 2**30, 2**32, GpuLoad(0.45, 2**30, 2**32, count=2))
    assert run_content.meters(load, 36).plain.splitlines()[2].startswith("GPUs")


async def test_the_load_is_that_of_the_quota(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "sys/fs/cgroup/cpu.max": "1000 100000\n",
        "sys/fs/cgroup/cpu.stat": "usage_usec 0\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    load = CpuLoad(tmp_path)
    assert load.since_last_call() == 0
    (tmp_path / "sys/fs/cgroup/cpu.stat").write_text("usage_usec 1000000000\n")
    assert load.since_last_call() == 1


@pytest.mark.parametrize(
    ("memory", "busy", "load"),
    [
        ([], [], None),
        ([(None, None)], [0.5], None),
        ([(1, 4)], [None], GpuLoad(None, 1, 4)),
        ([(1, 4), (0, 4)], [0.45, 0.55], GpuLoad(0.5, 1, 8, count=2)),
    ],
)
async def test_the_loads_of_several_gpus_are_added_up(
    memory: list[tuple[int | None, int | None]], busy: list[float | None], load: GpuLoad | None
) -> None:
    gpus = [NvidiaGpu("A", "5", total, used, share) for (used, total), share in zip(memory, busy, strict=True)]
    assert gpu_load(gpus) == load


async def test_a_curve_begins_at_zero_and_shows_the_newest() -> None:
    assert run_content.curve((9.0, 4.0, 8.0, 0.0, 0.01), 4, 1).plain == "▄█ ▁"
    assert run_content.curve((4.0, 8.0), 4, 2).plain == " █\n██"
    assert run_content.curve((), 4, 2).plain == run_content.curve((0.0,), 4, 2).plain == ""


async def test_a_distillation_shows_what_it_learns_from_and_no_asking(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    runs = sample.store.runs
    sample.run_id = runs.insert_run("improvement", sample.base_id, {}, teacher_id=1)
    runs.set_plan(sample.run_id, Config().as_dict(), 1)
    sample.begin_round()
    app = CrescentApp(sample.workspace)
    with sample.workspace.lock():
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: "Learns from run 1" in shown(app))
            assert "training" in shown(app)
            pipeline = str(app.screen.query_one("#pipeline", Static).content)
            assert [line.split()[0] for line in pipeline.splitlines()] == ["trained", "scored"]


async def test_a_measurement_shows_only_what_it_measures(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.run_id = sample.store.runs.insert_run("evaluation", sample.base_id, {})
    sample.store.runs.set_plan(sample.run_id, Config().as_dict(), 1)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Evaluation" in shown(app))
        assert "asked" not in str(app.screen.query_one("#pipeline", Static).content)


@pytest.mark.slow
async def test_only_the_buttons_that_make_sense_can_be_pressed(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    app = CrescentApp(sample.workspace)

    def enabled() -> set[str]:
        return {
            str(button.label)
            for button in app.screen.query("#controls Button").results(Button)
            if not button.disabled
        }

    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: enabled() == {"s Resume", "S Settings and start", "n Next round"})
        with sample.workspace.lock():
            await until(pilot, lambda: enabled() == {"p Pause", "x Stop", "n Next round"})
            await pilot.pause()
            await pilot.click("#do-pause")
            await until(pilot, lambda: enabled() == {"p Resume", "x Stop", "n Next round"})
            await until(pilot, lambda: "p Resume" in shown(app))
            # a button that is still shown as pressed is not pressed again
            await until(pilot, lambda: not app.screen.query_one("#do-pause").has_class("-active"))
            await pilot.pause()
            await pilot.click("#do-pause")
            await until(pilot, lambda: not sample.workspace.is_asked("pause"))
            await pilot.pause()
            await pilot.click("#do-next_round")
            await agree(pilot, "Add a round?")
            await until(pilot, lambda: enabled() == {"p Pause", "x Stop"})
            await pilot.pause()
            await pilot.click("#do-stop")
            await agree(pilot, "Stop the run?")
            await until(pilot, lambda: enabled() == set())
            assert sample.workspace.is_asked("stop") and sample.workspace.is_asked("round")


async def test_the_state_is_always_there(tmp_path: Path) -> None:
    app = CrescentApp(filled_workspace(tmp_path).workspace)
    with app.workspace.lock():
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: "running" in shown(app).splitlines()[0])


@pytest.mark.slow
async def test_without_a_run_the_machine_is_checked(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path / "nothing-here"))
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: "✓ llama.cpp" in shown(app), seconds=60)
        assert "SmolLM2-135M-Instruct" in shown(app)


async def test_a_starting_engine_disables_the_button_and_is_shown(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no run yet" in shown(app))
        assert app.focused and app.focused.id == "first-start"
        app.starting = True  # as a child does that has not taken the workspace yet
        await until(pilot, lambda: "The engine is starting and loads the model." in shown(app))
        assert app.screen.query_one("#first-start", Button).disabled


async def test_a_problem_of_the_machine_is_shown_with_advice() -> None:
    found = [
        {"name": "torch", "state": "ok", "value": "2.6, for the CPU", "advice": ""},
        {"name": "peft", "state": "missing", "value": "not installed", "advice": "pip install [peft]\x1b[2J"},
        {"name": "workspace", "state": "missing", "value": "no such file", "advice": "crescent init"},
        {"name": "flux", "state": "odd"},
    ]
    check = doctor_report(json.dumps(found), 60)
    assert check is not None
    first, gap, odd = check.plain.splitlines()
    assert first.split() == ["✓", "packages", "torch", "2.6"]
    assert gap.endswith("peft: not installed; pip install [peft]␛[2J")
    assert odd.startswith("? other")
    for nothing in ("", "{}", "[]", "[1]", "[" * 100_000):
        assert doctor_report(nothing, 60) is None


@pytest.mark.slow
async def test_light_and_dark_change_with_a_key(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        assert app.theme == LIGHT


async def test_help_opens_scrolls_and_closes(tmp_path: Path) -> None:
    app = CrescentApp(Workspace(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: "start a run, or resume the unfinished one" in shown(app))
        assert "1–9" in shown(app)
        await pilot.press("G")
        await until(pilot, lambda: "a vote in which no answer was found" in shown(app))
        await pilot.press("g", "j", "j", "k")
        await until(pilot, lambda: "1–9" in shown(app) and "Everywhere" not in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Press  s  to start" in shown(app))


@pytest.mark.slow
async def test_a_run_without_its_engine_was_killed(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "killed" in shown(app))
        with sample.workspace.lock():
            await until(pilot, lambda: "evaluating the base · running" in shown(app))


async def test_stop_asks_the_active_engine_whoever_started_it(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    app = CrescentApp(sample.workspace)
    with sample.workspace.lock():
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: "running" in shown(app))
            await pilot.press("x")
            await agree(pilot, "Stop the run?")
            await until(pilot, lambda: "stopping" in shown(app))
            assert sample.workspace.is_asked("stop")


async def test_stop_without_an_engine_asks_nobody(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    app = CrescentApp(sample.workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: "no run yet" in shown(app))
        await pilot.press("x")
        await until(pilot, lambda: "No run is active in this workspace" in shown(app))
    assert not sample.workspace.is_asked("stop")


@pytest.mark.slow
async def test_an_engine_that_fails_at_once_says_why(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.create("[bait]\nquestion = 3\n")
    app = CrescentApp(workspace)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(pilot, lambda: "no run yet" in shown(app))
        await pilot.press("s")
        await agree(pilot, "Start a new run?")
        assert "starting" in shown(app)
        await until(pilot, lambda: "bait.question:" in shown(app), seconds=20)
        await until(pilot, lambda: "no run yet" in shown(app))
    assert "bait.question" in (workspace.logs / "engine-output.txt").read_text()


async def test_a_file_that_is_not_a_database_is_reported_and_not_fatal(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.database_path.write_text("this is no database, but it is long enough to be looked at" * 20)
    app = CrescentApp(workspace)
    async with app.run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: "file is not a database" in shown_words(app))
        assert "unreadable" in shown(app)


async def test_a_database_that_the_engine_is_creating_is_not_an_error(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.database_path.touch()
    app = CrescentApp(workspace)
    with workspace.lock():
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: "starting" in shown(app))
            assert "older version" not in shown_words(app)


async def test_the_engine_is_the_command_a_user_would_type(tmp_path: Path) -> None:
    arguments = ["-m", "crescent_lite.cli", "run", "-w", str(tmp_path)]
    assert command_line(Workspace(tmp_path), "run") == [sys.executable, *arguments]
