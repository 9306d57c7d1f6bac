"""The models as a tree, the facts read about them, and a model in styled text."""

import dataclasses
import json
from pathlib import Path

from sample_workspace import SampleWorkspace, filled_workspace

from crescent_lite.export.provenance import HandedOver, handed_over
from crescent_lite.records import ModelFile
from crescent_lite.store.model_lines import ModelLine, ModelRun
from crescent_tui.content.model import cells, model_in_full, size_in_words
from crescent_tui.sources.model_facts import ModelFacts, fetch_facts, fetch_tree
from crescent_tui.sources.model_tree import ModelNode, model_tree

BAD_NOTES: list[dict[str, object]] = [
    {"rounds": [1]}, {"run": "x"}, {"run": float("inf")}, {"rounds": {"1": "half"}}, {"what": "x" * 200_000},
]  # fmt: skip
HOSTILE = "[red]\x1b[2J\u202e" + "x" * 100_000


def base(model_id: int, name: str = "base") -> ModelLine:
    return ModelLine(model_id, "base", name, None, None, None)


def adapter(model_id: int, of: int, run: int | None, number: int | None = 1) -> ModelLine:
    return ModelLine(model_id, "adapter", f"adapter {model_id}", of, run, number if run else None)


def run(run_id: int, of: int, teacher: int | None = None, control_of: int | None = None) -> ModelRun:
    return ModelRun(run_id, of, teacher, "unvoted" if control_of else None, control_of, "finished")


def drawn(nodes: tuple[ModelNode, ...]) -> list[str]:
    return [node.branch + node.name for node in nodes]


def test_without_a_model_there_is_no_tree() -> None:
    assert model_tree([], []) == ()


def test_adapters_stand_under_the_run_that_made_them_and_that_under_its_base() -> None:
    nodes = model_tree([adapter(3, 1, 1, 2), adapter(2, 1, 1), base(1), base(4, "other")], [run(1, 1)])
    assert drawn(nodes) == ["base", "└─ run 1", "   ├─ round 1", "   └─ round 2", "other"]
    assert len({node.key for node in nodes}) == len(nodes)


def test_a_student_stands_under_its_teachers_run_and_a_control_under_its_run() -> None:
    models = [base(1, "teacher"), adapter(2, 1, 1), base(3, "weak"), adapter(4, 3, 2), adapter(5, 1, 3)]
    runs = [run(1, 1), run(2, 3, teacher=1), run(3, 1, teacher=1, control_of=1)]
    assert drawn(model_tree(models, runs)) == [
        "teacher",
        "└─ run 1",
        "   ├─ round 1",
        "   ├─ run 2, student: weak",
        "   │  └─ round 1",
        "   └─ run 3, control: unvoted",
        "      └─ round 1",
    ]


def test_a_student_with_a_run_of_its_own_is_a_base_too() -> None:
    models = [base(1, "teacher"), adapter(2, 1, 1), base(3, "weak"), adapter(4, 3, 2), adapter(5, 3, 3)]
    nodes = drawn(model_tree(models, [run(1, 1), run(2, 3, teacher=1), run(3, 3)]))
    assert nodes[-3:] == ["weak", "└─ run 3", "   └─ round 1"]
    assert "   └─ run 2, student: weak" in nodes


def handed(number: int, rounds: dict[int, float], what: str = "gguf", tensor_type: str | None = "f16") -> HandedOver:
    return HandedOver(Path(f"exports/{number}"), 1, rounds, what, tensor_type, 0.93, 2000)


def test_an_export_stands_under_its_round_and_a_mixture_under_its_run() -> None:
    folders = [
        handed(1, {2: 1.0}), handed(2, {1: 1.0}, "adapter", None), handed(3, {1: 0.5, 2: 0.5}),
        dataclasses.replace(handed(4, {1: 1.0}), run_id=9),
    ]  # fmt: skip
    nodes = model_tree([adapter(3, 1, 1, 2), adapter(2, 1, 1), base(1)], [run(1, 1)], folders)
    assert drawn(nodes)[1:] == [
        "└─ run 1",
        "   ├─ round 1",
        "   │  └─ adapter",
        "   ├─ round 2",
        "   │  └─ merged gguf, f16",
        "   └─ merged gguf, f16",
    ]
    assert len({node.key for node in nodes}) == len(nodes)


def test_a_mixture_names_its_rounds_and_what_rounding_kept(tmp_path: Path) -> None:
    node = ModelNode(2, "", "merged gguf, q4_k_m", None, run(1, 1), handed(1, {1: 0.5, 2: 0.25}))
    facts = ModelFacts(node, None, 2000, (), None)
    said = model_in_full(facts, 70).plain
    assert "export · run 1, finished" in said
    assert "rounds  50% of round 1, 25% of round 2" in said
    assert "keeps   93% of the change that training made" in said
    assert cells(facts, ())[1].text == "2.0 kB"


