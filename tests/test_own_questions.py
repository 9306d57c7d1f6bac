"""A user's own questions are voted on instead of the model's; the database and the report tell them apart."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace

from crescent_lite.cli import main
from crescent_lite.config import BaitConfig
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ConfigError, ExitCode
from crescent_lite.events import RoundFinished
from crescent_lite.questions.own import load_question_file, load_questions
from crescent_lite.report import build_document
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace
from crescent_tui.content.question import question_title
from crescent_tui.content.round import flow
from crescent_tui.content.run import pipeline
from crescent_tui.sources.round_detail import fetch_round

MINE = (
    {"question": "A dozen eggs costs three coins; how many coins for two dozen?", "id": "eggs"},
    "Ann, who is 7, has 9 marbles and Bela 4. Who has more",
    {"question": "A dozen eggs costs three coins; how many coins for two dozen?"},
    {"question": "What is 3 + 6?", "answer": "9"},
    "Why is the sky blue?",
)


def write(path: Path, rows: object) -> Path:
    assert isinstance(rows, list | tuple)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("own")
    workspace = make_workspace(folder / "data", min_examples=1000)
    mine = write(folder / "mine.jsonl", MINE)
    command = ["run", "-w", str(workspace.folder), "--questions", str(mine), "--rounds", "2"]
    assert main([*command, "--set", "bait.questions=4"]) == ExitCode.OK
    return workspace


@pytest.mark.slow
def test_each_question_is_there_with_its_name_and_its_verdict(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        rows = store.querying.run("SELECT round, external_id, verdict, reason, text FROM v_questions").rows

    assert [row[:4] for row in rows] == [
        (1, "eggs", "kept", "new"),
        (1, "line-2", "kept", "new"),  # no question mark and few numbers, but users may ask what they want
        (1, "line-3", "rejected", "near_duplicate"),
        (1, "line-4", "rejected", "contaminated"),  # the benchmark has it
        (2, "line-5", "kept", "new"),
    ]


@pytest.mark.slow
def test_the_model_wrote_none_of_them_and_votes_on_those_that_are_kept(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        assert store.querying.run("SELECT sum(tokens), count(rewritten_from) FROM questions").rows == ((0, 0),)
        assert store.querying.run("SELECT sum(tokens) FROM stages WHERE stage = 'ask'").rows == ((0,),)
        voted = store.querying.run("SELECT question_id, count(*) FROM votes GROUP BY 1").rows
        assert {question for question, _ in voted} == {1, 2, 5}
        counted = store.querying.run("SELECT round, texts, external FROM v_rounds WHERE round > 0").rows
        assert counted == ((1, 4, 4), (2, 1, 1))
        prompt = store.querying.run("SELECT DISTINCT name FROM questions JOIN prompts ON sha256 = prompt_sha256")
        assert prompt.rows == (("external/mine.jsonl",),)


@pytest.mark.slow
def test_the_report_says_whose_they_are(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        text = json.dumps(build_document(store, 1).as_dict())

    assert "was given 5 questions from the user's file and wrote none" in text
    assert "when it was asked for maths questions" not in text


@pytest.mark.slow
def test_the_terminal_ui_says_whose_they_are(workspace: Workspace) -> None:
    with closing(Store.open_read_only(workspace.database_path)) as store:
        snapshot, question = store.watching.fetch_snapshot(), store.watching.fetch_question(1)
        round_2 = fetch_round(store, (1, 2))
    assert snapshot is not None
    assert question is not None

    assert "asked" in pipeline(snapshot, 120).plain
    assert "your own questions; the model asks none" in pipeline(snapshot, 120).plain
    assert "#1 · round 1 · yours, eggs · kept" in question_title(question).plain
    assert flow(round_2, 80).plain.startswith("yours")


@pytest.mark.slow
def test_a_file_that_has_changed_is_another_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = make_workspace(tmp_path / "data", min_examples=1000)
    mine = write(tmp_path / "mine.jsonl", MINE)
    command = ["run", "-w", str(workspace.folder), "--questions", str(mine)]
    assert main(command) == ExitCode.OK
    with closing(Store.open(workspace.database_path)) as store:
        store.runs.set_state(1, "stopped")
    write(mine, MINE[:2])

    assert main(["run", "-w", str(workspace.folder)]) != ExitCode.OK

    assert "the questions of mine.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no file"),
        ("", "has no question"),
        ("\n\n", "has no question"),
        ('"What is 1 + 1?"\n{"text": "What?"}\n', "line 2: no question"),
        ('"What is 1 + 1?"\n\nWhat is 2?\n', "line 3: not JSON"),
        ('{"question": 7}\n', "line 1: no question"),
        ('{"question": "   "}\n', "line 1: no question"),
        ("[" * 10_000 + "\n", "line 1: not JSON"),
        ('"' + "x" * 300_000 + '"\n', "line 1: longer than"),
    ],
)
def test_a_bad_file_is_one_line_that_names_the_place(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "mine.jsonl").write_text(content)

    with pytest.raises(ConfigError, match=words):
        load_question_file(tmp_path / "mine.jsonl")


def test_a_file_that_is_not_text_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(b'"\xff\xfe"\n')

    with pytest.raises(ConfigError, match="not UTF-8"):
        load_question_file(tmp_path / "mine.jsonl")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_question_file(tmp_path)


def test_each_round_takes_the_next_ones(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", [f"What is {n} + 1?\u2028" for n in range(5)])
    mine = load_question_file(tmp_path / "mine.jsonl")

    assert [[one.name for one in mine.of_round(number, 2)] for number in (1, 2, 3, 4)] == [
        ["line-1", "line-2"], ["line-3", "line-4"], ["line-5"], [],
    ]  # fmt: skip


def data_set(folder: Path, *rows: dict[str, object]) -> None:
    """A data set 'someone/problems' in the working folder, which the hub's client takes before it asks the hub."""
    (folder / "someone" / "problems").mkdir(parents=True, exist_ok=True)
    write(folder / "someone" / "problems" / "train.jsonl", list(rows))


