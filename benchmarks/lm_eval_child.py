"""Runs lm-evaluation-harness for lm_eval_compare.py, in the Python that has it. Imports nothing of the project.

`score` reads [{"reply", "gold"}] as JSON from stdin, scores the replies as lm-eval scores GSM8K, with its own filters
and metric, and writes {"version", "scoring", "scores": [{"extracted", "right"}]}. `scoring` is the part of lm-eval's
gsm8k.yaml that can be used for a task with other questions.
`ask FOLDER MODEL_ARGUMENTS` runs the task in FOLDER as `lm_eval run --include_path FOLDER` does, but without first
reading the 14,000 task files of lm-eval (12 s), and writes [{"message", "reply", "extracted", "right"}].
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

FLEXIBLE = "flexible-extract"


def main() -> None:
    """Do the job that the command line names. Only the result goes to stdout."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    jobs = parser.add_subparsers(dest="job", required=True)
    jobs.add_parser("score", help="score the replies on stdin")
    asking = jobs.add_parser("ask", help="run a task")
    asking.add_argument("folder")
    asking.add_argument("model_arguments")
    options = parser.parse_args()
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with answer:
        if options.job == "score":
            json.dump(score_all(json.load(sys.stdin)), answer)
        else:
            json.dump(ask(options.folder, options.model_arguments), answer)


def score_all(pairs: list[dict[str, str]]) -> dict[str, Any]:
    """Score each reply on its own; no score depends on another reply."""
    import yaml

    package = importlib.util.find_spec("lm_eval")
    assert package
    assert package.origin
    task = yaml.safe_load((Path(package.origin).parent / "tasks/gsm8k/gsm8k.yaml").read_text(encoding="utf-8"))
    scoring = {name: task[name] for name in ("metric_list", "filter_list")}
    scores = [score(pair["reply"], pair["gold"], scoring) for pair in pairs]
    return {"version": importlib.metadata.version("lm_eval"), "scoring": scoring, "scores": scores}


def score(reply: str, gold: str, scoring: dict[str, Any]) -> dict[str, Any]:
    """What the flexible filter extracts from the reply, and whether the metric accepts it as the gold answer."""
    from lm_eval.api.metrics import exact_match_fn
    from lm_eval.filters import build_filter_ensemble

    (steps,) = [each["filter"] for each in scoring["filter_list"] if each["name"] == FLEXIBLE]
    extracted: Any = [[reply]]
    for step in build_filter_ensemble(FLEXIBLE, [(s["function"], arguments(s)) for s in steps]).filters:
        extracted = step().apply(extracted, [{}])
    (extracted,) = extracted
    (metric,) = scoring["metric_list"]
    settings = {name: value for name, value in metric.items() if name.startswith(("ignore_", "regexes_"))}
    right = exact_match_fn(predictions=[extracted], references=[gold], **settings)["exact_match"]
    return {"extracted": extracted, "right": bool(right)}


def arguments(step: dict[str, Any]) -> dict[str, Any]:
    """The arguments of one filter."""
    return {name: value for name, value in step.items() if name != "function"}


def ask(folder: str, model_arguments: str) -> list[dict[str, Any]]:
    """Run the task in `folder` with lm-eval, and return the items in their order."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    (task,) = Path(folder).glob("*.yaml")
    results = simple_evaluate(
        model="local-chat-completions",
        model_args=model_arguments,
        tasks=[task.stem],
        task_manager=TaskManager(include_path=folder, include_defaults=False),
        apply_chat_template=True,
        batch_size=1,
        log_samples=True,
        bootstrap_iters=0,
    )
    samples = [each for each in results["samples"][task.stem] if each["filter"] == FLEXIBLE]
    return [
        {
            "message": json.loads(each["arguments"][0][0][0])[-1]["content"],
            "reply": each["resps"][0][0],
            "extracted": each["filtered_resps"][0],
            "right": bool(each["exact_match"]),
        }
        for each in sorted(samples, key=lambda each: int(each["doc_id"]))
    ]


if __name__ == "__main__":
    main()
