"""Fills the generated parts of README.md and docs/: tables that are read from the code, and the output of commands.

    python tests/generated_docs.py      # or `make docs`; safe to repeat: a second run changes nothing

A generated part stands between two markers, and everything between them is replaced:
    <!-- generated: exit-codes -->
    <!-- end -->
The name is one of BLOCKS, or `output:` with a command, which is run on the database of a real run (see `Workplace`).
tests/test_docs.py fails when a page is not what this script would write.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import lzma
import re
import shlex
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from crescent_lite.cli.main import build_parser, command_groups, main
from crescent_lite.config import PRESETS, BenchmarkConfig, Config, load_config
from crescent_lite.config.fields import kinds
from crescent_lite.config.help import field_help
from crescent_lite.config.settings import PRESET_DIR
from crescent_lite.config.text import config_rows
from crescent_lite.config.toml import toml_text
from crescent_lite.errors import CrescentError, ExitCode
from crescent_lite.models.known import KNOWN_MODELS
from crescent_lite.training.architectures import LINEAR_LAYERS

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
REAL_RUN = ROOT / "data" / "reports" / "coder-0.5b"
MARKED = re.compile(r"(<!-- generated: ([^>]+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
COMMAND_GROUPS = command_groups()
COMMON_OPTIONS = {"--workspace", "--json", "--full", "--verbose"}
EXIT_CODE_WORDS = {
    ExitCode.OK: "The command did what it was asked to do.",
    ExitCode.BUG: "A bug in crescent-lite; the traceback is shown.",
    ExitCode.INTERRUPTED: "Stopped by Ctrl-C, a signal or `crescent stop`; the same command continues.",
}
"""Exit codes that no error class has."""
OUTPUT_LINES = 24
"""Lines of a command's output that are shown."""
OUTPUT_COLUMNS = 150


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The subcommands of a parser by name; empty where it has none."""
    found = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(next(found, {}))


def command_groups() -> str:
    """One row for each group of commands, for the README."""
    rows = ((name, ", ".join(f"`{each}`" for each in group)) for name, group in COMMAND_GROUPS.items())
    return table(("group", "`crescent ...`"), rows)


def command_table() -> str:
    """Every command with its help, by group."""
    commands = subcommands(build_parser())
    rows = [
        (f"[`crescent {name}`](#crescent-{name})", described(commands[name]))
        for group in COMMAND_GROUPS.values()
        for name in group
    ]
    return table(("command", "what it does"), rows)


def command_reference() -> str:
    """A section for each command: its usage, its arguments and its options."""
    commands = subcommands(build_parser())
    sections = []
    for group, names in COMMAND_GROUPS.items():
        sections.append(f"## {sentence(group)}")
        for name in names:
            sections.append(_command_section(f"crescent {name}", commands[name], "###"))
            for sub, parser in subcommands(commands[name]).items():
                sections.append(_command_section(f"crescent {name} {sub}", parser, "####"))
    return "\n\n".join(sections)


def _command_section(title: str, parser: argparse.ArgumentParser, level: str) -> str:
    rows = [
        (f"`{_option_name(action)}`", help_text(action))
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        and not COMMON_OPTIONS & set(action.option_strings)
    ]
    parts = [f"{level} {title}", described(parser)]
    if rows:
        parts.append(table(("argument", "meaning"), rows))
    if parser.epilog:
        parts.append(f"```\n{parser.epilog.removeprefix('Example: ')}\n```")
    return "\n\n".join(parts)


def common_options() -> str:
    """The options that every command has."""
    parser = subcommands(build_parser())["status"]
    rows = [
        (f"`{_option_name(action)}`", help_text(action))
        for action in parser._actions
        if COMMON_OPTIONS & set(action.option_strings)
    ]
    return table(("option", "meaning"), rows)


def _option_name(action: argparse.Action) -> str:
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    placeholder = action.metavar or (action.dest.upper() if names else action.dest)
    if isinstance(placeholder, tuple):
        placeholder = " ".join(placeholder)
    several = {"+": f"{placeholder} ...", "*": f"[{placeholder} ...]", "?": f"[{placeholder}]"}
    shown = several.get(str(action.nargs), placeholder)
    return f"{names} {shown}".strip()


def help_text(action: argparse.Action) -> str:
    """An option's help, and what it may be where there are only some choices."""
    text = (action.help or "") % {"default": action.default, "prog": "crescent"}
    choices = ", ".join(f"`{each}`" for each in action.choices or ())
    return "; ".join(filter(None, (text, f"one of {choices}" if choices else "")))


