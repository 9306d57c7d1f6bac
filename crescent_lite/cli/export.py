"""The command that writes a run's results for other tools: export, with a command for each kind.

What a command needs is imported when it is called. Example:
    main(["export", "gguf", "--rounds", "1=0.5", "2=0.5", "--type", "q4_k_m"]) -> 0
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crescent_lite.cli.options import (
    Subparsers,
    add_command,
    add_command_family,
    add_run_option,
    fraction,
    positive_integer,
    run_reference,
    weighted_round,
)
from crescent_lite.cli.terminal import result, say
from crescent_lite.cli.which_run import named_run
from crescent_lite.config.names import EXPORT_FORMATS, GGUF_TYPES, POLICIES
from crescent_lite.errors import ConfigError, UsageError
from crescent_lite.workspace.database import open_store, open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from crescent_lite.export.handover import ChosenRounds
    from crescent_lite.store import Store
    from crescent_lite.training.merging import Rounding

    Write = Callable[[Store, ChosenRounds, Path], Rounding]
    """Writes the chosen rounds to a folder, and returns the effect of rounding."""


def add_export(subparsers: Subparsers) -> None:
    """`crescent export`, its commands and their options."""
    about = "export training examples, an adapter or a merged model"
    commands = add_command_family(
        subparsers, "export", about, example="crescent export gguf --type q4_k_m", default="examples"
    )
    _add_examples(commands)
    _add_adapter(commands)
    _add_gguf(commands)
    _add_folder(commands)


def _add_examples(commands: Subparsers) -> None:
    about, example = "training examples of one or more runs", "crescent export examples --format parquet"
    parser = add_command(commands, "examples", examples_command, about, example=example)
    parser.add_argument(
        "--run",
        type=run_reference,
        nargs="+",
        metavar="RUN",
        help="numbers or names of the runs (default: the latest)",
    )
    parser.add_argument(
        "--rounds",
        type=positive_integer,
        nargs="+",
        metavar="ROUND",
        help="rounds that asked the questions (default: all)",
    )
    parser.add_argument(
        "--format",
        dest="form",
        choices=EXPORT_FORMATS,
        default="conversational",
        help="JSON lines for TRL: conversational (default; the trainer applies the model's chat template, the loss is"
        " on the solution), messages (the same as one conversation), preference (pairs of a winner and a loser) or"
        " prompt-completion (bare text without template, for a base model); sharegpt; or parquet, a folder with the"
        " labels, all their votes and a data card",
    )
    parser.add_argument(
        "--min-share", type=fraction, default=0, metavar="SHARE", help="least share of a label, 0-1 (default: 0)"
    )
    parser.add_argument(
        "--max-share", type=fraction, default=1, metavar="SHARE", help="greatest share of a label, 0-1 (default: 1)"
    )
    parser.add_argument(
        "--policy",
        choices=POLICIES,
        help="decide the labels again from the stored votes by this policy, with the run's other settings"
        " (default: the run's own labels)",
    )
    _add_output_options(parser)


def _add_adapter(commands: Subparsers) -> None:
    about, example = "the adapter of a round, as GGUF and for PEFT", "crescent export adapter --rounds 2"
    parser = add_command(commands, "adapter", adapter_command, about, example=example)
    _add_model_options(parser)


def _add_gguf(commands: Subparsers) -> None:
    about, example = (
        "base and adapters, merged into one GGUF",
        "crescent export gguf --rounds 1=0.5 2=0.5 --type q4_k_m",
    )
    parser = add_command(commands, "gguf", gguf_command, about, example=example)
    parser.add_argument(
        "--type",
        choices=GGUF_TYPES,
        default="f16",
        help="type of the weights; 'same' keeps the base's (default: f16; fewer bits keep less of the adapter)",
    )
    _add_model_options(parser)


def _add_folder(commands: Subparsers) -> None:
    about = "base and adapters, merged into a folder that transformers loads"
    parser = add_command(commands, "folder", folder_command, about, example="crescent export folder --run 2")
    _add_model_options(parser)


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    add_run_option(parser)
    parser.add_argument(
        "--rounds",
        nargs="+",
        type=weighted_round,
        metavar="ROUND[=WEIGHT]",
        help="rounds whose adapters are exported, and the weight of each (default: the kept round, weight 1)",
    )
    _add_output_options(parser)


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="file or folder (default: in the workspace's exports)"
    )
    parser.add_argument("--force", action="store_true", help="replace an earlier export of the same name")
    parser.add_argument(
        "--push", metavar="OWNER/NAME", help="send the exported folder to this repo on the Hugging Face hub as well"
    )
    parser.add_argument("--public", action="store_true", help="make a new repo public (default: private)")


def examples_command(options: argparse.Namespace) -> int:
    """Export the labels of runs as training examples."""
    from crescent_lite.export.examples import Choice, write_examples
    from crescent_lite.export.target import require_free

    workspace = open_workspace(options.workspace)
    if options.push and options.form != "parquet":
        raise UsageError("--push sends a data set with a card; add --format parquet")
    _check_push(options)
    if options.min_share > options.max_share:
        raise ConfigError("--min-share is above --max-share; no label has such a share")
    with closing(open_store(workspace)) as store:
        runs = [named_run(store, reference, "improvement") for reference in options.run or [None]]
        run_ids = tuple(dict.fromkeys(run.run_id for run in runs))
        choice = Choice(run_ids, tuple(options.rounds or ()), options.min_share, options.max_share, options.policy)
        name = f"run-{'-'.join(map(str, run_ids))}-{options.form}" + ("" if options.form == "parquet" else ".jsonl")
        path = options.output or workspace.exports / name
        require_free(path, force=options.force)
        count = write_examples(store, choice, options.form, path)
    address = _push(options, path, "dataset")
    words = "\n".join(filter(None, (f"{path}: {count:,} example{'' if count == 1 else 's'}", address)))
    return result(options, {"path": str(path), "examples": count, "pushed_to": address or None}, words)


def adapter_command(options: argparse.Namespace) -> int:
    """Export the adapter of a round."""
    from crescent_lite.export.handover import export_adapter

    return _export_model(options, "adapter", export_adapter)


def gguf_command(options: argparse.Namespace) -> int:
    """Export one merged GGUF."""
    from crescent_lite.export.handover import export_gguf

    return _export_model(
        options, f"gguf-{options.type}", lambda store, chosen, out: export_gguf(store, chosen, out, options.type)
    )


def folder_command(options: argparse.Namespace) -> int:
    """Export a merged folder for transformers."""
    from crescent_lite.export.handover import export_folder

    return _export_model(options, "folder", export_folder)


def _check_push(options: argparse.Namespace) -> None:
    from crescent_lite.export.pushing import require_pushable

    if options.public and not options.push:
        raise UsageError("--public is about a new repo on the hub; add --push OWNER/NAME")
    if options.push:
        require_pushable(options.push)


def _push(options: argparse.Namespace, folder: Path, kind: Literal["model", "dataset"]) -> str:
    """Send an exported folder to the hub if that was asked for. Returns the repo's address, or ''."""
    from crescent_lite.export.pushing import push

    return push(folder, options.push, kind, public=options.public) if options.push else ""


