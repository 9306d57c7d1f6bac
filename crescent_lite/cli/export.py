"""The command that writes a run's results for other tools: export.

What the command needs is imported when it is called. Example:
    main(["export", "gguf", "--rounds", "1=0.5", "2=0.5", "--type", "q4_k_m"]) -> 0
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from crescent_lite.cli.options import Subparsers, add_command, fraction, positive_integer, weighted_round
from crescent_lite.cli.terminal import result, say
from crescent_lite.config.names import EXPORT_FORMATS, EXPORT_KINDS, GGUF_TYPES, POLICIES
from crescent_lite.errors import ConfigError
from crescent_lite.workspace.database import open_store, open_workspace

if TYPE_CHECKING:
    from crescent_lite.config.names import ExportFormat
    from crescent_lite.store import Store
    from crescent_lite.workspace import Workspace


def add_export(subparsers: Subparsers) -> None:
    """`crescent export` and its options."""
    about = "export training examples, an adapter or a merged model"
    parser = add_command(
        subparsers, "export", export_command, about, example="crescent export gguf --rounds 1=0.5 2=0.5 --type q4_k_m"
    )
    parser.add_argument(
        "what",
        nargs="?",
        default="examples",
        choices=EXPORT_KINDS,
        help="training examples (default), the adapter, one merged GGUF, or a merged Hugging Face folder",
    )
    parser.add_argument(
        "--run",
        type=positive_integer,
        nargs="+",
        metavar="N",
        help="number of the run (default: the latest); several for examples",
    )
    parser.add_argument(
        "--rounds",
        nargs="+",
        type=weighted_round,
        metavar="ROUND[=WEIGHT]",
        help="rounds whose adapters are merged, and the weight of each (default: the kept round, weight 1);"
        " for examples: rounds that asked the questions (default: all)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="file or folder (default: in the workspace's exports)"
    )
    parser.add_argument(
        "--type",
        choices=GGUF_TYPES,
        help="gguf: type of the weights; 'same' keeps the base's (default: f16; fewer bits keep less of the adapter)",
    )
    examples = parser.add_argument_group("options of examples")
    examples.add_argument(
        "--format",
        dest="form",
        choices=EXPORT_FORMATS,
        help="JSON lines for TRL: conversational (default; the trainer applies the model's chat template, the loss is"
        " on the solution), messages (the same as one conversation) or prompt-completion (bare text without template,"
        " for a base model); sharegpt; or a folder of Parquet files with the labels, all their votes and a data card",
    )
    examples.add_argument(
        "--min-share", type=fraction, default=0, metavar="SHARE", help="least share of a label, 0-1 (default: 0)"
    )
    examples.add_argument(
        "--max-share", type=fraction, default=1, metavar="SHARE", help="greatest share of a label, 0-1 (default: 1)"
    )
    examples.add_argument(
        "--policy",
        choices=POLICIES,
        help="decide the labels again from the stored votes by this policy, with the run's other settings"
        " (default: the run's own labels)",
    )


def export_command(options: argparse.Namespace) -> int:
    """Export examples or a model. Raises ConfigError for options that do not belong to the kind of export."""
    from crescent_lite.workspace.interruption import interruptible

    workspace = open_workspace(options.workspace)
    if options.type and options.what != "gguf":
        raise ConfigError("--type is an option of `crescent export gguf` only")
    if options.what == "examples":
        return _export_examples(options, workspace)
    if options.form or options.policy or (options.min_share, options.max_share) != (0, 1):
        raise ConfigError(
            "--format, --policy, --min-share and --max-share are options of `crescent export examples` only"
        )
    if options.run and len(options.run) > 1:
        raise ConfigError("--run: a model belongs to one run; only examples can be exported from several runs")
    with closing(open_store(workspace)) as store, interruptible(lambda: False):
        run_id = store.runs.fetch_run(options.run[0] if options.run else None, "improvement").run_id
        return _export_model(options, workspace, store, run_id)


def _export_examples(options: argparse.Namespace, workspace: Workspace) -> int:
    from crescent_lite.export.examples import Choice, write_examples

    form: ExportFormat = options.form or "conversational"
    if any(weight != 1 for _, weight in options.rounds or ()):
        raise ConfigError("--rounds: examples have no weight; give the numbers of the rounds alone")
    if options.min_share > options.max_share:
        raise ConfigError("--min-share is above --max-share; no label has such a share")
    with closing(open_store(workspace)) as store:
        runs = [store.runs.fetch_run(run_id, "improvement") for run_id in options.run or [None]]
        rounds = tuple(number for number, _ in options.rounds or ())
        run_ids = tuple(dict.fromkeys(run.run_id for run in runs))
        choice = Choice(run_ids, rounds, options.min_share, options.max_share, options.policy)
        name = f"run-{'-'.join(map(str, run_ids))}" + ("-parquet" if form == "parquet" else ".jsonl")
        path = options.output or workspace.exports / name
        count = write_examples(store, choice, form, path, may_replace=options.output is None)
    return result(options, {"path": str(path), "examples": count}, f"{path}: {count} examples")


def _export_model(options: argparse.Namespace, workspace: Workspace, store: Store, run_id: int) -> int:
    from crescent_lite.training import require_packages

    require_packages("peft")
    from crescent_lite.export import handover

    given = options.rounds or []
    if len(dict(given)) < len(given):
        raise ConfigError("--rounds: a round is named twice; give it once, with its weight")
    chosen = handover.choose(store, run_id, dict(given))
    numbers = "-".join(map(str, chosen.rounds))
    out = options.output or workspace.exports / f"run-{run_id}-round-{numbers}-{options.what}"
    if options.what == "adapter":
        rounded = handover.export_adapter(store, chosen, out)
    elif options.what == "gguf":
        rounded = handover.export_gguf(store, chosen, out, options.type or "f16")
    else:
        rounded = handover.export_folder(store, chosen, out)
    said = {"path": str(out), "rounds": chosen.rounds, "change_kept": rounded.kept, "rounding_noise": rounded.noise}
    if warning := handover.not_better_in_words(store, chosen):
        say(f"warning: {warning}")
    said["not_better"] = warning
    words = "; ".join(filter(None, (f"{out}: see its README.md", handover.rounding_in_words(rounded))))
    return result(options, said, words)