def described(parser: argparse.ArgumentParser) -> str:
    """What a command does, as a sentence."""
    text = sentence(parser.description or "")
    return text if text.endswith(".") else f"{text}."


def exit_codes() -> str:
    """Every exit code, from the enum and the docstrings of the errors."""
    words = dict(EXIT_CODE_WORDS)
    for error in CrescentError.__subclasses__():
        words[error.exit_code] = " ".join((error.__doc__ or "").split())
    return table(("code", "name", "meaning"), ((int(code), f"`{code.name}`", words[code]) for code in ExitCode))


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────


def settings_reference() -> str:
    """A table for each section: every setting with its default, what it may be, and its help."""
    rows = {name: (value, text) for name, value, _, text in config_rows(load_config())}
    base = Config()
    sections = []
    for section in fields(base):
        settings = getattr(base, section.name)
        if not is_dataclass(settings):
            continue
        cells = [
            (f"`{key.name}`", code(default_of(settings, key.name)), allowed(f"{section.name}.{key.name}"),
             " ".join(field_help(type(settings))[key.name].split()))
            for key in fields(settings)
        ]  # fmt: skip
        assert all(f"{section.name}.{key.name}" in rows or key.name == "benchmarks" for key in fields(settings))
        about = " ".join((type(settings).__doc__ or "").split())
        sections.append(f"## [{section.name}]\n\n{about}\n\n" + table(SETTING_COLUMNS, cells))
    cells = [
        (f"`{key.name}`", code(default_of(BenchmarkConfig(), key.name)), "",
         " ".join(field_help(BenchmarkConfig)[key.name].split()))
        for key in fields(BenchmarkConfig)
    ]  # fmt: skip
    about = " ".join((BenchmarkConfig.__doc__ or "").split())
    sections.append(f"## [evaluate.benchmarks.NAME]\n\n{about}\n\n" + table(SETTING_COLUMNS, cells))
    return "\n\n".join(sections)


SETTING_COLUMNS = ("setting", "default", "allowed", "meaning")


def default_of(settings: Any, key: str) -> Any:
    """The default of a field."""
    value = getattr(settings, key)
    return list(value) if isinstance(value, tuple) else value


def allowed(name: str) -> str:
    """What a setting may be, in words."""
    kind = kinds().get(name)
    if kind is None:
        return ""
    return ", ".join(f"`{each}`" for each in kind.choices) if kind.choices else kind.words


def presets() -> str:
    """Every setting that the presets do not agree on or that one of them changes, with its value in each."""
    tables = {name: {row[0]: row[1:3] for row in config_rows(load_config(preset=name))} for name in PRESETS}
    named = dict.fromkeys(name for values in tables.values() for name in values)
    rows = []
    for name in named:
        origins = [values[name][1] for values in tables.values() if name in values]
        if name == "preset" or not any(origin.startswith("preset") for origin in origins):
            continue
        if name.startswith("evaluate.benchmarks."):
            continue
        rows.append((f"`{name}`", *(code(tables[preset][name][0]) for preset in PRESETS)))
    benchmarks = [", ".join(load_config(preset=name).evaluate.benchmarks) for name in PRESETS]
    rows.append(("benchmarks", *benchmarks))
    return table(("setting", *(f"`{name}`" for name in PRESETS)), rows)


def builtin_benchmarks() -> str:
    """The known data sets, and where each is read from."""
    known = tomllib.loads((PRESET_DIR / "benchmarks.toml").read_text(encoding="utf-8"))
    rows = [
        (f"`{name}`", f"`{values['source'].removeprefix('hub:')}`", values.get("kind", "answers"),
         values.get("role", "score"), ", ".join(values.get("prompts", ())) or "those of `evaluate.prompts`")
        for name, values in known.items()
    ]  # fmt: skip
    return table(("`builtin`", "repo on the Hugging Face hub", "kind", "role", "prompts"), rows)


# ── the TUI, the models, the house ───────────────────────────────────────────────────────────────────────────


