"""Whatever is killed, at whatever write, is finished by the same command: nothing lost, doubled or half-written.

Half of the kills come in the middle of a write. Sampling is faked where nothing else is said, so that a run takes a
second; a killed run has the same texts, votes, labels and scores as an unbroken one.
"""

from __future__ import annotations

import lzma
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bed import broken_invariants, count, orphans_of, shares, source, trials, what_was_measured, what_was_said
from kills import KILLED, ForkServer, Work, contents, lead_life, require_clean, stored
from small_workspace import make_workspace

pytestmark = pytest.mark.slow
DATABASES = sorted((Path(__file__).parent.parent / "databases").glob("*.db.xz"))
QUICK = ("m001", "m006", "m012")
"""The databases whose migration is killed in the quick part."""
NO_TRAINING = 1000


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer() as found:
        yield found


@dataclass(frozen=True)
class Unbroken:
    """A run that nobody killed."""

    folder: Path
    writes: int


@pytest.fixture(scope="module")
def unbroken(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    return ran(server, tmp_path_factory.mktemp("unbroken") / "maths", NO_TRAINING)


@pytest.fixture(scope="module")
def trained(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    pytest.importorskip("torch")
    return ran(server, tmp_path_factory.mktemp("trained") / "maths", 4)


def ran(server: ForkServer, folder: Path, min_examples: int) -> Unbroken:
    make_workspace(folder, None, min_examples)
    ended = server.do(engine(folder), folder)
    assert ended.code == 0, ended.said
    assert not broken_invariants(folder)
    return Unbroken(folder, ended.writes)


def engine(folder: Path, *options: str) -> Work:
    return Work("engine", (str(folder), *options))


def cli(*arguments: str) -> Work:
    return Work("cli", arguments)


def said_by_the_last_run(folder: Path) -> list[tuple[object, ...]]:
    """What the latest run said; a run that was killed before its first item is begun again as another one."""
    said = what_was_said(folder)
    return [row[1:] for row in said if row[0] == said[-1][0]]


def measured_by_the_last_run(folder: Path) -> list[tuple[object, ...]]:
    found = what_was_measured(folder)
    return [row[1:] for row in found if row[0] == found[-1][0]]


@pytest.mark.parametrize("share", shares(few=1, all_of_them=7, each=1), ids=str)
def test_a_run_killed_again_and_again_says_what_an_unbroken_one_says(
    share: range, server: ForkServer, unbroken: Unbroken, tmp_path: Path
) -> None:
    for life in share:
        make_workspace(tmp_path, unbroken.folder / "tiny.gguf", NO_TRAINING)
        chance, kills = source("run", life), trials(5, 25)
        lead_life(server, engine(tmp_path), tmp_path, chance, kills=kills, writes=unbroken.writes, what="run")
        assert said_by_the_last_run(tmp_path) == said_by_the_last_run(unbroken.folder)
        assert measured_by_the_last_run(tmp_path) == measured_by_the_last_run(unbroken.folder)


@pytest.mark.parametrize("share", shares(few=1, all_of_them=2, each=1), ids=str)
def test_another_round_killed_again_and_again_is_one_round(
    share: range, server: ForkServer, unbroken: Unbroken, tmp_path: Path
) -> None:
    for life in share:
        folder = tmp_path / "maths"
        shutil.copytree(unbroken.folder, folder)
        chance, kills = source("another round", life), trials(4, 15)
        lead_life(
            server,
            engine(folder, "--next-round"),
            folder,
            chance,
            kills=kills,
            writes=unbroken.writes // 2,
            what="another round",
        )
        assert {row[1] for row in what_was_said(folder)} == {1, 2}


@pytest.mark.faults
@pytest.mark.parametrize("share", shares(few=1, all_of_them=4, each=1), ids=str)
def test_a_run_with_trainings_killed_again_and_again(
    share: range, server: ForkServer, trained: Unbroken, tmp_path: Path
) -> None:
    for life in share:
        make_workspace(tmp_path, trained.folder / "tiny.gguf", 4)
        chance = source("trained", life)
        lead_life(
            server, engine(tmp_path), tmp_path, chance, kills=20, writes=trained.writes, what="run with trainings"
        )
        assert said_by_the_last_run(tmp_path) == said_by_the_last_run(trained.folder)
        assert len(list((tmp_path / "adapters").rglob("adapter.gguf"))) == 1


@pytest.mark.faults
@pytest.mark.parametrize("share", shares(few=1, all_of_them=3, each=1), ids=str)
def test_a_training_killed_in_every_phase(
    share: range, server: ForkServer, trained: Unbroken, tmp_path: Path
) -> None:
    """The engine dies at writes of the stage itself: what it prepares, each step, the adapter."""
    for life in share:
        make_workspace(tmp_path, trained.folder / "tiny.gguf", 4)
        chance, before = source("training", life), stored(tmp_path)
        for _ in range(4):
            at = writes_before_training(server, tmp_path, trained, chance)
            death = server.do(engine(tmp_path), tmp_path, at, tear=chance.random() < 0.5)
            if death.code != KILLED:
                break
            count("kills: training")
            assert not broken_invariants(tmp_path, at_rest=False)
            assert not orphans_of(tmp_path)
            assert before <= (before := stored(tmp_path))
        require_clean(server.do(engine(tmp_path), tmp_path), (0,), tmp_path)
        assert said_by_the_last_run(tmp_path) == said_by_the_last_run(trained.folder)


def writes_before_training(server: ForkServer, folder: Path, trained: Unbroken, chance: random.Random) -> int:
    """A write of the stage 'train', counted from the start of an engine that finds all before it done."""
    text = (trained.folder / "logs" / "run-1.jsonl").read_text(encoding="utf-8")
    before = text[: text.index('"stage": "train"')].count("StageProgressed")
    fresh = not (folder / "crescent.db").exists()
    share = trained.writes * before // max(1, text.count("StageProgressed")) if fresh else 0
    return share + chance.randint(20, 150)


EVALUATIONS = ["eval", "headroom", "recheck", "controls"]


@pytest.mark.parametrize("share", shares(few=0, all_of_them=2, each=1), ids=str)
@pytest.mark.parametrize("what", EVALUATIONS)
def test_measurements_killed_again_and_again(
    what: str, share: range, server: ForkServer, trained: Unbroken, tmp_path: Path
) -> None:
    for life in share:
        first, folder = tmp_path / "first", tmp_path / "maths"
        for place in (first, folder):
            shutil.copytree(trained.folder, place)
        options = ("--set", "evaluate.max_tokens=64") if what == "eval" else ()
        whole = server.do(engine(first, what, *options), first)
        assert whole.code == 0, whole.said
        chance = source(what, life)
        lead_life(server, engine(folder, what, *options), folder, chance, kills=10, writes=whole.writes, what=what)
        assert measured_by_the_last_run(folder) == measured_by_the_last_run(first)


@pytest.mark.parametrize("share", shares(few=1, all_of_them=2, each=1), ids=str)
def test_a_sweep_killed_again_and_again(share: range, server: ForkServer, unbroken: Unbroken, tmp_path: Path) -> None:
    for life in share:
        folder = tmp_path / "maths"
        make_workspace(folder, unbroken.folder / "tiny.gguf", NO_TRAINING)
        assert server.do(Work("plan", (str(folder),)), folder).code == 0
        chance, kills = source("sweep", life), trials(4, 15)
        lead_life(
            server,
            Work("sweep", (str(folder),)),
            folder,
            chance,
            kills=kills,
            writes=2 * unbroken.writes,
            what="sweep",
        )


@dataclass(frozen=True)
class Command:
    """A command that writes. {folder} stands for the workspace, {other} for another one, {place} for a folder."""

    name: str
    arguments: tuple[str, ...]
    kills: int
    """Kills in all."""
    done: tuple[int, ...] = (0,)
    """Exit codes of the second attempt: that of a command that finds its work done too."""
    compares: bool = True
    """Whether the databases must be the same."""
    needs_adapter: bool = False
    """Whether the workspace must have a trained round."""


EXISTS = (0, 6)
COMMANDS = [
    Command("vacuum", ("db", "vacuum", "-w", "{folder}"), 15),
    Command("backup", ("db", "backup", "-w", "{folder}"), 15),
    Command("merge", ("db", "merge", "{other}", "-w", "{folder}"), 30, needs_adapter=True),
    Command("merge into an empty workspace", ("db", "merge", "{other}", "-w", "{place}/new"), 10, compares=False),
    Command("export of examples", ("export", "examples", "-w", "{folder}", "--output", "{place}/a.jsonl"), 8, EXISTS),
    Command(
        "export of an adapter",
        ("export", "adapter", "-w", "{folder}", "--output", "{place}/a"),
        12,
        EXISTS,
        needs_adapter=True,
    ),
    Command(
        "export of a GGUF",
        ("export", "gguf", "-w", "{folder}", "--output", "{place}/g", "--force"),
        12,
        needs_adapter=True,
    ),
    Command("report", ("report", "-w", "{folder}"), 8),
    Command("rollback", ("rollback", "1", "-w", "{folder}"), 8, needs_adapter=True),
    Command("note", ("note", "1", "the majority is wrong", "-w", "{folder}"), 10, compares=False),
    Command("init", ("init", "{place}/newer"), 8, (0, 5)),
    Command(
        "quantise",
        ("quantise", "{folder}/tiny.gguf", "-w", "{folder}", "--type", "q8_0", "--calibrate", "0", "--force"),
        12,
    ),
    Command(
        "query into a picture",
        (
            *("query", "--plot", "round", "n", "-w", "{folder}", "--output", "{place}/p.svg"),
            "SELECT round, count(*) AS n FROM v_votes GROUP BY round",
        ),
        6,
        EXISTS,
    ),
    Command("status", ("status", "-w", "{folder}"), 4, compares=False),
]
FEW = 1
"""Kills of each command in the quick part."""


@pytest.mark.parametrize(
    "command",
    [pytest.param(each, marks=pytest.mark.faults if each.needs_adapter else []) for each in COMMANDS],
    ids=[command.name for command in COMMANDS],
)
def test_a_killed_command_is_finished_by_the_same_command(
    command: Command, server: ForkServer, unbroken: Unbroken, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    begun: Unbroken = request.getfixturevalue("trained") if command.needs_adapter else unbroken

    def prepared(name: str) -> tuple[Path, Work]:
        folder, place = tmp_path / name / "maths", tmp_path / name / "place"
        shutil.copytree(begun.folder, folder)
        place.mkdir()
        make_workspace(place / "new", folder / "tiny.gguf")
        values = {"{folder}": str(folder), "{other}": str(unbroken.folder), "{place}": str(place)}
        arguments = tuple(filled(argument, values) for argument in command.arguments)
        return folder, cli(*arguments)

    folder, work = prepared("whole")
    whole = server.do(work, folder.parent)
    assert whole.code in command.done, whole.said
    wanted = contents(folder)
    chance = source(command.name)
    for trial in range(trials(FEW, command.kills)):
        folder, work = prepared(str(trial))
        before, at, tear = stored(folder), chance.randint(1, max(1, whole.writes)), chance.random() < 0.5
        death = server.do(work, folder.parent, at, tear=tear)
        print(f"killed at write {at} of {whole.writes}, in its middle: {tear}")  # noqa: T201
        if death.code == KILLED:
            count(f"kills: {command.name}")
        assert before <= stored(folder)
        assert not broken_invariants(folder, at_rest=False)
        require_clean(server.do(work, folder.parent), command.done, folder)
        assert not list(folder.parent.rglob("*unfinished"))
        assert not server.left_over()
        assert before <= stored(folder)
        if command.compares:
            assert contents(folder) == wanted
        shutil.rmtree(folder.parent)


def filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


@pytest.mark.parametrize(
    "database",
    [pytest.param(path, marks=[] if path.name.startswith(QUICK) else pytest.mark.faults) for path in DATABASES],
    ids=[path.name[:4] for path in DATABASES],
)
def test_a_killed_migration_is_finished_by_the_next_command(
    database: Path, server: ForkServer, tmp_path: Path
) -> None:
    def prepared(name: str) -> tuple[Path, Work]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "crescent.toml").write_text('preset = "quick"\n')
        (folder / "crescent.db").write_bytes(lzma.decompress(database.read_bytes()))
        return folder, cli("db", "check", "-w", str(folder))

    folder, work = prepared("whole")
    whole = server.do(work, folder)
    require_clean(whole, (0,), None)
    wanted, chance = contents(folder), source("migration", database.name)
    for trial in range(trials(FEW, 4)):
        folder, work = prepared(str(trial))
        at, tear = chance.randint(1, whole.writes), chance.random() < 0.5
        print(f"killed at write {at} of {whole.writes}, in its middle: {tear}")  # noqa: T201
        if server.do(work, folder, at, tear=tear).code == KILLED:
            count("kills: migration")
        require_clean(server.do(work, folder), (0,), None)
        assert contents(folder) == wanted
        assert not list(folder.rglob("*unfinished"))
        assert len(list(folder.glob("crescent.db.before-*"))) == 1


@pytest.mark.parametrize("share", shares(few=1, all_of_them=2, each=1), ids=str)
def test_a_run_of_a_real_model_killed_again_and_again(
    share: range, server: ForkServer, unbroken: Unbroken, tmp_path: Path
) -> None:
    """The model is a tiny random one, which llama.cpp samples: the same seeds give the same texts."""
    first, folder = tmp_path / "first", tmp_path / "maths"
    for place in (first, folder):
        make_workspace(place, unbroken.folder / "tiny.gguf", NO_TRAINING)
    whole = server.do(engine(first, "real"), first)
    assert whole.code == 0, whole.said
    for life in share:
        chance, kills = source("real", life), trials(3, 10)
        lead_life(server, engine(folder, "real"), folder, chance, kills=kills, writes=whole.writes, what="real model")
        assert sorted(map(repr, said_by_the_last_run(folder))) == sorted(map(repr, said_by_the_last_run(first)))
        shutil.rmtree(folder)
        make_workspace(folder, unbroken.folder / "tiny.gguf", NO_TRAINING)
