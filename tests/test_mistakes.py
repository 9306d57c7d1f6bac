"""Typical mistakes on the command line: each ends with one line that says what to do, and with its exit code."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from sample_run import load_sample_run

from crescent_lite.cli import main
from crescent_lite.errors import ExitCode

USAGE, CONFIG, MODEL, WORKSPACE = ExitCode.USAGE, ExitCode.CONFIG, ExitCode.MODEL, ExitCode.WORKSPACE
STORAGE, BENCHMARK, NOT_FOUND = ExitCode.STORAGE, ExitCode.BENCHMARK, ExitCode.NOT_FOUND

WORKSPACES = {
    "toml": "preset = quick\n",
    "twice": "[run]\nrounds = 1\n[vote]\nmin_share = 0.5\n[run]\nseed = 1\n",
    "typo": "[vote]\nvotes_per_qestion = 8\n",
    "section": "[voting]\nmin_share = 0.5\n",
    "type": '[run]\nrounds = "two"\n',
    "range": "[vote]\nmin_share = 1.5\n",
    "choice": '[train]\nobjective = "dpo"\n',
    "model": '[model]\nsource = "no-such-model.gguf"\n',
    "foreign-model": '[model]\nsource = "notes.txt"\n',
    "hub-page": '[model]\noffline = true\nsource = "https://huggingface.co/owner/repo"\n',
    "ollama": '[model]\nsource = "ollama:qwen2.5"\n',
    "bench": 'preset = "quick"\n[evaluate.benchmarks.mine]\nsource = "no-such-items.jsonl"\n',
    "prompts": 'preset = "quick"\n[run]\nprompts = "no-such-prompts"\n',
    "list": '[evaluate]\nprompts = "bare"\n',
}
"""crescent.toml of each workspace with a mistake in it."""
FILES = {
    "notes.txt": "not a model",
    "empty.jsonl": "",
    "bad.jsonl": '{"question": "What is 2 + 2?"}\n{"question": "What is 3\n',
    "no-question.jsonl": '{"text": "What is 2 + 2?"}\n',
    "number.jsonl": '{"question": 5}\n',
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace `data` that holds a run, and with the files of the mistakes."""
    folder = tmp_path_factory.mktemp("mistakes")
    load_sample_run(folder / "data")
    (folder / "empty").mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    for name, text in WORKSPACES.items():
        (folder / name).mkdir()
        (folder / name / "crescent.toml").write_text(text)
    return folder


