"""How many samples a server gets at a time, and what is asked for in one request."""

from __future__ import annotations

import statistics
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server_stand_ins import Answer, BusyVllm, LlamaSwap, Ollama, Sglang, Vllm, stand_in
from tiny_model import make_tiny_gguf

from crescent_lite.answers.thoughts import why_unanswered
from crescent_lite.config import SamplingConfig
from crescent_lite.errors import NetworkError
from crescent_lite.records import Completion, Generation, Request
from crescent_lite.sampling.server_limits import FIRST_SAMPLES, MOST_SAMPLES, STEP_SAMPLES, QueueLimit, SpeedLimit
from crescent_lite.sampling.server_pool import ServerSampler
from crescent_lite.sampling.server_retries import ATTEMPTS_AFTER_500
from crescent_lite.sampling.servers.metrics import waiting_requests


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


def draw(model: Path, url: str, asked: list[Request], **changes: object) -> list[Completion]:
    sampler = ServerSampler(model, SamplingConfig(servers=(url,), **changes))  # type: ignore[arg-type]
    try:
        return list(sampler.sample(asked))
    finally:
        sampler.close()


def wave(number: int, votes: int = 8) -> Request:
    return Request(f"q{number}", f"What is {number} + 3?", Generation(max_tokens=12), tuple(range(votes)), seed=5)


