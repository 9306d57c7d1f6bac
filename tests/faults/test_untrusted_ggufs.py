"""GGUFs with one flaw each: read, tried, loaded, sampled from, quantised and merged within limits, or refused."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bed import count, crescent, environment, faults_of, is_one_line, shares, source
from forked import Forked, forked
from gguf_mutations import mutate
from gguf_parts import STRING, Gguf, string
from hostile_templates import TEMPLATES, mixed_template
from small_workspace import make_workspace
from tiny_model import make_tiny_gguf

from crescent_lite.config import Config, SamplingConfig, load_config
from crescent_lite.errors import ExitCode
from crescent_lite.export.requantised import fastest_type, is_rounded
from crescent_lite.models import sources
from crescent_lite.models.gguf_header import GgufHeader
from crescent_lite.records import Generation, Request
from crescent_lite.sampling import (
    check_chat_template,
    decode_program,
    llama,
    llama_log,
    plan_before_loading,
    template_program,
)
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.quantising import encode_rows, quantise
from crescent_lite.training.base_gguf import read_base
from crescent_lite.training.merging import merge

pytestmark = pytest.mark.slow
ARCHITECTURES = ("llama", "qwen2", "gemma2", "lfm2", "phi3")
SECONDS = 60.0
"""Time for one step of one file on a busy machine; each takes well under a second."""
HEADER_BYTES, MODEL_BYTES = 512 << 20, 4 << 30
"""Memory for reading a header, and for loading a model; the trial in a child has the same limit."""
LONGEST_LINE = 2000
"""Characters of an error's line."""


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Gguf]:
    folder = tmp_path_factory.mktemp("bases")
    return {
        name: Gguf.parse(make_tiny_gguf(folder / f"{name}.gguf", name).read_bytes())  # type: ignore[arg-type]
        for name in ARCHITECTURES
    }


def mutant(bases: dict[str, Gguf], trial: int, path: Path) -> str:
    """Write the file of a trial; return what is wrong with it."""
    chance = source("gguf", trial)
    architecture = chance.choice(ARCHITECTURES)
    flaw, raw = mutate(bases[architecture], chance, trial)
    path.write_bytes(raw)
    return f"trial {trial}: {architecture}, {flaw}"


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(preset="quick")


def faults(what: str, done: Forked) -> list[str]:
    """What a step did that none may do."""
    found = [done.problem] if done.problem else []
    if "\n" in done.error or len(done.error) > LONGEST_LINE:
        found.append(f"its error is not a line: {done.error[:300]!r}")
    return [f"{what}: {each}" for each in found]


@pytest.mark.parametrize("share", shares(few=13, all_of_them=1014, each=39), ids=str)
def test_a_flawed_gguf_is_refused_in_a_line_or_works(
    share: range, bases: dict[str, Gguf], config: Config, tmp_path: Path
) -> None:
    path, out, found = tmp_path / "flawed.gguf", tmp_path / "out.gguf", []

    def read_header() -> None:
        header = GgufHeader(path)
        for name in header.fields:
            header.value(name)
            header.value(name, raw=True)

    def sample() -> None:
        sampler = llama.LlamaSampler(path, SamplingConfig(slots=2, threads=1))
        request = Request("k", "What is 2 + 3?", Generation(8, 0.8), sample_indexes=(0, 1, 2), seed=3)
        list(sampler.sample([request]))

    def try_it(tokens: int) -> Callable[[], None]:
        def work() -> None:
            llama_log.echo_to(sys.stderr)
            decode_program.try_model(path, None, tokens=tokens, mapped=False)

        return work

    headers: dict[str, Callable[[], object]] = {
        "header": read_header,
        "base": lambda: bool(read_base(path)),
        "types": lambda: [fastest_type(path), is_rounded(path)],
        "adapter": lambda: sources._base_checksum(path),
    }
    with_words: dict[str, Callable[[], object]] = {
        "template": lambda: check_chat_template(path, config),
        "plan": lambda: str(plan_before_loading(path, config)),
    }
    with_weights: dict[str, Callable[[], object]] = {
        "sample": sample,
        "quantise": lambda: quantise(path, "q8_0", out),
        "quantise all": lambda: quantise(path, "iq4_nl", out, pure=True),
        "merge": lambda: merge(path, [], out, tensor_type="f16", encode=encode_rows, metadata={}),
        "copy": lambda: merge(path, [], out, tensor_type="same", encode=encode_rows, metadata={}),
    }
    for trial in share:
        flaw = mutant(bases, trial, path)
        for what, work in headers.items():
            found += faults(f"{flaw}; {what}", forked(work, seconds=SECONDS, memory_bytes=HEADER_BYTES))
        tried = [forked(try_it(tokens), seconds=SECONDS, memory_bytes=MODEL_BYTES) for tokens in (0, 20)]
        for each in tried:  # a signal is what the trial is there for
            if not each.signal:
                found += faults(f"{flaw}; trial", each)
        works = [not each.error and not each.problem for each in tried]
        doors = {**(with_words if works[0] else {}), **(with_weights if all(works) else {})}
        for what, work in doors.items():
            found += faults(f"{flaw}; {what}", forked(work, seconds=SECONDS, memory_bytes=MODEL_BYTES))
        count("flawed GGUFs")
        count("flawed GGUFs that end llama.cpp's process", any(each.signal for each in tried))
        count("flawed GGUFs that work", all(works))
    assert not found, "\n\n".join(found)


