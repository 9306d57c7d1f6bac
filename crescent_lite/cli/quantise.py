"""The command that writes a model in another quantisation: quantise.

What a command needs is imported when it is called. Example:
    main(["quantise", "model-f16.gguf", "--items", "200"]) -> 0
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from crescent_lite.cli.options import Subparsers, add_command, add_settings_options, count, positive_integer
from crescent_lite.cli.terminal import print_table, result, say
from crescent_lite.config.names import QUANTISED_TYPES
from crescent_lite.workspace.database import open_workspace

if TYPE_CHECKING:
    from crescent_lite.export.requantised import Cost, Quality
    from crescent_lite.records import BenchmarkItem

AUTO = "auto"
CALIBRATING = 32
"""Items whose replies make the importance matrix (guess): about 6,000 tokens."""


def add_quantise(subparsers: Subparsers) -> None:
    """`crescent quantise` and its options."""
    about = "write a model in a faster type, and measure the cost"
    parser = add_command(
        subparsers, "quantise", quantise_command, about, example="crescent quantise model-f16.gguf --items 200"
    )
    parser.add_argument("model", help="GGUF file, best in 16 or 8 bits, or any other spelling of model.source")
    parser.add_argument(
        "--type",
        choices=(AUTO, *QUANTISED_TYPES),
        default=AUTO,
        help="tensor type; auto is iq4_nl where a width of the model is no multiple of 256, else q4_k_m",
    )
    parser.add_argument(
        "--all-matrices",
        action="store_true",
        help="the embeddings and the output layer too, which is faster and costs more quality",
    )
    parser.add_argument(
        "--items",
        type=positive_integer,
        metavar="N",
        help="items of each benchmark with the role 'score' that both files answer (default: none are asked)",
    )
    parser.add_argument(
        "--calibrate",
        type=count,
        default=CALIBRATING,
        metavar="N",
        help="other items whose replies show which weights matter (an importance matrix); 0 rounds all alike "
        f"(default: {CALIBRATING})",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="GGUF to write (default: in the workspace's exports)"
    )
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")
    add_settings_options(parser)


def quantise_command(options: argparse.Namespace) -> int:
    """Quantise a model; with --items, compare it with the file that it came from."""
    from crescent_lite.errors import StorageError
    from crescent_lite.export.requantised import fastest_type, find_importance, is_rounded, measure_cost, score_items
    from crescent_lite.files import refuse_sqlite_name
    from crescent_lite.models import find_model
    from crescent_lite.preparation import RunOptions, resolve_paths, settings_of
    from crescent_lite.sampling.quantising import quantise

    workspace = open_workspace(options.workspace)
    wanted = RunOptions(preset=options.preset, overrides=tuple(options.overrides))
    config = resolve_paths(settings_of(workspace, wanted, None)[0], workspace.folder)
    source = find_model(options.model).path
    chosen = fastest_type(source) if options.type == AUTO else options.type
    target: Path = options.output or workspace.exports / f"{source.stem}-{chosen}.gguf"
    refuse_sqlite_name(target)
    if target.exists() and (not options.force or target.samefile(source)):
        raise StorageError(f"{target}: exists already; --force replaces it, --output names another file")
    items: list[BenchmarkItem] = []
    calibrating: list[BenchmarkItem] = []
    if options.items or options.calibrate:
        items, calibrating = score_items(config, options.items or 0, options.calibrate)
    if is_rounded(source):
        say(f"{source.name} has been rounded already; from a file in 16 or 8 bits the result would be better")
    matters = None
    if calibrating:
        say(f"{source.name} answers {len(calibrating):,} items, for the importance of its weights")
        matters = find_importance(source, config, calibrating)
    quantise(source, chosen, target, pure=options.all_matrices, importance=matters)
    before, after = source.stat().st_size, target.stat().st_size
    value: dict[str, object] = {"file": target, "type": chosen, "bytes_before": before, "bytes_after": after}
    value["calibrated_on"] = len(calibrating)
    text = f"{target}: {chosen}, {after / 1e6:,.0f} MB (before: {before / 1e6:,.0f} MB)"
    if items:
        cost = measure_cost(source, target, config, items, say)
        value["cost"] = _as_json(cost)
        if not options.json:
            _print(cost, source.name, target.name)
        text = f"{text}\n{_in_a_sentence(cost)}"
    return result(options, value, text)


def _print(cost: Cost, before: str, after: str) -> None:
    rows = [[name, *_cells(quality)] for name, quality in ((before, cost.before), (after, cost.after))]
    columns = ["model", "right", "cut off", "perplexity", "tokens/s"]
    print_table(f"{cost.change.items:,} items, greedy", columns, rows)


def _cells(quality: Quality) -> list[str | float | int]:
    return [sum(quality.right.values()), quality.cut_off, quality.perplexity, quality.tokens_per_second]


def _in_a_sentence(cost: Cost) -> str:
    change = cost.change
    faster = cost.after.tokens_per_second / cost.before.tokens_per_second if cost.before.tokens_per_second else 0.0
    return (
        f"{change.gained:,} items won and {change.lost:,} lost of {change.items:,} (p={change.p_value:.2g}), "
        f"perplexity {cost.before.perplexity:.3f} -> {cost.after.perplexity:.3f}, {faster:.2f} times as fast"
    )


def _as_json(cost: Cost) -> dict[str, object]:
    sides = {
        name: {
            "right": sum(quality.right.values()),
            "cut_off": quality.cut_off,
            "perplexity": quality.perplexity,
            "tokens_per_second": quality.tokens_per_second,
        }
        for name, quality in (("before", cost.before), ("after", cost.after))
    }
    change = cost.change
    return {**sides, "items": change.items, "gained": change.gained, "lost": change.lost, "p_value": change.p_value}
