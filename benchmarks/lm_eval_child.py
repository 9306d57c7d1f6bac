"""What lm-evaluation-harness does for lm_eval_compare.py, in the Python that has it. Imports nothing of the project.

`score` reads [{"reply", "gold"}] as JSON and scores them as lm-eval scores GSM8K, with its own filters and metric;
writes {"version", "scoring", "scores": [{"extracted", "right"}]}. `scoring` is the part of lm-eval's own gsm8k.yaml
that a task with other questions can be given.
`ask FOLDER MODEL_ARGUMENTS` runs the task in FOLDER as `lm_eval run --include_path FOLDER` does, without first
reading the 14,000 files of tasks that lm-eval brings (12 s); writes [{"message", "reply", "extracted", "right"}].
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

FLEXIBLE = "flexible-extract"


def main() -> None:
    """Do what the command line says. Only the answer goes to stdout."""
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with answer:
        json.dump(score_all(json.load(sys.stdin)) if sys.argv[1] == "score" else ask(*sys.argv[2:]), answer)


def score_all(pairs: list[dict[str, str]]) -> dict[str, Any]:
    """Each reply by itself: no item hangs on another."""
    import yaml

    package = importlib.util.find_spec("lm_eval")
    assert package
    assert package.origin
    task = yaml.safe_load((Path(package.origin).parent / "tasks/gsm8k/gsm8k.yaml").read_text(encoding="utf-8"))
    scoring = {name: task[name] for name in ("metric_list", "filter_list")}
    scores = [score(pair["reply"], pair["gold"], scoring) for pair in pairs]
    return {"version": importlib.metadata.version("lm_eval"), "scoring": scoring, "scores": scores}


def score(reply: str, gold: str, scoring: dict[str, Any]) -> dict[str, Any]:
    """What the flexible filter takes from the reply, and whether the metric holds it for the gold answer."""
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
    """Of one filter."""
    return {name: value for name, value in step.items() if name != "function"}


def ask(folder: str, model_arguments: str) -> list[dict[str, Any]]:
    """lm-eval's own run of the task in `folder`, the items in their order."""
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
