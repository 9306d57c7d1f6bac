"""The benchmark scripts start, use only names that exist, and are all in the table of benchmarks/README.md."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
SCRIPTS = sorted(FOLDER.glob("*.py"))
WITH_ARGUMENTS = [path for path in SCRIPTS if "argparse" in path.read_text(encoding="utf-8")]


@pytest.fixture(autouse=True)
def benchmarks_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)  # as it is when one of the scripts is started


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there for the types of their fields
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("path", WITH_ARGUMENTS, ids=lambda path: path.name)
def test_a_script_says_what_it_does(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [path.name, "--help"])
    script = load(path)

    with pytest.raises(SystemExit) as ended:
        script.main()

    assert ended.value.code == 0
    first_line = str(script.__doc__).partition("\n")[0]
    assert "".join(first_line.split()) in "".join(capsys.readouterr().out.split())  # argparse breaks lines anywhere


@pytest.mark.slow
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_uses_only_names_that_exist(path: Path) -> None:
    """Imports inside functions, and attributes of imported modules, would otherwise fail only in a measurement."""
    script = load(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("crescent_lite"):
            imported = importlib.import_module(str(node.module))
            for alias in node.names:
                is_module = importlib.util.find_spec(f"{node.module}.{alias.name}") if is_package(imported) else None
                assert hasattr(imported, alias.name) or is_module, f"{node.module} has no {alias.name}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = getattr(script, node.value.id, None)
            if isinstance(owner, ModuleType) and owner.__name__.startswith("crescent_lite"):
                assert hasattr(owner, node.attr), f"{owner.__name__} has no {node.attr}"


def is_package(module: ModuleType) -> bool:
    return hasattr(module, "__path__")


def test_the_readme_lists_every_script() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(.+?)\]\((.+?)\) \|", readme, flags=re.MULTILINE)

    assert all(name == link for name, link in listed)
    assert sorted(name for name, _ in listed) == sorted(
        path.name for path in FOLDER.iterdir() if path.suffix in (".py", ".sh")
    )
