"""The JSON schema of crescent.toml, by which an editor completes and checks it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from crescent_lite.cli import main
from crescent_lite.config import PRESETS
from crescent_lite.config.fields import PRESET, kinds
from crescent_lite.config.schema import SCHEMA_NAME, schema
from crescent_lite.config.settings import PRESET_DIR
from crescent_lite.config.text import starter_toml
from crescent_lite.errors import ExitCode


def test_every_setting_has_its_type_and_its_help() -> None:
    sections = {name: each["properties"] for name, each in schema()["properties"].items() if name != PRESET}
    named = {f"{section}.{key}": value for section, keys in sections.items() for key, value in keys.items()}
    assert named.keys() == kinds().keys() - {PRESET}
    assert all(each["description"] and ("type" in each or "enum" in each) for each in named.values())
    assert (named["vote.min_share"]["minimum"], named["vote.min_share"]["maximum"]) == (0, 1)
    assert named["train.objective"]["enum"] == ["sft", "preference"]


def test_a_new_workspace_names_the_schema_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "new")]) == ExitCode.OK
    capsys.readouterr()
    assert (tmp_path / "new" / "crescent.toml").read_text().startswith(f"#:schema ./{SCHEMA_NAME}\n")
    assert main(["config", "--schema"]) == ExitCode.OK
    assert json.loads((tmp_path / "new" / SCHEMA_NAME).read_text()) == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_and_starter_files_fit_the_schema(preset: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(tomllib.loads((PRESET_DIR / f"{preset}.toml").read_text()), schema())
    uncommented = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line and not line.startswith("#  ") else line
        for line in starter_toml(preset).splitlines()
        if "crescent config" not in line and "questions.jsonl" not in line
    )
    jsonschema.validate(tomllib.loads(uncommented), schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"vote": {"min_share": 2}}, schema())
