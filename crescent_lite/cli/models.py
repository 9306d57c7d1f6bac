"""The command that lists known models, and downloads one from the Hugging Face hub.

What a command needs is imported when it is called. Example:
    models_command(Namespace(fetch="qwen2.5-0.5b", json=False, ...)) -> 0
"""

from __future__ import annotations

import argparse
from pathlib import Path

from crescent_lite.cli.options import Subparsers, add_command
from crescent_lite.cli.terminal import print_table, result
from crescent_lite.errors import ExitCode, ModelError


def add_models(subparsers: Subparsers) -> None:
    """`crescent models` and its options."""
    about = "list known models with size, memory and licence, or fetch one"
    parser = add_command(subparsers, "models", models_command, about, example="crescent models --fetch qwen2.5-0.5b")
    parser.add_argument(
        "--fetch",
        metavar="NAME",
        help="download this model into the Hugging Face cache: a name of the list, or owner/repo:file.gguf",
    )


def models_command(options: argparse.Namespace) -> int:
    """List the known models, or download one."""
    if options.fetch:
        return fetch(options)
    from crescent_lite.models.known import KNOWN_MODELS
    from crescent_lite.workspace.machine import memory_now

    free = memory_now().free_bytes
    value = [
        {
            "name": each.name,
            "source": each.source,
            "file_bytes": each.file_bytes,
            "memory_bytes": each.memory_bytes,
            "fits": each.memory_bytes <= free,
            "licence": each.licence,
            "tokens_per_second": each.tokens_per_second,
            "measured": each.measured,
            "path": str(path) if (path := cached(each.source)) else None,
        }
        for each in KNOWN_MODELS
    ]
    if options.json:
        return result(options, value, "")
    rows = [
        (
            each.name,
            f"{each.file_bytes / 1e9:.1f} GB",
            f"{each.memory_bytes / 1e9:.1f} GB",
            each.licence,
            f"{each.tokens_per_second}" if each.tokens_per_second else "",
            "yes" if row["path"] else "no",
            each.source,
        )
        for each, row in zip(KNOWN_MODELS, value, strict=True)
    ]
    columns = ("name", "file", "memory", "licence", "tokens/s", "here", "model.source")
    note = (
        f"Memory: to sample 64 sequences of 1,024 tokens; {free / 1e9:.1f} GB are free now, and with less the "
        "sequences share it. Tokens/s: measured on two cores. `crescent models --fetch NAME` downloads one."
    )
    print_table("", columns, rows, note)
    return ExitCode.OK


def fetch(options: argparse.Namespace) -> int:
    """Download a model and print how to use it. Raises ModelError, NetworkError or MissingPackageError."""
    from crescent_lite.config.toml import toml_text
    from crescent_lite.models import HUB_REFERENCE, find_model
    from crescent_lite.models.known import KNOWN_MODELS, known_model
    from crescent_lite.models.spellings import meant_by

    known = known_model(options.fetch)
    source = known.source if known else options.fetch
    if known is None and not HUB_REFERENCE.fullmatch(source):
        names = ", ".join(each.name for each in KNOWN_MODELS)
        there = meant_by(source, offline=False) if "/" in source or ":" in source else f"known: {names}"
        raise ModelError(f"--fetch {source}: is no known model and no file on the hub; {there}")
    model = find_model(source)
    value = {"name": model.name, "source": source, "path": str(model.path), "sha256": model.sha256}
    text = f"{model.path}\nTo use it, write into crescent.toml, under [model]:\nsource = {toml_text(source)}"
    return result(options, value, text)


def cached(source: str) -> Path | None:
    """The path of a model that needs no download; None if it does."""
    from crescent_lite.errors import CrescentError
    from crescent_lite.models import embedded_path

    try:
        if source == "embedded":
            return embedded_path()
        from huggingface_hub import try_to_load_from_cache
    except (ImportError, CrescentError):
        return None
    repo, _, file = source.partition(":")
    found = try_to_load_from_cache(repo, file)
    return Path(found) if isinstance(found, str) else None
