"""Models of a run answer a question as it grows; nothing is stored."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace, workspace_with_adapter
from tiny_model import as_base, make_tiny_gguf

from crescent_lite.cli import main
from crescent_lite.config import SamplingConfig
from crescent_lite.errors import ConfigError, CrescentError, ExitCode, ModelError, NotFoundError, UsageError
from crescent_lite.inquiry import Inquiry, Piece, answer
from crescent_lite.records import Generation, Request
from crescent_lite.sampling.llama import LlamaSampler
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

Answer = Callable[..., list[Piece]]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run whose first round trained an adapter."""
    return workspace_with_adapter(tmp_path_factory.mktemp("answering"))


@pytest.fixture
def ask(workspace: Workspace) -> Answer:
    """A function that asks a question and returns the pieces of the answers, by FakeSampler or a given sampler."""

    def told(question: str, *, sampler: FakeSampler | None = None, **settings: object) -> list[Piece]:
        pieces: list[Piece] = []
        fake = sampler or FakeSampler()
        with closing(Store.open_read_only(workspace.database_path)) as store:
            answer(workspace, store, Inquiry(question, **settings), pieces.append, lambda *_: fake)  # type: ignore[arg-type]
        return pieces

    return told


def test_the_base_and_the_kept_round_answer_one_after_the_other(ask: Answer) -> None:
    sampler = FakeSampler("It is 5.")
    pieces = ask("What is 2 + 3?", sampler=sampler)

    assert list(dict.fromkeys(piece.model for piece in pieces)) == ["base", "round 1"]
    assert [path.name if path else None for path in sampler.adapters_used] == [None, "adapter.gguf"]
    for model in ("base", "round 1"):
        mine = [piece for piece in pieces if piece.model == model]
        assert "".join(piece.text for piece in mine) == "It is 5."
        assert [piece.end is not None for piece in mine] == [False] * (len(mine) - 1) + [True]
        assert mine[-1].end and mine[-1].end.answer and mine[-1].end.answer.key == "n:5"
        assert len(mine) > 3


def test_an_answer_that_never_left_its_thoughts_is_none_and_says_why(ask: Answer) -> None:
    end = ask("What is 2 + 3?", sampler=FakeSampler("<think>\nIt is 5."), rounds=(0,))[-1].end

    assert end
    assert (end.answer, end.abstained) == (None, "in_thoughts")


def test_the_chosen_models_answer_in_the_order_given(ask: Answer) -> None:
    assert [piece.model for piece in ask("2 + 3?", rounds=(1, 0)) if piece.end] == ["round 1", "base"]
    assert [piece.model for piece in ask("2 + 3?", rounds=(0,)) if piece.end] == ["base"]


def test_the_prompt_is_the_one_that_the_run_used(ask: Answer) -> None:
    class Listener(FakeSampler):
        def sample(self, requests, watch=None):  # type: ignore[no-untyped-def]
            heard.extend(each.user for each in requests)
            return super().sample(requests, watch)

    heard: list[str] = []
    ask("2 + 3?", sampler=Listener(), rounds=(0,))
    ask("2 + 3?", sampler=Listener(), rounds=(0,), prompt="bare")
    assert heard == ["2 + 3? Reply with the number only.", "2 + 3?"]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"question": ""}, UsageError, "question is empty"),
        ({"question": " \n"}, UsageError, "question is empty"),
        ({"question": "2 + 3?", "rounds": (7,)}, NotFoundError, "round 7 has no adapter; rounds with one: 1"),
        ({"question": "2 + 3?", "rounds": (2,)}, NotFoundError, "round 2 has no adapter"),
        ({"question": "2 + 3?", "run_id": 9}, NotFoundError, "run 9: not in"),
        ({"question": "2 + 3?", "prompt": "nowhere"}, ConfigError, "nowhere.txt: this prompt is missing"),
        ({"question": "2 + 3?", "prompt": "../solve"}, ConfigError, "not the name of a prompt"),
    ],
)
def test_what_cannot_be_answered_is_said_before_a_model_is_loaded(
    workspace: Workspace, settings: dict[str, object], error: type[CrescentError], words: str
) -> None:
    def never(*_: object) -> FakeSampler:
        raise AssertionError("nothing is to be loaded")

    with closing(Store.open_read_only(workspace.database_path)) as store, pytest.raises(error, match=words):
        answer(workspace, store, Inquiry(**settings), print, never)  # type: ignore[arg-type]


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    with closing(Store.open(workspace.database_path)) as store:
        base_id = store.runs.insert_model(as_base(tmp_path / "gone.gguf"))
        store.runs.insert_run("improvement", base_id, {})
        with pytest.raises(ModelError, match=r"gone\.gguf: is missing; the run was made with it"):
            answer(workspace, store, Inquiry("2 + 3?"), print, lambda *_: FakeSampler())


def test_a_model_that_is_not_the_file_of_the_run_does_not_answer(tmp_path: Path) -> None:
    workspace = workspace_with_adapter(tmp_path)
    make_tiny_gguf(tmp_path / "tiny.gguf", seed=1)
    words = r"tiny\.gguf: is not the file that the run was made with"
    with closing(Store.open_read_only(workspace.database_path)) as store, pytest.raises(ModelError, match=words):
        answer(workspace, store, Inquiry("2 + 3?"), print, lambda *_: FakeSampler())


def test_a_text_is_watched_as_it_grows_and_ends_as_it_would_unwatched(tmp_path: Path) -> None:
    sampler = LlamaSampler(make_tiny_gguf(tmp_path / "tiny.gguf"), SamplingConfig(gpu_layers=0))
    request = Request("q", "What is 2 + 3?", Generation(24, temperature=1.0), (0, 1), seed=3)
    seen: list[str] = []
    watched = sorted((c.sample_index, c.text) for c in sampler.sample([request], lambda _, text: seen.append(text)))
    unwatched = sorted((c.sample_index, c.text) for c in sampler.sample([request]))
    sampler.close()

    assert watched == unwatched
    assert len(seen) > 24
    assert {text for _, text in watched} <= set(seen)


def test_the_command_streams_json_lines(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    where = ["-w", str(workspace.folder)]
    before = workspace.database_path.read_bytes()

    with workspace.lock():  # an engine may be running
        code = main(["answer", "What is 2 + 3?", "--json", "--max-tokens", "12", *where])
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    assert code == ExitCode.OK
    ends = [line for line in lines if line["done"]]
    assert [line["model"] for line in ends] == ["base", "round 1"]
    assert all(0 < line["tokens"] <= 12 and "answer_key" in line and "seconds" in line for line in ends)
    texts = ["".join(line["text"] for line in lines if line["model"] == end["model"]) for end in ends]
    assert texts[0] and texts[0] != texts[1]
    assert workspace.database_path.read_bytes() == before


@pytest.mark.slow
def test_the_command_reads_standard_input_and_shows_text(workspace: Workspace) -> None:
    options = ["answer", "-", "--rounds", "base", "--max-tokens", "5", "-w", str(workspace.folder)]
    done = subprocess.run(
        [sys.executable, "-m", "crescent_lite.cli", *options], input=b"-2 + 3?\n", capture_output=True, check=True
    )
    assert done.stdout.decode().startswith("── base\n")


def test_a_question_longer_than_the_context_is_refused(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main(["answer", "What is 2 + 3? " * 200, "--rounds", "base", "-w", str(workspace.folder)])

    assert code == ExitCode.USAGE
    assert "more than the model's context" in capfd.readouterr().err