@pytest.mark.slow
def test_questions_of_a_hub_data_set_are_read_without_its_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    told = [{"Body": f"He had {n}.", "Question": "How many?", "answer": str(n)} for n in range(3)]
    data_set(tmp_path, *told, {"Body": "", "Question": "And now?", "answer": "4"})
    bait = BaitConfig(file="hub:someone/problems", question_field="{Body} {Question}")

    found = load_questions(bait, offline=True)

    assert [(each.name, each.text) for each in found.questions] == [
        (f"row-{n}", f"He had {n}. How many?") for n in range(3)
    ]
    assert found.name == "hub:someone/problems"
    data_set(tmp_path, *({**row, "answer": "99"} for row in told))
    assert load_questions(bait).sha256 == found.sha256  # other answers are the same questions
    data_set(tmp_path, *told[:2])
    assert load_questions(bait).sha256 != found.sha256


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"question_field": "problem"}, "no field 'problem'; its fields: id, question, answer"),
        ({"split": "test"}, "bait.file: someone/problems: cannot be loaded"),
        (
            {"file": "hub:someone/nothing"},
            "bait.file: someone/nothing: not in the local cache, and model.offline is on",
        ),
    ],
)
def test_a_data_set_without_such_questions_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], words: str
) -> None:
    pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    data_set(tmp_path, {"id": "a", "question": "What is 1 + 1?", "answer": "2"})
    with pytest.raises(ConfigError) as refused:
        load_questions(BaitConfig(**{"file": "hub:someone/problems", **changed}), offline=True)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_answers_of_a_data_set_are_read_where_the_settings_name_their_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    data_set(tmp_path, *({"question": f"What is {n} + 1?", "target": f"So {n + 1}\n#### {n + 1}"} for n in range(2)))
    told = BaitConfig(file="hub:someone/problems", answer_field="target")
    found = load_questions(told, offline=True)
    assert [each.answer and each.answer.key for each in found.questions] == ["n:1", "n:2"]
    assert found.sha256 != load_questions(BaitConfig(file="hub:someone/problems")).sha256
    with pytest.raises(ConfigError, match="no question has an answer under 'solution'"):
        load_questions(BaitConfig(file="hub:someone/problems", answer_field="solution"), offline=True)


