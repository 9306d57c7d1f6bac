"""Exported models: every form gives the same replies as the model of the run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import pytest
import torch
from fake_sampler import FakeSampler
from peft import PeftModel
from small_workspace import make_workspace
from tiny_model import CHAT_TEMPLATE, make_tiny_gguf
from transformers import AutoModelForCausalLM, AutoTokenizer

from crescent_lite.cli import main
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ExitCode
from crescent_lite.export.handover import modelfile
from crescent_lite.export.provenance import handed_over
from crescent_lite.sampling.quantising import encode_rows
from crescent_lite.training.merging import merge, merged_name
from crescent_lite.workspace import Workspace

pytestmark = pytest.mark.slow
PROBE = [1, 40, 50, 60, 70, 2, 13, 99, 120, 7, 33, 200]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = make_workspace(tmp_path_factory.mktemp("finished"))
    with workspace.config_path.open("a", encoding="utf-8") as file:
        file.write("[sampling]\nthreads = 1\n")
    list(run_engine(workspace, RunOptions(rounds=2), lambda _path, _config: FakeSampler()))
    return workspace


def export(finished: Workspace, what: str, out: Path, *options: str) -> Path:
    assert main(["export", what, "-w", str(finished.folder), "--output", str(out), *options]) == ExitCode.OK
    assert not list(out.parent.glob("*.unfinished"))
    return out


def llama_logits(model: Path, adapter: Path | None = None) -> np.ndarray:
    loaded = llama_cpp.Llama(
        str(model),
        lora_path=str(adapter) if adapter else None,
        n_ctx=64,
        n_threads=1,
        type_k=0,
        type_v=0,
        logits_all=True,
        verbose=False,
    )
    loaded.eval(PROBE)
    found = np.array(loaded.scores[: len(PROBE)])
    loaded.close()
    return found


def torch_logits(model: torch.nn.Module) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = model.eval()(torch.tensor([PROBE])).logits[0].float().numpy()
    return found


def own_adapter(finished: Workspace, number: int) -> Path:
    return finished.adapters / "run-1" / f"round-{number}" / "adapter.gguf"


def own_logits(finished: Workspace, number: int = 1) -> np.ndarray:
    return llama_logits(finished.folder / "tiny.gguf", own_adapter(finished, number))


def test_the_adapter_works_in_llama_cpp_and_in_peft(finished: Workspace, tmp_path: Path) -> None:
    folder = export(finished, "adapter", tmp_path / "adapter", "--rounds", "1")
    assert np.array_equal(
        llama_logits(finished.folder / "tiny.gguf", folder / "round-1.gguf"), own_logits(finished, 1)
    )
    base = AutoModelForCausalLM.from_pretrained(finished.folder, gguf_file="tiny.gguf", dtype=torch.float32)
    assert np.abs(torch_logits(PeftModel.from_pretrained(base, folder)) - own_logits(finished, 1)).max() < 1e-3
    assert "--lora round-1.gguf" in (folder / "README.md").read_text()


def test_the_merged_gguf_says_what_the_round_says(finished: Workspace, tmp_path: Path) -> None:
    folder = export(finished, "gguf", tmp_path / "merged")
    (path,) = folder.glob("*.gguf")
    (handed,) = handed_over(tmp_path)
    assert (handed.run_id, handed.rounds, handed.what, handed.tensor_type) == (1, {1: 1.0}, "gguf", "f16")
    assert handed.size > path.stat().st_size
    assert path.name == "tiny-crescent-r1-F16.gguf"  # of equally good rounds the earlier one is kept
    assert np.abs(llama_logits(path) - own_logits(finished)).max() < 0.05
    card = (folder / "README.md").read_text()
    assert "The scores below are those of the base with its adapter. These files contain" in card
    assert "contain 100% of the change that training made" in card
    assert gguf.GGUFReader(path).get_field("tokenizer.chat_template").contents() == CHAT_TEMPLATE
    assert (folder / "Modelfile").read_text() == (
        f"FROM ./{path.name}\n"
        'TEMPLATE """<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n{{ .Response }}<|im_end|>"""\n'
        'PARAMETER stop "<|im_end|>"\n'
    )


def test_exporting_a_round_that_is_not_better_than_the_base_warns(
    finished: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = export(finished, "adapter", tmp_path / "adapter", "--rounds", "1")
    words = "round 1: it is not shown to be better than the base ("
    assert f"warning: {words}" in capsys.readouterr().err
    assert f"Before you use it: {words}" in (folder / "README.md").read_text()


def test_an_untrusted_gguf_writes_no_lines_into_the_modelfile_and_no_paths(tmp_path: Path) -> None:
    base = make_tiny_gguf(tmp_path / "tiny.gguf", chat_template='"""\nADAPTER /etc/x\n"""' + CHAT_TEMPLATE)
    metadata = {"general.basename": "../../up\nADAPTER ./x", "general.finetune": "a" * 300}
    hostile = tmp_path / "hostile.gguf"
    merge(base, [], hostile, tensor_type="same", encode=encode_rows, metadata=metadata)

    name = merged_name(hostile, "hostile", "crescent-r1", "f16")
    assert re.fullmatch(r"[\w+-][\w.+-]{1,149}", name)
    assert name.endswith("a-crescent-r1-F16")
    assert [line for line in modelfile(hostile).splitlines() if not line.startswith("#")] == ["FROM ./hostile.gguf"]


def test_a_merged_gguf_of_another_type_and_of_two_rounds(finished: Workspace, tmp_path: Path) -> None:
    folder = export(finished, "gguf", tmp_path / "merged", "--type", "q8_0", "--rounds", "1=0.5", "2=0.5")
    (path,) = folder.glob("*.gguf")
    assert path.name == "tiny-crescent-r1x0.5-r2x0.5-Q8_0.gguf"
    card = (folder / "README.md").read_text()
    assert "This mixture of rounds was not measured" in card
    assert card.count("with weight 0.5") == 2
    halfway = (own_logits(finished, 1) + own_logits(finished, 2)) / 2
    assert np.abs(llama_logits(path) - halfway).max() < 1


def test_transformers_loads_the_folder(finished: Workspace, tmp_path: Path) -> None:
    folder = export(finished, "folder", tmp_path / "folder")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert np.abs(torch_logits(model) - own_logits(finished)).max() < 0.3  # the folder is saved in bfloat16
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rendered = tokenizer.apply_chat_template([{"role": "user", "content": "2 + 3?"}], tokenize=False)
    assert rendered == "<|im_start|>user\n2 + 3?<|im_end|>\n"
    ends = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    assert ends[0] == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert tokenizer.eos_token == "<|im_end|>"
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".safetensors", ".md", ".jinja", ".txt"}


def test_the_card_says_where_a_model_comes_from_and_how_it_scored(finished: Workspace, tmp_path: Path) -> None:
    card = (export(finished, "adapter", tmp_path / "adapter") / "README.md").read_text()
    front, _, text = card.removeprefix("---\n").partition("---\n")
    assert "library_name: " in front
    for part in ("## Lineage", "sha256 `", "## Use", "## Limits", "yield", "## Scores", "## Prompts", "## Settings"):
        assert part in text
    assert "95% interval" in text
    assert "# tiny, taught by itself" in text
    assert "licence: not named in its GGUF" in text


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["adapter", "--rounds", "7"], ExitCode.NOT_FOUND, "round 7 has no adapter; rounds with one: 1, 2"),
        (["adapter", "--rounds", "1", "2"], ExitCode.CONFIG, "export adapter takes one round with weight 1"),
        (["gguf", "--run", "9"], ExitCode.NOT_FOUND, "run 9"),
        (["gguf", "--output", "."], ExitCode.STORAGE, "exists already"),
        (["examples", "--output", "crescent.db"], ExitCode.STORAGE, "exists already"),
        (["gguf", "--output", "x" * 300], ExitCode.STORAGE, "cannot be written: File name too long"),
        (["gguf", "--rounds", "1", "1=0.3"], ExitCode.CONFIG, "a round is named twice"),
        (["gguf", "--rounds", "1=1e9"], ExitCode.MODEL, "cannot represent: "),
        (["folder", "--type", "q8_0"], ExitCode.USAGE, "there is no option '--type'"),
        (["examples", "--rounds", "1=0.5"], ExitCode.USAGE, "'1=0.5' is not a whole number"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    options: list[str],
    code: ExitCode,
    words: str,
    finished: Workspace,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(finished.folder)
    assert main(["export", *options, "-w", str(finished.folder)]) == code
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize("weight", ["nan", "inf", "0", "a"])
def test_a_weight_is_a_number_other_than_0(weight: str, finished: Workspace) -> None:
    assert main(["export", "gguf", "-w", str(finished.folder), "--rounds", f"1={weight}"]) == ExitCode.USAGE


def test_the_peft_files_must_belong_to_the_gguf_adapter(
    finished: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peft = finished.adapters / "run-1" / "round-1" / "peft"
    (peft / "evil.py").write_text("print()")
    folder = export(finished, "adapter", tmp_path / "whole", "--rounds", "1")
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "adapter_config.json", "adapter_model.safetensors", "crescent.json", "round-1.gguf"
    }  # fmt: skip
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny"

    aside = tmp_path / "aside"
    peft.rename(aside)
    card = (export(finished, "adapter", tmp_path / "alone", "--rounds", "1") / "README.md").read_text()
    assert "peft import" not in card
    shutil.copytree(finished.adapters / "run-1" / "round-2" / "peft", peft)
    try:
        options = ["--rounds", "1", "-w", str(finished.folder), "--output", str(tmp_path / "other")]
        assert main(["export", "adapter", *options]) == ExitCode.MODEL
        assert "is not what adapter.gguf was made from" in capsys.readouterr().err
    finally:
        shutil.rmtree(peft)
        aside.rename(peft)


def test_a_card_names_no_paths_and_the_settings_of_its_training(finished: Workspace, tmp_path: Path) -> None:
    card = (export(finished, "adapter", tmp_path / "adapter", "--rounds", "1") / "README.md").read_text()
    assert str(finished.folder) not in card
    assert '"source": "tiny.gguf"' in card
    assert '"train, round 1": {' in card


def test_a_folder_that_cannot_express_the_rotary_factors_is_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = make_workspace(tmp_path / "w", make_tiny_gguf(tmp_path / "tiny.gguf", rope_factors=True))
    list(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))
    assert main(["export", "folder", "-w", str(workspace.folder), "--output", str(tmp_path / "o")]) == ExitCode.MODEL
    assert "a transformers folder cannot express its rotary factors" in capsys.readouterr().err
    card = (export(workspace, "adapter", tmp_path / "adapter") / "README.md").read_text()
    assert "peft import" not in card


def test_a_moved_workspace_exports_its_own_adapters(finished: Workspace, tmp_path: Path) -> None:
    moved = shutil.copytree(finished.folder, tmp_path / "moved")
    own = moved / "adapters" / "run-1" / "round-1" / "adapter.gguf"
    own.write_bytes(own.read_bytes() + b"more")
    assert main(["export", "adapter", "-w", str(moved), "--output", str(tmp_path / "o"), "--rounds", "1"]) == (
        ExitCode.MODEL
    )


def test_a_base_that_was_changed_is_not_exported(
    finished: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = finished.folder / "tiny.gguf"
    content = path.read_bytes()
    try:
        path.write_bytes(content + b"more")
        assert main(["export", "gguf", "-w", str(finished.folder), "--output", str(tmp_path / "o")]) == ExitCode.MODEL
        assert "its checksum differs" in capsys.readouterr().err
    finally:
        path.write_bytes(content)
    assert json.loads((finished.adapters / "run-1" / "round-1" / "plan.json").read_text())["base_sha256"]