def keys() -> str:
    """The keys of the app, of lists and of each screen, from their BINDINGS."""
    from crescent_tui.app import CrescentApp
    from crescent_tui.screens.command_log import CommandLogScreen
    from crescent_tui.screens.runs import RunsScreen
    from crescent_tui.screens.start import StartScreen
    from crescent_tui.tabs import TABS
    from crescent_tui.widgets.chart import Chart
    from crescent_tui.widgets.row_list import RowList

    tabs = (f"`{TABS[0].key}` to `{TABS[-1].key}`", ", ".join(tab.name for tab in TABS))
    ours = [key for key in _keys(CrescentApp) if "switch_mode" not in key[2]]
    sections = [("Everywhere", [tabs, *(key[:2] for key in ours)]), ("Lists", [key[:2] for key in _keys(RowList)])]
    sections.append(("Curves", [key[:2] for key in _keys(Chart)]))
    for tab in TABS:
        found = [key[:2] for key in _keys(tab.load())]
        sections.append((f"{tab.key} {tab.name}", found))
    for title, screen in (
        ("The start form", StartScreen),
        ("The runs", RunsScreen),
        ("The command log", CommandLogScreen),
    ):
        sections.append((title, [key[:2] for key in _keys(screen)]))
    rows = ((title if not at else "", *row) for title, found in sections for at, row in enumerate(found))
    return table(("where", "key", "what it does"), rows)


def _keys(owner: type[Any]) -> list[tuple[str, str, str]]:
    """Keys, meaning and action of each binding of a class that has a description."""
    from textual.binding import Binding

    found = [each if isinstance(each, Binding) else Binding(*each) for each in vars(owner).get("BINDINGS", ())]
    return [(_key_names(each), _does(each, owner), each.action) for each in found if each.description]


KEY_NAMES = {
    "question_mark": "?", "slash": "/", "greater_than_sign": ">", "less_than_sign": "<", "plus": "+", "minus": "-",
    "equals_sign": "=", "pagedown": "page down", "pageup": "page up", "right_square_bracket": "]",
    "left_square_bracket": "[",
}  # fmt: skip


def _key_names(binding: Any) -> str:
    return " ".join(f"`{KEY_NAMES.get(key.strip(), key.strip())}`" for key in binding.key.split(","))


def _does(binding: Any, owner: type[Any]) -> str:
    """The first line of the action's docstring; without one, the binding's description."""
    name = binding.action.partition("(")[0]
    action = getattr(owner, f"action_{name}", None)
    ours = action is not None and action.__module__.startswith("crescent_tui") and "(" not in binding.action
    lines = (action.__doc__ or "").strip().splitlines() if action is not None and ours else []
    return sentence(lines[0].rstrip(".") if lines else binding.description)


def architectures() -> str:
    """The architectures that adapters can be trained for, and the layers that get a LoRA."""
    rows = ((f"`{name}`", ", ".join(f"`{layer}`" for layer in layers)) for name, layers in LINEAR_LAYERS.items())
    return table(("architecture (`general.architecture` of the GGUF)", "layers with a LoRA"), rows)


def known_models() -> str:
    """The models that `crescent models` lists."""
    rows = (
        (
            f"`{each.name}`",
            f"`{each.source}`",
            f"{each.file_bytes / 1e9:.1f} GB",
            f"{each.memory_bytes / 1e9:.1f} GB",
            each.licence,
            f"{each.tokens_per_second} tokens/s on two cores" if each.tokens_per_second else "",
            each.measured,
        )
        for each in KNOWN_MODELS
    )
    return table(("name", "`model.source`", "file", "memory", "licence", "speed", "measured"), rows)


def floors() -> str:
    """The layers of import-linter, from pyproject.toml."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    core, tui = (
        next(each["layers"] for each in contracts if each["type"] == "layers" and each["containers"] == [package])
        for package in ("crescent_lite", "crescent_tui")
    )
    others = [each["name"] for each in contracts if each["type"] != "layers"]
    lines = [
        "```",
        *core,
        "```",
        "",
        "The layers of `crescent_tui`:",
        "",
        "```",
        *tui,
        "```",
        "",
        "The other contracts that `make lint` holds:",
        "",
        *(f"- {other}." for other in others),
    ]
    return "\n".join(lines)


OTHER_ENTRIES = {
    "tui/crescent_tui/": "the terminal UI: screens, widgets, content (values -> text), sources (threads, files)",
    "docs/": "pages by task; tables in them are generated, and a test checks them",
    "data/": "the default workspace (your runs; ignored by git), its README, and reports of measured runs",
    "tests/": "named by behaviour; snapshots of every screen; databases of every earlier version",
    "benchmarks/": "what is timed and compared; its README says which question each script answers",
    "Makefile": "run, test, lint, docs and the rest; `make help` lists them",
}
"""What stands in the tree beside the package, whose own lines come from the docstrings."""


def tree() -> str:
    """The file tree of the README: each entry of the package with the first sentence of its docstring."""
    lines = ["```", "crescent_lite/"]
    lines += [f"  {name:<16} {about}" for name, about in package_entries()]
    lines += [f"{name:<18} {about}" for name, about in OTHER_ENTRIES.items()]
    return "\n".join([*lines, "```"])


def package_entries() -> list[tuple[str, str]]:
    """Folders, then modules of the package, with their first sentence."""
    package = ROOT / "crescent_lite"
    folders = [(f"{path.name}/", summary(path / "__init__.py")) for path in sorted(package.iterdir())
               if (path / "__init__.py").is_file()]  # fmt: skip
    return folders + [(path.name, summary(path)) for path in sorted(package.glob("*.py"))]


def modules() -> str:
    """Every module of the package and of the TUI, with the first sentence of its docstring."""
    lines = []
    for package in (ROOT / "crescent_lite", ROOT / "tui" / "crescent_tui"):
        for folder in (package, *(each for each in sorted(package.rglob("*")) if (each / "__init__.py").is_file())):
            lines += ["", f"**{folder.relative_to(ROOT)}/** {summary(folder / '__init__.py')}", ""]
            found = [path for path in sorted(folder.glob("*.py")) if path.name not in ("__init__.py", "__main__.py")]
            lines += [table(("module", "what it does"), ((f"`{path.name}`", summary(path)) for path in found))]
    return "\n".join(lines).strip()


def summary(path: Path) -> str:
    """The first sentence of a module's docstring, without its example."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = " ".join(text.split("\n\n")[0].split()).partition(" Example:")[0]
    return re.split(r"(?<=[a-z0-9)`'])\.(?= [A-Z])", first)[0].rstrip(".:")


