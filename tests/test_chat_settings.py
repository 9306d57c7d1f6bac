"""The settings that change how a prompt is wrapped: model.chat_template and model.template_arguments."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gguf
import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace, workspace_with_adapter
from tiny_model import CHAT_TEMPLATE, make_tiny_gguf

from crescent_lite.config import Config, ModelConfig, load_config
from crescent_lite.config.text import config_rows
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ConfigError, CrescentError, ModelError, WorkspaceError
from crescent_lite.evaluation import measurements
from crescent_lite.export.handover import ChosenRounds, export_adapter, export_gguf
from crescent_lite.inquiry import Inquiry, answer
from crescent_lite.preparation import read_inputs
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.known_templates import KNOWN
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GgufModel]:
    """A model without a chat template."""
    path = make_tiny_gguf(tmp_path_factory.mktemp("models") / "bare.gguf", chat_template=None)
    model = GgufModel(path, vocabulary_only=True)
    yield model
    model.close()


@pytest.mark.parametrize("name", KNOWN)
def test_a_model_without_a_template_gets_a_known_one(name: str, bare: GgufModel) -> None:
    chat = ChatTemplate(bare, ModelConfig(chat_template=name))
    prompt, length = chat.encode_example("What is 2 + 3?", "5")
    assert prompt[:length] == chat.encode("What is 2 + 3?")
    assert prompt[-1] == chat.end_of_turn_id


def test_the_help_of_the_setting_names_every_known_template() -> None:
    (text,) = [each for name, _, _, each in config_rows(load_config()) if name == "model.chat_template"]
    assert all(name in text for name in KNOWN)


def test_a_template_from_a_file_is_that_template(bare: GgufModel, tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text("\ufeff[{{ messages[0].content }}] é\n", encoding="utf-8")
    assert ChatTemplate(bare, ModelConfig(chat_template=str(file))).render("hm") == "[hm] é"


def test_without_a_template_one_line_names_the_gap_and_the_ways_out(bare: GgufModel) -> None:
    with pytest.raises(
        ModelError, match=r"bare\.gguf: has no chat template; .* model\.chat_template: .*chatml.*"
    ) as error:
        ChatTemplate(bare)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (
            "chatlm",
            "'chatlm' cannot be read: there is no such file; give the path of a Jinja file or a known template",
        ),
        ("{% for", "cannot be rendered: TemplateSyntaxError"),
        ("{{ tomorrow() }}", "cannot be rendered: UndefinedError"),
        ("{{ messages[0].content }}{{ messages[0].content }}", "does not contain the user's text exactly once"),
        ("{{ '\\ud800' }}{{ messages[0].content }}", "half of a surrogate pair"),
        ("a\0b", "'a\\x00b' is not a text file in UTF-8"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_line(chosen: str, words: str, bare: GgufModel) -> None:
    with pytest.raises(ConfigError) as error:
        ChatTemplate(bare, ModelConfig(chat_template=chosen))
    assert str(error.value).startswith("model.chat_template: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\x00"])
def test_a_file_that_is_no_template_is_one_line(content: bytes, bare: GgufModel, tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_bytes(content)
    for chosen in (file, tmp_path):
        with pytest.raises(ConfigError, match=r"^model\.chat_template: .+"):
            ChatTemplate(bare, ModelConfig(chat_template=str(chosen)))


def test_a_broken_template_of_a_gguf_names_the_way_out(tmp_path: Path) -> None:
    model = GgufModel(make_tiny_gguf(tmp_path / "a.gguf", chat_template="{{ later() }}"), vocabulary_only=True)
    with pytest.raises(CrescentError, match=r"another one can be named in model\.chat_template: alpaca, chatml"):
        ChatTemplate(model)
    model.close()


def test_arguments_reach_the_prompts_and_the_examples(bare: GgufModel) -> None:
    silent = ChatTemplate(bare, ModelConfig(chat_template=THINKING, template_arguments={"enable_thinking": False}))
    assert silent.render("2 + 3?").endswith("<think>\n\n</think>\n\n")
    prompt, length = silent.encode_example("2 + 3?", "5")
    assert prompt[:length] == silent.encode("2 + 3?")
    assert len(prompt) > len(ChatTemplate(bare, ModelConfig(chat_template=THINKING)).encode_example("2 + 3?", "5")[0])


def test_a_template_that_reads_parts_of_a_turn_gets_parts(bare: GgufModel) -> None:
    parts = (
        "{% for m in messages %}{% for p in m.content if p.type == 'text' %}<{{ p.text }}>{% endfor %}{% endfor %}"
    )
    assert ChatTemplate(bare, ModelConfig(chat_template=parts)).render("2 + 3?") == "<2 + 3?>"


def test_a_template_finds_the_special_tokens_of_the_gguf(bare: GgufModel) -> None:
    assert bare.special_tokens() == {
        "bos_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('"low"', "model.template_arguments: must be a table, not 'low'"),
        ("[1]", "model.template_arguments: must be a table, not [1]"),
        (
            "{ a = [1] }",
            "model.template_arguments.a: must be text, a whole number, a number or true or false, not [1]",
        ),
        ("{ a = { b = 1 } }", "model.template_arguments.a: must be text"),
        ("{ a = 2030-01-01 }", "model.template_arguments.a: must be text"),
        ("{ a = nan }", "model.template_arguments.a: NaN cannot be stored"),
        ("{ messages = 'x' }", "model.template_arguments.messages: is set by the program; remove it"),
    ],
)
def test_arguments_of_a_wrong_type_are_refused_by_name(value: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(overrides=[f"model.template_arguments={value}"])
    assert words in str(error.value)


def test_arguments_are_kept_as_they_are_written() -> None:
    written: dict[str, Any] = {"enable_thinking": False, "effort": "low", "budget": 512, "part": 0.5}
    text = "{ enable_thinking = false, effort = 'low', budget = 512, part = 0.5 }"
    assert load_config(overrides=[f"model.template_arguments={text}"]).model.template_arguments == written


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Loaded(list[ModelConfig]):
    """A way to open a fake sampler that notes which settings of the model it was opened with."""

    def __call__(self, _path: Path, config: Config) -> FakeSampler:
        self.append(config.model)
        return FakeSampler()


def evaluation_id(workspace: Workspace, *overrides: str) -> int:
    """The evaluation of the base that a run with these settings would use, stored anew or earlier."""
    config = load_config(workspace.config_path, overrides=overrides)
    inputs = read_inputs(workspace, config)
    (benchmark,) = inputs.benchmarks
    measurement = measurements(benchmark, inputs.config, inputs.prompts)[0]
    with closing(Store.open(workspace.database_path)) as store:
        store.runs.insert_prompt(measurement.prompt)
        base_id = store.runs.insert_model(inputs.base)
        run_id = store.runs.insert_run("evaluation", base_id, inputs.checksums)
        benchmark_id = store.evaluations.insert_benchmark(benchmark)
        return store.evaluations.insert_evaluation(run_id, 0, base_id, benchmark_id, measurement, seed=1)


def test_scores_of_another_template_or_other_arguments_are_not_taken_over(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    file, given = tmp_path / "mine.jinja", "model.chat_template=mine.jinja"
    file.write_text(CHAT_TEMPLATE)
    own, replaced = evaluation_id(workspace), evaluation_id(workspace, given)
    silent = evaluation_id(workspace, "model.template_arguments={ enable_thinking = false }")
    assert [own, replaced] == [evaluation_id(workspace), evaluation_id(workspace, given)]
    file.write_text(CHAT_TEMPLATE + "!")
    changed = evaluation_id(workspace, given)
    assert len({own, replaced, silent, changed}) == 4


def test_a_run_keeps_its_template_and_arguments(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    file = tmp_path / "mine.jinja"
    file.write_text(THINKING)
    given = ("model.chat_template=mine.jinja", "model.template_arguments={ enable_thinking = false }")
    loaded = Loaded()
    with closing(run_engine(workspace, RunOptions(overrides=given), loaded)) as events:
        for _ in zip(range(30), events, strict=False):
            pass
    assert loaded == [ModelConfig(str(tmp_path / "tiny.gguf"), False, THINKING, {"enable_thinking": False})]

    with pytest.raises(WorkspaceError, match=r"the table model\.template_arguments has changed"):
        list(run_engine(workspace, RunOptions(overrides=("model.template_arguments={}",)), loaded))
    file.write_text(CHAT_TEMPLATE)
    with pytest.raises(WorkspaceError, match=r"the chat template \(model\.chat_template\) has changed"):
        list(run_engine(workspace, RunOptions(), loaded))

    with closing(Store.open_read_only(workspace.database_path)) as store:
        answer(workspace, store, Inquiry("What is 2 + 3?", rounds=(0,)), lambda _: None, loaded)
        with pytest.raises(ConfigError, match="mine"):
            answer(workspace, store, Inquiry("2 + 3?", rounds=(0,), prompt="mine"), lambda _: None, loaded)
    assert [model.chat_template for model in loaded] == [THINKING, THINKING]


@pytest.mark.parametrize("template", [None, "{{ tomorrow() }}"])
def test_a_run_that_is_refused_for_its_template_leaves_no_run(template: str | None, tmp_path: Path) -> None:
    model = make_tiny_gguf(tmp_path / "bare.gguf", chat_template=template)
    workspace = make_workspace(tmp_path, model, min_examples=1000)
    with pytest.raises(ModelError):
        list(run_engine(workspace, RunOptions()))
    with closing(Store.open_read_only(workspace.database_path)) as store:
        assert not store.database.value("SELECT count(*) FROM runs")


@pytest.mark.slow
def test_a_given_template_is_handed_over_with_its_arguments(tmp_path: Path) -> None:
    text = CHAT_TEMPLATE + "{% if add_generation_prompt and not thinking %}<think></think>{% endif %}"
    given = ModelConfig(chat_template=text, template_arguments={"thinking": False})
    with closing(Store.open_read_only(workspace_with_adapter(tmp_path).database_path)) as store:
        base, adapter = store.runs.fetch_model(1), store.runs.fetch_model(2)
        chosen = ChosenRounds(1, base, {1: 1.0}, {1: adapter}, given)
        export_gguf(store, chosen, tmp_path / "merged", "f16")
        export_adapter(store, chosen, tmp_path / "alone")

    (merged,) = (tmp_path / "merged").glob("*.gguf")
    assert gguf.GGUFReader(merged).get_field("tokenizer.chat_template").contents() == text
    assert "assistant\n<think></think>{{ .Response }}" in (tmp_path / "merged" / "Modelfile").read_text()
    arguments = """--chat-template-kwargs '{"thinking": false}'"""
    assert f"{merged.name} {arguments}" in (tmp_path / "merged" / "README.md").read_text()
    assert (tmp_path / "alone" / "chat_template.jinja").read_text() == text
    wanted = f"--jinja --chat-template-file chat_template.jinja {arguments}"
    assert wanted in (tmp_path / "alone" / "README.md").read_text()