# ── the limits, without a server ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("places", [16, 100, 256, 1000])
def test_a_limit_follows_the_queue_and_stays_just_above_the_places(places: int) -> None:
    limit, seen = QueueLimit(), []
    for _ in range(100):
        limit.note_queue(waiting=max(0, limit.samples - places), under_way=limit.samples)
        seen.append(limit.samples)

    assert max(seen) <= 2 * places or max(seen) <= 2 * FIRST_SAMPLES
    assert all(places <= samples <= places + max(STEP_SAMPLES, places // 8) for samples in seen[10:])


def test_without_enough_work_a_limit_is_not_raised() -> None:
    limit = QueueLimit()
    for _ in range(20):
        limit.note_queue(waiting=0, under_way=5)
    assert limit.samples == FIRST_SAMPLES


def simulated_server(limit: SpeedLimit, places: int, replies: int, slowing: float = 0.0) -> list[int]:
    """The limit after each reply of a server whose samples take a second, longer by `slowing` for each one beside
    it, and wait for one of its places."""
    now, ends, seen = 0.0, list[tuple[float, float]](), []
    for _ in range(replies):
        while len(ends) < limit.samples:
            free = sorted(end for _, end in ends)[-places] if len(ends) >= places else now
            ends.append((now, max(now, free) + 1 + slowing * min(len(ends), places)))
        began, now = min(ends, key=lambda each: each[1])
        ends.remove((began, now))
        limit.note_reply(began, now, 100, len(ends) + 1)
        seen.append(limit.samples)
    return seen


@pytest.mark.parametrize("places", [4, 32, 200, 256])
def test_without_a_report_the_limit_grows_until_replies_become_slower(places: int) -> None:
    seen = simulated_server(SpeedLimit(), places, 6000)

    assert statistics.median(seen[3000:]) >= min(places, FIRST_SAMPLES)
    assert statistics.median(seen[3000:]) <= max(2 * places, FIRST_SAMPLES + STEP_SAMPLES)
    if places > FIRST_SAMPLES:
        assert statistics.median(seen[3000:]) >= 0.8 * places


def test_a_batch_that_slows_its_samples_a_little_is_still_filled() -> None:
    seen = simulated_server(SpeedLimit(), 256, 8000, slowing=1 / 256)  # at 256 a sample takes twice as long
    assert statistics.median(seen[4000:]) >= 128


def test_the_limit_has_a_bound() -> None:
    assert max(simulated_server(SpeedLimit(first=512), 10**6, 3000)) == MOST_SAMPLES


def test_a_server_that_cannot_cope_gets_half() -> None:
    for limit in (SpeedLimit(), QueueLimit()):
        limit.note_overload()
        assert limit.samples == FIRST_SAMPLES // 2
        for _ in range(20):
            limit.note_overload()
        assert limit.samples == 1


PAGE = """# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_running{engine="0",model_name="m"} 256.0
vllm:num_requests_waiting{engine="0",model_name="a } b"} 3.0
vllm:num_requests_waiting{engine="1",model_name="m"} 4.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 99.0
"""


def test_the_requests_that_wait_are_read_from_the_page_for_prometheus() -> None:
    assert waiting_requests(PAGE) == 7
    assert waiting_requests('sglang:num_queue_reqs{model_name="m"} 2.0 1700000000') == 2
    assert waiting_requests("vllm:num_requests_waiting 5") == 5
    for page in (
        "",
        "vllm:num_requests_waiting NaN",
        "vllm:num_requests_waiting{ 3",
        "vllm:num_requests_waiting{} -1",
    ):
        assert waiting_requests(page) is None


@given(st.text(' {}"=0123456789.eE+-naif\n', max_size=20))
def test_any_page_is_read_or_says_nothing(rest: str) -> None:
    waiting = waiting_requests(f"vllm:num_requests_waiting{rest}")
    assert waiting is None or waiting >= 0


# ── what is asked for in one request ─────────────────────────────────────────────────────────────────────────────


def test_vllm_draws_a_wave_in_one_request_from_token_ids(tiny: Path) -> None:
    request = wave(1)
    with stand_in(Vllm(tiny)) as server:
        completions = draw(tiny, f"{server.url}/v1", [request])
        (sent,) = [body for body in server.sent_to("/v1/completions") if body.get("n")]

    assert sent["n"] == 8
    assert all(isinstance(token, int) for token in sent["prompt"])
    assert sent["seed"] == request.sample_seed(0)
    assert [(c.sample_index, c.seed) for c in completions] == [(n, request.sample_seed(0) + n) for n in range(8)]
    assert {c.tokens for c in completions} == {2}


def test_a_wave_that_is_continued_is_seeded_by_its_first_missing_vote(tiny: Path) -> None:
    request = Request("q", "What is 2?", Generation(max_tokens=12), (3, 6), seed=5)
    with stand_in(Vllm(tiny)) as server:
        completions = draw(tiny, server.url, [request])

    assert [(c.sample_index, c.seed) for c in completions] == [
        (3, request.sample_seed(3)),
        (6, request.sample_seed(3) + 1),
    ]


def test_a_server_that_draws_one_after_all_is_asked_for_the_others(tiny: Path) -> None:
    class Single(Vllm):
        def completion(self, body: dict[str, object], model: str) -> Answer:
            return super().completion({**body, "n": 1}, model)

    with stand_in(Single(tiny)) as server:
        completions = draw(tiny, server.url, [wave(1), wave(2)])
        asked = server.sent_to("/v1/completions")

    assert Counter((c.key, c.sample_index) for c in completions) == Counter(
        (f"q{number}", index) for number in (1, 2) for index in range(8)
    )
    assert all(c.seed == wave(int(c.key[1:])).sample_seed(c.sample_index) for c in completions)
    assert sum("n" in body for body in asked) <= 2


@pytest.mark.parametrize("owner", ["sglang", "somebody else"])
def test_sglang_is_asked_for_each_vote_with_a_seed_of_its_own(tiny: Path, owner: str) -> None:
    with stand_in(Sglang(tiny, owner)) as server:
        draw(tiny, server.url, [wave(1)])
        sent = [body for body in server.sent_to("/v1/completions") if "seed" in body]

    assert sorted(body["seed"] for body in sent) == sorted(wave(1).sample_seed(index) for index in range(8))
    assert all("n" not in body and isinstance(body["prompt"], list) for body in sent)


def test_a_server_of_unknown_kind_gets_text(tiny: Path) -> None:
    class Unknown(Vllm):
        def answer(self, path: str, query: object, body: dict[str, object]) -> Answer:
            known = path in ("/v1/models", "/v1/completions")
            return super().answer(path, {}, body) if known else Answer({}, 404)

    with stand_in(Unknown(tiny, owner="somebody else")) as server:
        draw(tiny, server.url, [wave(1)])
        sent = server.sent_to("/v1/completions")

    assert all(isinstance(body["prompt"], str) and "n" not in body for body in sent)


def test_choices_are_taken_by_their_index_and_none_is_counted_twice(tiny: Path) -> None:
    class Jumbled(Vllm):
        def completion(self, body: dict[str, object], model: str) -> Answer:
            found = super().completion(body, model).body
            assert isinstance(found, dict)
            for choice in found["choices"]:
                choice["text"] = str(body.get("seed", 0) + choice["index"])
            kept = [each for each in found["choices"] if each["index"] != 5]
            return Answer(found | {"choices": [*reversed(kept), *kept]})

    with stand_in(Jumbled(tiny)) as server:
        completions = draw(tiny, server.url, [wave(1)])

    assert sorted(c.sample_index for c in completions) == list(range(8))
    assert all(c.text == str(c.seed) for c in completions)


def test_a_reply_to_another_prompt_is_asked_for_again(tiny: Path) -> None:
    with stand_in(Vllm(tiny)) as server:
        sampler = ServerSampler(tiny, SamplingConfig(servers=(server.url,)))
        other = server.completion({"prompt": [1, 2, 3]}, server.names[0])
        server.first = [other]
        assert [c.text for c in sampler.sample([wave(1, votes=1)])] == [" 5"]
        asked = [body for body in server.sent_to("/v1/completions") if "seed" in body]
        sampler.close()
    assert len(asked) == 2


def test_a_vllm_that_refuses_token_ids_gets_text(tiny: Path) -> None:
    class TextOnly(Vllm):
        def answer(self, path: str, query: object, body: dict[str, object]) -> Answer:
            if isinstance(body.get("prompt"), list):
                return Answer({"error": {"message": "prompt must be a string"}}, 400)
            return super().answer(path, {}, body)

    with stand_in(TextOnly(tiny)) as server:
        assert len(draw(tiny, server.url, [wave(1)])) == 8


@pytest.mark.parametrize(("kind", "at_once"), [(Ollama, 1), (LlamaSwap, 3)])
def test_a_server_gets_as_many_samples_as_it_says(tiny: Path, kind: type[Ollama | LlamaSwap], at_once: int) -> None:
    with stand_in(kind(tiny)) as server:
        name = "small" if kind is LlamaSwap else ""
        assert len(draw(tiny, server.url, [wave(n) for n in range(4)], server_model=name)) == 32
        assert server.most_at_once <= at_once


# ── what a failure means ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_engine_that_fails_is_asked_three_times_and_not_eight(tiny: Path) -> None:
    with stand_in(Vllm(tiny)) as server:
        sampler = ServerSampler(tiny, SamplingConfig(servers=(server.url,)))
        asked = len(server.sent_to("/v1/completions"))
        server.first = [Answer({"error": {"message": "EngineCore encountered an issue"}}, 500)] * 20
        with pytest.raises(NetworkError, match=r"status 500 \(EngineCore encountered an issue\)"):
            list(sampler.sample([wave(1)]))
        sampler.close()
        assert len(server.sent_to("/v1/completions")) - asked == ATTEMPTS_AFTER_500


def test_a_reply_whose_thoughts_ollama_keeps_back_is_no_empty_vote(tiny: Path) -> None:
    with stand_in(Ollama(tiny)) as server:
        server.extra = {"response": "", "eval_count": 300, "done_reason": "length"}
        (hidden,) = draw(tiny, server.url, [wave(1, votes=1)])
        server.extra = {"response": "", "eval_count": 1}
        (empty,) = draw(tiny, server.url, [wave(1, votes=1)])

    assert why_unanswered(hidden.text, finished=False) == "in_thoughts"
    assert why_unanswered(empty.text, finished=True) == "no_answer"


# ── a server that is kept busy ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_wave_of_a_thousand_questions_keeps_a_server_of_256_places_full(tiny: Path) -> None:
    server = BusyVllm(tiny, places=256, seconds=0.6)
    with stand_in(server):
        completions = draw(tiny, server.url, [wave(number) for number in range(1000)])

    assert Counter((c.key, c.sample_index) for c in completions) == Counter(
        (f"q{number}", index) for number in range(1000) for index in range(8)
    )
    # A client that gets no processor for a moment hands nothing out meanwhile, so single counts may be lower.
    assert statistics.quantiles(server.under_way[250:900], n=4)[0] >= 200