def test_invalid_provenance_is_ignored(tmp_path: Path) -> None:
    good = {"run": 1, "rounds": {"1": 1.0}, "what": "gguf", "type": HOSTILE[:100], "change_kept": None}
    notes = [
        json.dumps(good), "", "[]", "null", "{", "[" * 100_000,
        *(json.dumps(good | bad) for bad in BAD_NOTES),
    ]  # fmt: skip
    for number, note in enumerate(notes):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "crescent.json").write_text(note)
    (tmp_path / "a-file").write_text("")
    (found,) = handed_over(tmp_path)
    assert found.rounds == {1: 1.0}
    assert (
        "\x1b"
        not in model_in_full(ModelFacts(ModelNode(1, "", "x", None, run(1, 1), found), None, 1, (), None), 60).plain
    )
    assert handed_over(tmp_path / "nowhere") == ()


def test_an_adapter_that_no_round_made_stands_under_its_base_and_a_run_without_models_nowhere() -> None:
    assert drawn(model_tree([base(1), adapter(2, 1, None)], [run(1, 1)])) == ["base", "└─ adapter 2"]


def test_a_model_without_its_base_or_run_is_still_shown() -> None:
    assert drawn(model_tree([adapter(2, 1, None)], [])) == ["adapter 2"]
    assert drawn(model_tree([base(1), adapter(2, 1, 9)], [])) == ["base", "└─ adapter 2"]


def test_models_are_read_with_their_round_and_the_bases_are_never_cut_off(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    lines = sample.store.model_lines.fetch_models()
    assert [(line.kind, line.run_id, line.round) for line in lines] == [("adapter", 1, 1), ("base", None, None)]
    for n in range(5):
        sample.store.runs.insert_model(ModelFile("more", tmp_path, f"{n}" * 64, "trained", "adapter"), sample.base_id)
    kinds = [line.kind for line in sample.store.model_lines.fetch_models(limit=2)]
    assert kinds == ["adapter", "adapter", "base"]
    assert sample.store.model_lines.fetch_runs()[0].run_id == sample.run_id


def test_a_model_has_its_greedy_scores_only(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    scores = sample.store.model_lines.fetch_scores([sample.base_id])[sample.base_id]
    assert [(score.prompt, score.right, score.items, score.total) for score in scores] == [
        ("bare", 29, 120, 120), ("solve", 41, 120, 120),
    ]  # fmt: skip
    sample.store.database.write("UPDATE evaluations SET samples = 5")
    assert sample.store.model_lines.fetch_scores([sample.base_id]) == {}
    assert sample.store.model_lines.fetch_scores([]) == {}


def test_an_adapter_is_found_although_the_workspace_was_moved(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    here = sample.workspace.adapters / "run-1" / "round-1" / "adapter.gguf"
    here.parent.mkdir(parents=True)
    here.write_bytes(b"GGUF" * 500)
    noted = Path("elsewhere/adapters/run-1/round-1/adapter.gguf")
    model_id = sample.store.runs.insert_model(ModelFile("a", noted, "5" * 64, "t", "adapter"), sample.base_id)
    assert sample.store.model_lines.fetch_details([model_id])[model_id].path == here
    (facts,) = fetch_facts(sample.store, fetch_tree(sample.store, sample.workspace.exports).nodes[1:]).values()
    assert size_in_words(facts.size) == "2.0 kB"


def test_facts_tell_which_adapter_is_kept_and_which_file_is_missing(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    tree = fetch_tree(sample.store, sample.workspace.exports)
    facts = list(fetch_facts(sample.store, tree.nodes).values())
    assert [(each.node.name, each.is_kept, each.round) for each in facts] == [
        ("SmolLM2-135M-Instruct", False, None), ("run 1", False, 1), ("round 1", True, 1),
    ]  # fmt: skip
    line = [cell.text for cell in cells(facts[2], tree.measured)]
    assert line[1:3] == ["file missing", "kept"]
    assert tree.measured[0] == ("sums", "bare")
    assert line[3].startswith("35.8%") and line[3].endswith("+11.7")
    said = model_in_full(facts[2], 70).plain
    assert "adapter · run 1, round 1, running  kept" in said
    assert "Round 1 is kept because a round was trained, but it was not compared" in said
    assert "27.8 to 44.7  43/120" in said
    assert "20/61 of 120 so far" in said


def test_a_hostile_model_name_is_only_text(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    sample.store.database.write("UPDATE models SET name = ?, source = ?, path = ?", [HOSTILE] * 3)
    sample.store.database.write("UPDATE benchmarks SET name = ?", [HOSTILE])
    for facts in fetch_facts(sample.store, fetch_tree(sample.store, sample.workspace.exports).nodes).values():
        said = model_in_full(facts, 70).plain
        assert "\x1b" not in said and "\u202e" not in said
        assert len(said) < 10_000


def test_an_invalid_path_is_a_missing_file(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    sample.store.database.write("UPDATE models SET path = char(0) || 'x'")
    facts = list(fetch_facts(sample.store, fetch_tree(sample.store, sample.workspace.exports).nodes).values())
    assert facts[0].size is None
    assert "file missing" in model_in_full(dataclasses.replace(facts[0], size=None), 60).plain


def test_sizes_have_units() -> None:
    assert [size_in_words(size) for size in (None, 0, 999, 34_900, 94_100_000, 1_900_000_000)] == [
        "file missing", "0 B", "999 B", "34.9 kB", "94.1 MB", "1.9 GB",
    ]  # fmt: skip