def test_a_tokenizer_whose_sign_for_the_unknown_is_a_control_token_ends(
    bases: dict[str, Gguf], tmp_path: Path
) -> None:
    """A vocabulary that is read as BERT's knows none of its words, and a control token stands for each."""
    model, path = copy.deepcopy(bases["qwen2"]), tmp_path / "bert.gguf"
    model.set("tokenizer.ggml.model", STRING, string(b"bert"))
    path.write_bytes(model.bytes())

    done = forked(
        lambda: len(GgufModel(path).tokenize("What is 2 + 3?", special=False)),
        seconds=SECONDS,
        memory_bytes=MODEL_BYTES,
    )

    assert not faults("tokenize", done)
    assert isinstance(done.value, int)


COMMANDS = (
    ("doctor",), ("run", "--yes"), ("eval",), ("models",), ("run", "--dry-run"),
    ("run", "--yes", "--set", "sampling.workers=2"), ("quantise", "MODEL", "--calibrate", "0", "--force"),
)  # fmt: skip


@pytest.mark.parametrize("share", shares(few=7, all_of_them=140, each=14), ids=str)
def test_every_command_that_reads_a_gguf_survives_it(share: range, bases: dict[str, Gguf], tmp_path: Path) -> None:
    model, found = tmp_path / "flawed.gguf", []
    folder = make_workspace(tmp_path / "work", model, min_examples=1000).folder
    small = ("--preset", "quick", "--set", "bait.questions=2", "--set", "vote.votes_per_question=2")
    env = environment(CRESCENT_MAY_DIE=None, XDG_CACHE_HOME=str(tmp_path / "cache"))
    for trial in share:
        flaw = mutant(bases, trial, model)
        command = COMMANDS[trial % len(COMMANDS)]
        arguments = [str(model) if word == "MODEL" else word for word in command]
        arguments += ["-w", str(folder), *(small if command[0] in ("run", "eval") else ())]
        ended = crescent(*arguments, seconds=240, env=env)
        faults = faults_of(ended)
        if (
            ended.code not in (ExitCode.OK, ExitCode.INTERRUPTED)
            and command[0] != "doctor"
            and not is_one_line(ended)
        ):
            faults += ["its error is not one line", str(ended)]
        if faults:
            found.append(f"{flaw}; {command}: " + "\n".join(faults))
        count("commands with a flawed GGUF")
        for path in (folder / "crescent.db", folder / "crescent.db-wal", folder / "crescent.db-shm"):
            path.unlink(missing_ok=True)
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("share", shares(few=len(TEMPLATES), all_of_them=1000, each=100), ids=str)
def test_a_chat_template_runs_no_code_and_ends(share: range) -> None:
    """What takes longer than a second here is ended by the limits of the program that renders templates."""
    messages, found = [{"role": "user", "content": "What is 2 + 3?"}], []
    for trial in share:
        template = TEMPLATES[trial] if trial < len(TEMPLATES) else mixed_template(source("template", trial))
        done = forked(
            lambda text=template: len(template_program.render(text, {"bos_token": "<s>"}, messages)),  # type: ignore[misc]
            seconds=1.0,
            memory_bytes=256 << 20,
        )
        if " ran [" in done.problem or done.signal:
            found.append(f"{template[:200]!r}: {done.problem}")
        count("hostile templates")
    assert not found, "\n\n".join(found)