def test_an_answer_is_one_value_or_it_is_unreadable(tmp_path: Path) -> None:
    given: list[object] = [
        "12",
        7,
        0.5,
        "3 + 4 = 7\n#### 7",
        "1/2",
        None,
        "",
        "see the book",
        [3],
        "12 or so, I think",
    ]
    write(
        tmp_path / "mine.jsonl", ["What is 1?", *({"question": f"Q{n}?", "answer": a} for n, a in enumerate(given))]
    )
    mine = load_question_file(tmp_path / "mine.jsonl")
    assert [each.answer and each.answer.key for each in mine.questions] == [
        None, "n:12", "n:7", "n:1/2", "n:7", "n:1/2", None, None, None, None, None,
    ]  # fmt: skip
    assert mine.answers_in_words == (
        "8 of 11 questions in mine.jsonl come with an answer; 3 of these are no value that can be compared, such as "
        "'see the book'"
    )
    assert load_question_file(write(tmp_path / "bare.jsonl", ["What is 1?"])).answers_in_words == ""
    with pytest.raises(ConfigError, match=r"no question has an answer under 'gold'; see bait\.answer_field"):
        load_question_file(tmp_path / "mine.jsonl", answer_field="gold")


def test_a_file_may_name_its_column(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", [{"problem": "What is 1 + 1?", "answer": "2"}])
    assert load_questions(BaitConfig(file=str(path), question_field="problem")).questions[0].text == "What is 1 + 1?"
    with pytest.raises(ConfigError, match="line 1: no field 'task'; its fields: problem, answer"):
        load_question_file(path, "task")


@pytest.mark.slow
def test_a_run_votes_on_a_hub_data_set_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    data_set(tmp_path, *({"id": f"q{n}", "question": f"What is {n} + {n + 9}?"} for n in range(3)))
    workspace = make_workspace(tmp_path / "data", min_examples=1000)
    command = ["run", "-w", str(workspace.folder), "--questions", "hub:someone/problems"]
    assert main(command) == ExitCode.OK
    with closing(Store.open_read_only(workspace.database_path)) as store:
        asked = store.querying.run("SELECT DISTINCT external_id FROM v_questions").rows
        assert {row[0] for row in asked} == {"q0", "q1", "q2"}
        text = json.dumps(build_document(store, 1).as_dict())
        assert "was given 3 questions from the data set someone/problems and wrote none" in text
        assert "the questions of hub:someone/problems" in store.runs.fetch_run(1).inputs


def test_a_round_whose_questions_are_all_rejected_says_why(tmp_path: Path) -> None:
    """And a set of prompts with a bait that does not fit is no obstacle to questions of one's own."""
    workspace = make_workspace(tmp_path)
    (tmp_path / "own.jsonl").write_text('{"question": "What is 0 + 3?"}\n{"question": "What is 1 + 4?"}\n')
    overrides = (f"bait.file={json.dumps(str(tmp_path / 'own.jsonl'))}", "bait.assistant_prefix='{name}'")
    events = run_engine(workspace, RunOptions(1, overrides=overrides), lambda _path, _config: FakeSampler())
    (outcome,) = (event.outcome for event in events if isinstance(event, RoundFinished))
    assert outcome == "not trained: 0 labels, 4 needed; 0 of 2 texts were kept, 2 are contaminated"
