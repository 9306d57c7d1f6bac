"""Commands that set up a workspace and check the machine: init, config, doctor.

What a command needs is imported when it is called. Example:
    config_command(Namespace(workspace=Path("data"), preset=None, overrides=["run.rounds=2"], json=True)) -> 0
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from crescent_lite.cli.options import Subparsers, add_command, add_settings_options
from crescent_lite.cli.parser import nearest
from crescent_lite.cli.terminal import print_table, result
from crescent_lite.config.names import PRESETS
from crescent_lite.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from crescent_lite.cli.doctor import Finding
    from crescent_lite.config.text import ConfigRow


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
    about = "list the settings, their values and where each value comes from"
    parser = add_command(subparsers, "config", config_command, about, example="crescent config train.learning_rate")
    parser.add_argument(
        "name",
        nargs="?",
        metavar="SECTION|KEY",
        help="a section such as train, or a key such as run.seed (default: all)",
    )
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON schema by which an editor completes crescent.toml"
    )
    add_settings_options(parser)


def config_command(options: argparse.Namespace) -> int:
    """List the settings. Shows the defaults if there is no workspace."""
    from crescent_lite.config import CONFIG_NAME, load_config
    from crescent_lite.config.text import config_rows
    from crescent_lite.config.toml import toml_text

    if options.schema:
        from crescent_lite.config.schema import schema_text

        return result(argparse.Namespace(json=False), None, schema_text().rstrip("\n"))
    path = options.workspace / CONFIG_NAME
    config = load_config(path if path.exists() else None, preset=options.preset, overrides=options.overrides)
    rows = _named(options.name, config_rows(config))
    if options.json:
        return result(options, [{"name": n, "value": v, "origin": o, "help": h} for n, v, o, h in rows], "")
    shown = [(name, toml_text(value), origin, text) for name, value, origin, text in rows]
    full = options.full or len(rows) == 1
    print_table("", ("setting", "value", "from", "meaning"), shown, full=full, prose=("meaning",))
    return ExitCode.OK


def _named(name: str | None, rows: list[ConfigRow]) -> list[ConfigRow]:
    """The rows of a section, of one setting, or of every section's setting of this name. Raises ConfigError."""
    if name is None:
        return rows
    found = [row for row in rows if row[0] == name or row[0].startswith(f"{name}.")]
    found = found or [row for row in rows if row[0].rpartition(".")[2] == name]
    if found:
        return found
    keys = [row[0] for row in rows]
    sections = {key.partition(".")[0] for key in keys}
    short = {key.rpartition(".")[2]: key for key in keys}
    like = nearest(name, [*sections, *keys]) or short.get(nearest(name, short), "")
    hint = f"did you mean {like!r}?" if like else f"the sections are {', '.join(sorted(sections))}"
    raise ConfigError(f"{name}: there is no such section or setting; {hint}")


def add_doctor(subparsers: Subparsers) -> None:
    """`crescent doctor`."""
    about = "check this machine, with advice on what is missing"
    add_command(subparsers, "doctor", doctor_command, about, example="crescent doctor -w maths")


def doctor_command(options: argparse.Namespace) -> int:
    """Print what was found on this machine, and advice. The exit code is that of a run here: 3 or 4 if refused."""
    import dataclasses

    from crescent_lite.cli.doctor import examine

    findings = examine(options.workspace)
    if options.json:
        result(options, [dataclasses.asdict(finding) for finding in findings], "")
        return _worst(findings)
    rows = [(f.name, f.state, f.value, f.advice) for f in findings]
    print_table("", ("item", "state", "found", "what to do"), rows, full=True)
    return _worst(findings)


def _worst(findings: list[Finding]) -> ExitCode:
    """The exit code of the first finding that would end a run: of the settings, else of the model; else OK."""
    return next((each.code for each in findings if each.code), ExitCode.OK)
