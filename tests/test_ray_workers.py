"""Workers on a Ray cluster: a real one, started on this machine for these tests."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import psutil
import pytest
from tiny_model import make_tiny_adapter, make_tiny_gguf

pytest.importorskip("ray", reason="needs pip install 'crescent-lite[ray]'")
pytestmark = pytest.mark.slow

from crescent_lite.config import SamplingConfig  # noqa: E402
from crescent_lite.errors import ConfigError, ModelError, NetworkError  # noqa: E402
from crescent_lite.records import Completion, Generation, Request  # noqa: E402
from crescent_lite.sampling.llama import LlamaSampler  # noqa: E402
from crescent_lite.sampling.worker_pool import PooledSampler, hands_of  # noqa: E402
from crescent_lite.sampling.workers.ray_actors import RayProgram  # noqa: E402

TWO = SamplingConfig(workers=2, slots=4, threads=1, ray="local")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


def requests(count: int, samples: int = 3, **generation: float) -> list[Request]:
    drawn = Generation(**{"max_tokens": 12, **generation})  # type: ignore[arg-type]
    return [Request(f"q{n}", f"What is {n} + {n * n}?", drawn, tuple(range(samples)), seed=5) for n in range(count)]


def actors() -> list[psutil.Process]:
    """The processes of the actors."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "ray::RayProgram" in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def test_two_actors_say_what_one_process_says_although_one_is_killed(tiny: Path, tmp_path: Path) -> None:
    adapter = make_tiny_adapter(tmp_path / "adapter.gguf")
    asked = requests(30, temperature=0, max_tokens=6)
    alone = LlamaSampler(tiny, SamplingConfig(slots=4, threads=1))
    pool = PooledSampler(tiny, hands_of(TWO, tiny), TWO)
    try:
        for path in (None, adapter):
            alone.use_adapter(path)
            pool.use_adapter(path)
            expected = {(c.key, c.sample_index): c.text for c in alone.sample(asked)}
            seen: list[Completion] = []
            for completion in pool.sample(asked):
                seen.append(completion)
                if len(seen) == 5 and path:
                    actors()[0].kill()
            said = {(c.key, c.sample_index): c.text for c in seen}

            assert Counter((c.key, c.sample_index) for c in seen) == Counter(expected.keys())
            assert sum(said[each] == expected[each] for each in expected) >= 0.9 * len(expected)
        with pytest.raises(ModelError, match="cannot use it as an adapter"):
            pool.use_adapter(tiny)
    finally:
        pool.close()
        alone.close()
    assert not actors()


def test_what_cannot_be_had_is_one_line(tiny: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(NetworkError, match=r"sampling\.ray = '127\.0\.0\.1:9': no Ray cluster answers"):
        hands_of(SamplingConfig(workers=2, ray="127.0.0.1:9"), tiny)
    with pytest.raises(ConfigError, match=r"sampling\.workers = 255: the Ray cluster has \d+ processors; lower it"):
        hands_of(SamplingConfig(workers=255, ray="local"), tiny)
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_actor_gets_files_that_its_machine_does_not_have(tiny: Path) -> None:
    program = RayProgram()
    stream = program.messages()
    assert program.greet("/no/such/model.gguf", 5)["has_model"] is False
    assert program.greet(str(tiny), tiny.stat().st_size)["has_model"] is True
    request = {"key": "q", "user": "2?", "sample_indexes": [0], "assistant_prefix": "", "forced": [], "seed": 1}
    generation = {"max_tokens": 2, "temperature": 0, "top_p": 1, "top_k": 64, "stop": [], "logprobs": False}
    sampling = {"slots": 2, "threads": 1, "memory_gb": 0.0}
    opened = {"model": "/no/such/model.gguf", "model_config": {}, "sampling": sampling, "memory_share": 0.5}
    program.put(1, {"sample": {**request, "generation": generation}, "call": 1}, None)  # it overtook the other
    program.put(0, {"open": opened}, tiny.read_bytes())

    assert next(stream) == {"opened": True}
    assert next(stream)["completion"]["key"] == "q"
    program.clean()