MISTAKES: tuple[tuple[str, ExitCode, str], ...] = (
    # commands
    ("rnu", USAGE, "did you mean 'run'?"),
    ("exprot gguf", USAGE, "did you mean 'export'?"),
    ("frobnicate", USAGE, "`crescent --help` lists all"),
    ("Run", USAGE, "did you mean 'run'?"),
    ("train", USAGE, "`crescent --help` lists all"),
    ("db", USAGE, "crescent db"),
    ("db chekc", USAGE, "did you mean 'check'?"),
    ("export guff", USAGE, "did you mean 'gguf'?"),
    ("show questions 3", USAGE, "did you mean 'question'?"),
    ("show", USAGE, "WHAT is missing"),
    ("status now", USAGE, "unexpected argument 'now'"),
    # options
    ("run --ruonds 3", USAGE, "did you mean '--rounds'?"),
    ("run --round 2", USAGE, "did you mean '--rounds'?"),
    ("run --rounds", USAGE, "expected one argument"),
    ("status --jsno", USAGE, "did you mean '--json'?"),
    ("status --workspce data", USAGE, "did you mean '--workspace'?"),
    ("status -W data", USAGE, "there is no option '-W'"),
    ("--verbos status", USAGE, "--verbose"),
    ("distill", USAGE, "--student is missing"),
    ("distill --studnet x.gguf", USAGE, "did you mean '--student'?"),
    ("query", USAGE, "--list"),
    ("query --csv --json 'SELECT 1'", USAGE, "not both"),
    ("export gguf --format messages", USAGE, "there is no option '--format'"),
    ("run --r 2", USAGE, "there is no option '--r'"),
    # values
    ("run --rounds two", USAGE, "'two' is not a whole number from 1 to 1000"),
    ("run --rounds 0", USAGE, "'0' is not a whole number"),
    ("run --rounds -1", USAGE, "'-1' is not a whole number"),
    ("run --rounds 1.5", USAGE, "'1.5' is not a whole number"),
    ("run --rounds 99999", USAGE, "from 1 to 1000"),
    ("show question -5", USAGE, "'-5' is not a whole number"),
    ("show question abc", USAGE, "'abc' is not a whole number"),
    ("rollback last", USAGE, "or 'best'"),
    ("answer 'What is 2 + 2?' --temperature 9", USAGE, "from 0 to 5"),
    ("answer 'What is 2 + 2?' --votes 0", USAGE, "'0' is not a whole number"),
    ("serve --port 80000", USAGE, "from 1 to 65535"),
    ("query 'SELECT 1' --seconds 0", USAGE, "above 0"),
    ("export examples --min-share 50", USAGE, "from 0 to 1"),
    ("export examples --format json", USAGE, "use one of conversational"),
    ("export gguf --type q4", USAGE, "did you mean 'q4_0'?"),
    ("export gguf --rounds 1:0.5", USAGE, "is not a whole number"),
    ("controls --only temperature", USAGE, "did you mean 'temperatures'?"),
    ("plan", CONFIG, "give --points, --items or both"),
    ("plan --points -3", CONFIG, "give a number above 0"),
    ("export examples --min-share 0.9 --max-share 0.1", CONFIG, "--min-share is above --max-share"),
    # settings
    ("init new --preset quik", CONFIG, "quick"),
    ("run --new --preset fast", CONFIG, "quick"),
    ("run --new --set vote.votes=8", CONFIG, "did you mean"),
    ("run --new --set votes_per_question=8", CONFIG, "section.key=value"),
    ("run --new --set run.rounds", CONFIG, "section.key=value"),
    ("run --new --set vote.min_share=2", CONFIG, "out of range"),
    ("run --new --set run.seed=abc", CONFIG, "must be a whole number"),
    ("config trian", CONFIG, "did you mean 'train'?"),
    ("config train.learning_rat", CONFIG, "did you mean 'train.learning_rate'?"),
    ("config -w toml", CONFIG, "not valid TOML"),
    ("config -w twice", CONFIG, "put the keys of both into one"),
    ("config -w typo", CONFIG, "did you mean 'votes_per_question'?"),
    ("config -w section", CONFIG, "did you mean 'vote'?"),
    ("run -w type", CONFIG, "must be a whole number"),
    ("run -w range", CONFIG, "0 to 1"),
    ("run -w choice", CONFIG, "must be one of 'sft', 'preference'"),
    ("run -w list", CONFIG, "must be a list"),
    ("run -w prompts", CONFIG, "no-such-prompts"),
    # models and benchmarks
    ("run -w model", MODEL, "no-such-model.gguf"),
    ("run -w foreign-model", MODEL, "GGUF"),
    ("run -w hub-page", MODEL, "owner/repo"),
    ("run -w ollama", MODEL, "ollama show --modelfile"),
    ("run -w bench", BENCHMARK, "no-such-items.jsonl"),
    ("distill --student nobody.gguf", MODEL, "nobody.gguf"),
    ("eval --adapter nobody.gguf", MODEL, "nobody.gguf"),
    # paths
    ("run", WORKSPACE, "--new"),
    ("status -w nowhere", WORKSPACE, "crescent init nowhere"),
    ("status -w empty", WORKSPACE, "crescent init empty"),
    ("status -w notes.txt", WORKSPACE, "notes.txt"),
    ("init data", WORKSPACE, "data"),
    ("init notes.txt", WORKSPACE, "is a file"),
    ("run --new --questions nobody.jsonl", CONFIG, "nobody.jsonl"),
    ("run --new --questions empty", CONFIG, "empty"),
    ("run --new --questions empty.jsonl", CONFIG, "empty.jsonl"),
    ("run --new --questions bad.jsonl", CONFIG, "line 2"),
    ("run --new --questions no-question.jsonl", CONFIG, "line 1"),
    ("run --new --questions number.jsonl", CONFIG, "line 1"),
    ("db merge nowhere", WORKSPACE, "nowhere"),
    ("db merge notes.txt", STORAGE, "notes.txt"),
    ("db backup --output data/crescent.db", WORKSPACE, "already exists"),
    ("db backup --output /proc/none.db", STORAGE, "/proc/none.db"),
    ("report --output notes.txt", STORAGE, "give a folder"),
    ("export examples --output notes.txt", STORAGE, "--force"),
    ("export examples --output notes.txt --force", STORAGE, "is not an export"),
    ("export examples --output /proc/none.jsonl", STORAGE, "/proc/none.jsonl"),
    # numbers and names of what is not there
    ("show question 99999", NOT_FOUND, "99999"),
    ("show round 9", NOT_FOUND, "round 9"),
    ("show run 9", NOT_FOUND, "run 9"),
    ("report --run 7", NOT_FOUND, "run 7"),
    ("rollback 9", NOT_FOUND, "9"),
    ("rollback 1 -w prompts", WORKSPACE, "no database yet"),
    ("note 99999 wrong", NOT_FOUND, "99999"),
    ("export adapter --rounds 9", NOT_FOUND, "round 9"),
    ("export examples --run 9", NOT_FOUND, "run 9"),
    ("query what-is-rejectd", NOT_FOUND, "did you mean what-is-rejected?"),
    ("query what-is-rejected round=x", USAGE, "must be a whole number"),
    ("query what-is-rejected rond=1", USAGE, "round"),
    ("query 'SELECT * FROM question'", USAGE, "question"),
    ("query 'SELEC 1'", USAGE, "SELEC"),
    ("query 'DELETE FROM votes'", USAGE, "use SELECT"),
    ("show run 1 --run 1", USAGE, "--run is for a round"),
)


def test_there_are_at_least_70_mistakes() -> None:
    assert len({mistake for mistake, _, _ in MISTAKES}) >= 70


@pytest.mark.parametrize(("mistake", "code", "words"), MISTAKES)
def test_a_mistake_is_one_line_with_a_hint(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    mistake: str, code: ExitCode, words: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(place)
    assert main(shlex.split(mistake)) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert words in said.err
    assert "Traceback" not in said.err

    assert main([*shlex.split(mistake), "--json"]) == code
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["code"] == code
    assert error["hint"]