def _export_model(options: argparse.Namespace, form: str, write: Write) -> int:
    from crescent_lite.training import require_packages
    from crescent_lite.workspace.interruption import interruptible

    workspace = open_workspace(options.workspace)
    _check_push(options)
    with closing(open_store(workspace)) as store, interruptible(lambda: False):
        run_id = named_run(store, options.run, "improvement").run_id
        require_packages("peft")
        from crescent_lite.export import handover
        from crescent_lite.export.target import require_free

        given = options.rounds or []
        if len(dict(given)) < len(given):
            raise ConfigError("--rounds: a round is named twice; give it once, with its weight")
        chosen = handover.choose(store, run_id, dict(given))
        numbers = "-".join(map(str, chosen.rounds))
        out = options.output or workspace.exports / f"run-{run_id}-round-{numbers}-{form}"
        require_free(out, force=options.force)
        rounded = write(store, chosen, out)
        if warning := handover.not_better_in_words(store, chosen):
            say(f"warning: {warning}")
    address = _push(options, out, "model")
    said = {
        "path": str(out),
        "rounds": chosen.rounds,
        "change_kept": rounded.kept,
        "rounding_noise": rounded.noise,
        "not_better": warning,
        "pushed_to": address or None,
    }
    words = "; ".join(filter(None, (f"{out}: see its README.md", handover.rounding_in_words(rounded), address)))
    return result(options, said, words)
