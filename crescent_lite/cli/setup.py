"""Commands that set up a workspace and check the machine: init, config, doctor.

What a command needs is imported when it is called. Example:
    config_command(Namespace(workspace=Path("data"), preset=None, overrides=["run.rounds=2"], json=True)) -> 0
"""

from __future__ import annotations

import argparse
from pathlib import Path

from crescent_lite.cli.options import Subparsers, add_command, add_settings_options
from crescent_lite.cli.terminal import print_table, result
from crescent_lite.config.names import PRESETS
from crescent_lite.errors import ExitCode


def add_commands(subparsers: Subparsers) -> None:
    """Add the commands of this group."""
    add_init(subparsers)
    add_config(subparsers)
    add_command(subparsers, "doctor", doctor_command, "check this machine, with advice on what is missing")


def add_init(subparsers: Subparsers) -> None:
    """`crescent init` and its options."""
    parser = add_command(subparsers, "init", init_command, "create a workspace", example="crescent init maths")
    parser.add_argument("folder", type=Path, nargs="?", help="folder to create (default: the --workspace folder)")
    parser.add_argument(
        "--preset",
        default="quick",
        metavar="NAME",
        help=f"preset to start from: {', '.join(PRESETS)} (default: quick)",
    )


def init_command(options: argparse.Namespace) -> int:
    """Create a workspace with a settings file."""
    from crescent_lite.config.text import starter_toml
    from crescent_lite.workspace import Workspace

    workspace = Workspace(options.folder or options.workspace)
    path = workspace.create(starter_toml(options.preset))
    return result(options, {"config": str(path)}, f"{path}: edit it, then `crescent run -w {workspace.folder}`")


def add_config(subparsers: Subparsers) -> None:
    """`crescent config` and its options."""
    about = "list every setting, its value and where the value comes from"
    add_settings_options(add_command(subparsers, "config", config_command, about))


def config_command(options: argparse.Namespace) -> int:
    """List every setting. Shows the defaults if there is no workspace."""
    from crescent_lite.config import CONFIG_NAME, load_config
    from crescent_lite.config.text import config_rows
    from crescent_lite.config.toml import toml_text

    path = options.workspace / CONFIG_NAME
    config = load_config(path if path.exists() else None, preset=options.preset, overrides=options.overrides)
    rows = config_rows(config)
    if options.json:
        return result(options, [{"name": n, "value": v, "origin": o, "help": h} for n, v, o, h in rows], "")
    shown = [(name, toml_text(value), origin, text) for name, value, origin, text in rows]
    print_table("", ("setting", "value", "from", "meaning"), shown)
    return ExitCode.OK


def doctor_command(options: argparse.Namespace) -> int:
    """Print what was found on this machine, and advice."""
    import dataclasses

    from crescent_lite.cli.doctor import examine

    findings = examine(options.workspace)
    if options.json:
        return result(options, [dataclasses.asdict(finding) for finding in findings], "")
    rows = [(f.name, f.state, f.value, f.advice) for f in findings]
    print_table("", ("item", "state", "found", "what to do"), rows)
    return ExitCode.OK
