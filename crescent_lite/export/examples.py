"""Exports the labels of runs as a data set for other tools. Reads the store and writes files.

The same database always gives the same bytes. Formats:
    conversational      {"prompt": [{"role": "user", "content": "What is 2 + 3?"}],
                        "completion": [{"role": "assistant", "content": "5"}], "label": "n:5", "share": 0.75, ...}:
                        TRL applies the model's chat template to it
    prompt-completion   {"prompt": "What is 2 + 3?", "completion": "5", ...}: bare text, for a base without a template
    messages            {"messages": [{"role": "user", "content": ...}, {"role": "assistant", ...}], ...}, for TRL
    preference          {"prompt": [...], "chosen": [...], "rejected": [...], "weight": 0.5, ...}: pairs of a winning
                        and a losing solution, for TRL's DPOTrainer
    sharegpt            {"conversations": [{"from": "human", "value": ...}, {"from": "gpt", ...}], ...}
    parquet             a folder: labels, every vote behind them, and a card; `datasets.load_dataset(FOLDER, "votes")`
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crescent_lite.config import config_from_dict
from crescent_lite.config.names import ExportFormat, Policy
from crescent_lite.consensus import decide
from crescent_lite.errors import MissingPackageError, NotFoundError
from crescent_lite.files import atomic_replacement
from crescent_lite.records import Label
from crescent_lite.report.markdown import inline
from crescent_lite.stages.examples import pairs_of_labels
from crescent_lite.store import Store

Row = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """Which labels to export."""

    runs: tuple[int, ...]
    rounds: tuple[int, ...] = ()
    """Rounds of each run; empty for all."""
    min_share: float = 0.0
    """Lowest share of a label, 0-1."""
    max_share: float = 1.0
    """Highest share of a label, 0-1."""
    policy: Policy | None = None
    """Policy that decides again from the stored votes, with the runs' other settings; None keeps the runs' labels."""


def chosen_labels(store: Store, choice: Choice) -> list[Label]:
    """Return the chosen labels, ordered by run and question.

    Raises NotFoundError for a round that a run does not have.
    """
    labels: list[Label] = []
    for run_id in choice.runs:
        known = {each.number for each in store.runs.fetch_rounds(run_id)}
        if unknown := sorted(set(choice.rounds) - known):
            raise NotFoundError(
                f"run {run_id} has no round {unknown[0]}; it has {', '.join(map(str, known)) or 'none'}"
            )
        labels += (
            _decided_anew(store, run_id, choice.policy) if choice.policy else store.votes.fetch_labels(run_id=run_id)
        )
    return [
        label
        for label in labels
        if (not choice.rounds or label.round in choice.rounds)
        and label.share is not None
        and choice.min_share <= label.share <= choice.max_share
    ]


def _decided_anew(store: Store, run_id: int, policy: Policy) -> Iterator[Label]:
    settings = replace(config_from_dict(store.runs.fetch_run(run_id).config).vote, policy=policy)
    for question in store.votes.fetch_counted(run_id):
        votes = store.votes.fetch_votes(question["question_id"])
        # Exactly the stored votes count: the plan is as long as they are, and no stopping rule applies.
        consensus = decide(votes, replace(settings, votes_per_question=len(votes), stopping="never"))
        if kept := next((vote for vote in votes if vote.vote_id == consensus.chosen_vote), None):
            yield Label(
                run_id,
                question["round"],
                question["question_id"],
                question["text"],
                kept.vote_id,
                kept.text,
                consensus.answer_key,
                consensus.share,
            )


def write_examples(store: Store, choice: Choice, form: ExportFormat, path: Path) -> int:
    """Write the chosen labels in a format and return their number. `path` is replaced completely or not at all.

    Raises StorageError, MissingPackageError without the package for parquet, and NotFoundError if no label is chosen.
    """
    labels = chosen_labels(store, choice)
    if not labels:
        raise NotFoundError(f"{path}: not written: the chosen runs, rounds and shares have no label; choose others")
    rows = _pairs(store, labels) if form == "preference" else [_row(label, form) for label in labels]
    if not rows:
        raise NotFoundError(
            f"{path}: not written: the votes of {len(labels)} labels have no pair of winner and loser; choose others"
        )
    with atomic_replacement(path) as unfinished:
        if form == "parquet":
            _write_parquet(store, choice, rows, unfinished)
        else:
            with unfinished.open("w", encoding="utf-8", newline="\n") as file:
                for row in rows:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return len(rows)


def _row(label: Label, form: ExportFormat) -> Row:
    """A label as one row; for parquet, whose columns are bare text, the question and the solution."""
    row = {"question": label.question, "solution": label.solution} if form == "parquet" else SHAPES[form](label)
    return row | _about(label)


def _about(label: Label) -> Row:
    return {
        "label": label.answer_key,
        "share": label.share,
        "run": label.run_id,
        "round": label.round,
        "question_id": label.question_id,
        "vote_id": label.vote_id,
    }


def _pairs(store: Store, labels: Sequence[Label]) -> list[Row]:
    """A row for each pair of a winner and a loser, chosen as the objective 'preference' does, by run and question."""
    run_ids = dict.fromkeys(label.run_id for label in labels)
    most = {
        run_id: config_from_dict(store.runs.fetch_run(run_id).config).train.pairs_per_question for run_id in run_ids
    }
    return [
        {
            "prompt": [{"role": "user", "content": label.question}],
            "chosen": [{"role": "assistant", "content": pair.winner.text}],
            "rejected": [{"role": "assistant", "content": pair.loser.text}],
            "weight": pair.weight,
            **_about(label),
            "vote_id": pair.winner.vote_id,
            "rejected_label": pair.loser.answer_key,
            "rejected_vote_id": pair.loser.vote_id,
        }
        for label, pair in pairs_of_labels(store, [(label, most[label.run_id]) for label in labels])
    ]


def _conversational(label: Label) -> Row:
    user, assistant = _messages(label)["messages"]
    return {"prompt": [user], "completion": [assistant]}


def _prompt_completion(label: Label) -> Row:
    return {"prompt": label.question, "completion": label.solution}


def _messages(label: Label) -> Row:
    user = {"role": "user", "content": label.question}
    return {"messages": [user, {"role": "assistant", "content": label.solution}]}


def _sharegpt(label: Label) -> Row:
    human = {"from": "human", "value": label.question}
    return {"conversations": [human, {"from": "gpt", "value": label.solution}]}


SHAPES: Mapping[str, Callable[[Label], Row]] = {
    "conversational": _conversational,
    "prompt-completion": _prompt_completion,
    "messages": _messages,
    "sharegpt": _sharegpt,
}


def _write_parquet(store: Store, choice: Choice, labels: Sequence[Row], folder: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingPackageError("parquet needs pyarrow: run `pip install 'crescent-lite[parquet]'`") from None
    folder.mkdir()
    votes = store.votes.fetch_votes_in_full([label["question_id"] for label in labels])
    texts, numbers, parts = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
    whole = {"run": numbers, "round": numbers, "question_id": numbers, "vote_id": numbers}
    labels_schema = {
        "question": texts, "solution": texts, "label": texts, "share": parts, **whole
    }  # fmt: skip
    votes_schema = {
        "question": texts, "solution": texts, "answer_key": texts, "finish_reason": texts, "tokens": numbers,
        "sample_index": numbers, **whole,
    }  # fmt: skip
    for name, rows, schema in (("labels", labels, labels_schema), ("votes", votes, votes_schema)):
        table = pyarrow.Table.from_pylist(
            [{key: row[key] for key in schema} for row in rows], schema=pyarrow.schema(list(schema.items()))
        )
        pyarrow.parquet.write_table(table, folder / f"{name}.parquet", compression="zstd")
    (folder / "README.md").write_text(_card(store, choice, len(labels), len(votes)), encoding="utf-8")


def _card(store: Store, choice: Choice, labels: int, votes: int) -> str:
    """Return the data set's card; its front matter tells `datasets` which file is which."""
    models = sorted({store.runs.fetch_base(store.runs.fetch_run(run_id)).name for run_id in choice.runs})
    which = f"run {', '.join(map(str, choice.runs))}"
    which += f", round {', '.join(map(str, choice.rounds))}" if choice.rounds else ""
    decided = f"the policy {choice.policy!r}, from the stored votes" if choice.policy else "the run"
    return f"""\
---
configs:
- config_name: labels
  data_files: labels.parquet
  default: true
- config_name: votes
  data_files: votes.parquet
tags:
- self-consistency
- synthetic
---

# Questions that a model asked, with the answers it agreed on

Made by crescent-lite from {which}, with {inline(", ".join(models))}. The model wrote the questions itself, and each
label is the answer that enough of its own sampled solutions have: nobody has checked it. Shares from
{choice.min_share:g} to {choice.max_share:g}; decided by {decided}.

- `labels` ({labels:,} rows): `question`, `solution` (of the vote that was chosen), `label` (a typed key; 'n:5' is the
  number 5), `share` (fraction of all votes that agree, 0-1; votes without an answer count against it), and the ids of
  the label in the database.
- The columns are bare text. To fine-tune an instruct model, apply its chat template to `question` and `solution`, or
  export with `--format conversational`, to which TRL applies it by itself.
- `votes` ({votes:,} rows): every solution sampled for these questions; `answer_key` is null where no answer was
  found, and `finish_reason` says whether the solution was cut off.
"""
