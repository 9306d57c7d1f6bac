"""Coverage-guided fuzzing of what reads text and files of others, with atheris (libFuzzer for Python).

atheris is in no environment of this project; install it into one of its own:
    python -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install atheris
    PYTHONPATH=.:tui:tests:$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \\
        /tmp/fuzz/bin/python tests/faults/fuzz.py answers --seconds 3600
An input that raises, breaks a promise or takes long ends the program and is kept in the folder --found. Example of a
promise: an answer's key is short printable ASCII.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["crescent_lite"]):
    from crescent_lite.answers import canonical_answer, find_answer
    from crescent_lite.config import DiversifyConfig, load_config
    from crescent_lite.config.toml import override_layer
    from crescent_lite.errors import BenchmarkError, ConfigError, CrescentError, ModelError, UsageError
    from crescent_lite.files import json_lines
    from crescent_lite.models.gguf_header import GgufHeader
    from crescent_lite.printable import printable, printable_line, storable, unstorable
    from crescent_lite.questions.diversify import Known, judge
    from crescent_lite.records import Question
    from crescent_lite.store.database import Database
    from crescent_lite.store.querying import Querying

HERE = Path(__file__).parent.parent
PLACE = Path(tempfile.mkdtemp(prefix="crescent-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
MOST_SECONDS = 0.5
"""Processor time for one input; with the counters of atheris everything is a few times as slow."""
LONGEST_LINE = 2000


def text_of(data: bytes) -> str:
    """Most bytes are UTF-8, so that inputs grow into characters; the others become lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def one_line(error: CrescentError) -> None:
    words = str(error)
    assert "\n" not in words and len(words) < LONGEST_LINE, f"not a line: {words[:200]!r}"


def answers(data: bytes) -> None:
    text = text_of(data)
    key = canonical_answer(text)
    assert key is None or (key.isascii() and key.isprintable() and len(key) < 400), key
    found = find_answer(text, finished=len(data) % 2 == 0)
    assert found is None or found.key.isascii()


def questions(data: bytes) -> None:
    text = text_of(data)
    judge(Question(1, text, text, "stop"), KNOWN, SETTINGS)


def shown(data: bytes) -> None:
    text = text_of(data)
    seen = printable(text)
    assert printable(seen) == seen
    assert not any((ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 for c in seen)
    assert len(printable_line(text).splitlines()) <= 1
    assert unstorable(storable(text)) is None
    storable(text).encode("utf-8")


def header(data: bytes) -> None:
    path = PLACE / "flawed.gguf"
    path.write_bytes(b"GGUF\3\0\0\0" + data)
    try:
        found = GgufHeader(path)
        for name in found.fields:
            found.value(name, raw=True)
            found.value(name)
    except ModelError as error:
        one_line(error)


def lines(data: bytes) -> None:
    for as_text in (False, True):
        try:
            for line in json_lines(Path("x.jsonl"), io.BytesIO(data), BenchmarkError, numbers_as_text=as_text):
                assert unstorable(json.dumps(line.value, ensure_ascii=False)) is None
        except BenchmarkError as error:
            one_line(error)


def sql(data: bytes) -> None:
    statement = text_of(data)
    try:
        QUERYING.run(statement, limit=20, seconds=0.3)
    except UsageError as error:
        one_line(error)
    connection = QUERYING._database.connection
    assert connection.total_changes == 0
    connection.set_authorizer(None)
    assert not connection.execute("SELECT * FROM sqlite_temp_master").fetchall()
    assert not connection.in_transaction


def settings(data: bytes) -> None:
    path = PLACE / "crescent.toml"
    path.write_bytes(data)
    try:
        load_config(path)
    except ConfigError as error:
        one_line(error)
    try:
        override_layer(text_of(data[:200]))
    except ConfigError as error:
        one_line(error)


SETTINGS = DiversifyConfig()
KNOWN = Known([(1, "Tom has 3 eggs and buys 4 more. How many eggs has he now?")], SETTINGS)
QUERYING: Querying
TARGETS: dict[str, Callable[[bytes], None]] = {
    "answers": answers, "questions": questions, "printable": shown, "gguf": header, "jsonl": lines, "sql": sql,
    "toml": settings,
}  # fmt: skip


def seeds(target: str) -> Iterator[bytes]:
    """Inputs to begin with."""
    from crescent_lite.store.views import VIEWS

    if target in ("answers", "questions", "printable"):
        for name in ("answer_inputs.jsonl", "baited_texts.jsonl", "real_solutions.jsonl"):
            for line in (HERE / name).read_text(encoding="utf-8").splitlines()[:300]:
                value = json.loads(line)
                texts = (
                    [value] if isinstance(value, str) else list(value.values() if isinstance(value, dict) else value)
                )
                yield from (each.encode()[:3000] for each in texts if isinstance(each, str))
    elif target == "sql":
        yield from (
            view.example.encode() if hasattr(view, "example") else view.select.encode() for view in VIEWS.values()
        )
        statements = "SELECT * FROM votes|INSERT INTO notes VALUES (1)|PRAGMA table_info(votes)|ATTACH 'x' AS y"
        yield from statements.encode().split(b"|")
    elif target == "gguf":
        from tiny_model import make_tiny_adapter, make_tiny_gguf

        for file in (make_tiny_gguf(PLACE / "tiny.gguf"), make_tiny_adapter(PLACE / "adapter.gguf")):
            yield file.read_bytes()[8:20_000]
    elif target == "toml":
        from crescent_lite.config.text import starter_toml

        yield from (starter_toml(preset).encode() for preset in ("quick", "default"))
        yield b"[evaluate.benchmarks.x]\nsource = 'y'\n[train]\nrank = 4\n[[a]]\nb = 1979-05-27T07:32:00Z\n"
    else:
        yield from (b'{"question": "What is 2 + 3?", "answer": 5.10}\n{"a": [1, null, "\\u00e9"]}', b'"x"\n\n"y"')


def main() -> None:
    """Fuzz one target for some seconds."""
    global QUERYING
    parser = argparse.ArgumentParser(description="Fuzz what reads texts and files of others.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=240)
    parser.add_argument("--found", type=Path, default=Path("/tmp/fuzz-found"))
    parser.add_argument("--input", type=Path, help="try one kept input again")
    options = parser.parse_args()
    if options.target == "sql":
        from small_workspace import workspace_with_adapter

        QUERYING = Querying(Database.open_read_only(workspace_with_adapter(PLACE / "work").database_path))
    target = TARGETS[options.target]
    if options.input:
        target(options.input.read_bytes())
        return
    corpus = PLACE / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds(options.target)):
        (corpus / str(number)).write_bytes(seed)
    options.found.mkdir(parents=True, exist_ok=True)

    def timed(data: bytes) -> None:
        began = time.process_time()
        target(data)
        taken = time.process_time() - began
        assert taken < MOST_SECONDS or options.target == "sql", f"took {taken:.2f} s"

    limits = [f"-max_total_time={options.seconds}", "-max_len=20000", "-timeout=20", "-rss_limit_mb=2048"]
    found = f"-artifact_prefix={options.found}/{options.target}-"
    atheris.Setup([sys.argv[0], *limits, found, "-print_final_stats=1", str(corpus)], timed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