# ── Markdown ─────────────────────────────────────────────────────────────────────────────────────────────────


def table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table."""
    names = list(columns)
    lines = [_row(names), "|" + "---|" * len(names), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Iterable[Any]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def code(value: Any) -> str:
    """A value as TOML in code, cut where it is long."""
    text = toml_text(value)
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}...`"


def sentence(text: str) -> str:
    """With a capital letter, unless the first word is code or a quoted value."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:]


BLOCKS: dict[str, Callable[[], str]] = {
    "command-groups": command_groups,
    "commands": command_table,
    "command-reference": command_reference,
    "common-options": common_options,
    "exit-codes": exit_codes,
    "settings": settings_reference,
    "presets": presets,
    "builtin-benchmarks": builtin_benchmarks,
    "keys": keys,
    "architectures": architectures,
    "known-models": known_models,
    "floors": floors,
    "tree": tree,
    "modules": modules,
}


# ── the output of commands ───────────────────────────────────────────────────────────────────────────────────


class Workplace:
    """A folder with a workspace `data` that holds a real run of a 0.5B model, in which commands are run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        data = folder / "data"
        data.mkdir()
        (data / "crescent.db").write_bytes(lzma.decompress((REAL_RUN / "crescent.db.xz").read_bytes()))
        shutil.copy(REAL_RUN / "crescent.toml", data / "crescent.toml")
        self.output("crescent status")  # brings the database up to date

    def output(self, command: str) -> str:
        """What a `crescent` command prints, as a console block."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self._folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            exit_code = main(shlex.split(command)[1:])
        if exit_code:
            raise RuntimeError(f"{command}: exit code {exit_code}: {err.getvalue()}")
        lines = [line.rstrip() for line in out.getvalue().rstrip().splitlines()]
        lines = [line if len(line) <= OUTPUT_COLUMNS else f"{line[: OUTPUT_COLUMNS - 1]}…" for line in lines if line]
        shown = lines if len(lines) <= OUTPUT_LINES else [*lines[: OUTPUT_LINES - 1], "…"]
        return "\n".join(["```console", f"$ {command}", *shown, "```"])


@contextlib.contextmanager
def workplace() -> Iterator[Workplace]:
    """A workplace that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield Workplace(Path(folder))


def filled(page: str, place: Workplace) -> str:
    """A page with every generated part made again. Raises KeyError for an unknown name."""

    def fill(found: re.Match[str]) -> str:
        name = found[2]
        made = place.output(name.removeprefix("output: ")) if name.startswith("output: ") else BLOCKS[name]()
        return f"{found[1]}{made}\n{found[4]}"

    return MARKED.sub(fill, page)


def write_pages() -> int:
    """Bring every page up to date; names those that changed."""
    with workplace() as place:
        for page in PAGES:
            before = page.read_text(encoding="utf-8")
            after = filled(before, place)
            if after != before:
                page.write_text(after, encoding="utf-8")
                sys.stderr.write(f"{page.relative_to(ROOT)}: written\n")
    return 0


if __name__ == "__main__":
    sys.exit(write_pages())
