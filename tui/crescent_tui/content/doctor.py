"""The findings of `crescent doctor` in short: a line per group, and one per problem with what to do about it.

Pure. Example:
    doctor_report('[{"name": "GPU", "state": "missing", ...}]', 76) -> "– GPU  no NVIDIA GPU; ..."
"""

from __future__ import annotations

import json
from typing import Any

from textual.content import Content

from crescent_lite.printable import printable_line
from crescent_tui.content.colours import MUTED
from crescent_tui.content.columns import cell

GROUPS = {
    "machine": ("Python", "memory", "disk"),
    "GPU": ("GPU",),
    "llama.cpp": ("llama.cpp", "llama.cpp on GPU"),
    "packages": ("torch", "transformers", "peft", "unsloth", "bitsandbytes", "sqlite-utils", "rapidfuzz"),
    "SQLite": ("SQLite",),
    "models": ("models to sample", "models to train"),
    "settings": ("workspace", "embedded model", "model", "sampling", "training"),
}
NAME_WIDTH = 11
SIGNS = {
    "ok": ("✓", "$text-success"),
    "optional": ("–", MUTED),
    "missing": ("–", MUTED),
    "warning": ("!", "$text-warning"),
}


def doctor_report(output: str, width: int) -> Content | None:
    """The findings in `output`, which is JSON; None if it is not a list of findings.

    Good findings are cut off at `width` cells; problems are shown in full.
    """
    findings = _findings(output)
    if not findings:
        return None
    lines: list[Content] = []
    known = {name for names in GROUPS.values() for name in names}
    others = tuple(str(finding.get("name")) for finding in findings if str(finding.get("name")) not in known)
    for group, names in {**GROUPS, "other": others}.items():
        these = [finding for finding in findings if str(finding.get("name")) in names]
        lines += _group(group, [finding for finding in these if not _will_be_made(finding)], width)
    return Content("\n").join(lines)


def _findings(output: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(output)
    except (ValueError, RecursionError):
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _will_be_made(finding: dict[str, Any]) -> bool:
    """Whether the finding is a missing workspace, which starting a run creates."""
    return finding.get("name") == "workspace" and finding.get("state") == "missing"


def _group(name: str, findings: list[dict[str, Any]], width: int) -> list[Content]:
    fine = [finding for finding in findings if finding.get("state") == "ok"]
    lines: list[Content] = []
    if fine:
        text = ", ".join(_short(finding, of=name) for finding in fine)
        lines.append(_line("ok", name, text).truncate(width, ellipsis=True))
    for gap in findings:
        if gap not in fine:
            lines.append(_gap(gap, of=name, named=not lines))
    return lines


def _short(finding: dict[str, Any], of: str) -> str:
    name, value = str(finding.get("name")), printable_line(str(finding.get("value")), 200)
    if of == "packages":
        return f"{name} {value.partition(',')[0]}"
    if name in ("Python", "memory", "disk", "training", "sampling"):
        return f"{name} {value.partition(';')[0]}"
    return value.partition(";")[0]


def _gap(finding: dict[str, Any], *, of: str, named: bool) -> Content:
    name, value, advice = (printable_line(str(finding.get(key, "")), 300) for key in ("name", "value", "advice"))
    what = value if name == of else f"{name}: {value}"
    return _line(str(finding.get("state")), of if named else "", f"{what}; {advice}" if advice else what)


def _line(state: str, group: str, text: str) -> Content:
    sign, style = SIGNS.get(state, ("?", MUTED))
    return Content.assemble(
        (f"{sign} ", style), (cell(group, NAME_WIDTH), "bold"), (text, "" if state == "ok" else style)
    )
