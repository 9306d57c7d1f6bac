"""The docs are true: generated parts are up to date, links and file names lead somewhere, and commands exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from generated_docs import BLOCKS, MARKED, PAGES, ROOT, Workplace, filled, subcommands, workplace

from crescent_lite.cli.main import build_parser
from crescent_lite.config import AlarmsConfig
from crescent_lite.evaluation.alarms import judge_round
from crescent_lite.round_facts import MeasuredRound, RoundFacts

LINKED_PAGES = [
    page
    for page in (*PAGES, ROOT / "CHANGELOG.md", ROOT / "data" / "README.md", ROOT / "benchmarks" / "README.md")
    if page.is_file()
]
AWAITED = {ROOT / "benchmarks" / "README.md"}
"""Pages that are linked to and still being written."""
LAB_LOG = ROOT / "docs" / "lab-log.md"
FENCE = re.compile(r"^( *)(```+)([\w-]*)[^\n]*\n(.*?)^ *\2 *$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+(?:\([^()]*\))?)\)")
INLINE = re.compile(r"`([^`\n]+)`")
SOURCE_FILE = re.compile(r"(?:[\w-]+/)*[\w.-]+\.(?:py|sh|xz)")
RUNNERS = ("crescent ", ".venv/bin/crescent ")
PARSER = build_parser()


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


# ── generated parts ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def place() -> Iterator[Workplace]:
    with workplace() as made:
        yield made


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_generated_parts_are_up_to_date(page: Path, place: Workplace) -> None:
    text = page.read_text(encoding="utf-8")

    assert filled(text, place) == text, "run `make docs`"


def test_every_generated_part_stands_on_some_page() -> None:
    names = {found[2] for page in PAGES for found in MARKED.finditer(page.read_text(encoding="utf-8"))}

    assert set(BLOCKS) <= names


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_marker_has_its_end(page: Path) -> None:
    begins, ends = (re.findall(f"^<!-- {word}", prose(page), re.MULTILINE) for word in ("generated: ", "end -->"))

    assert len(begins) == len(ends)


# ── links ────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        repeats = (f"{slug}-{number}" for number in range(1, 100))
        found.add(slug if slug not in found else next(each for each in repeats if each not in found))
    return frozenset(found)


@pytest.mark.parametrize("page", LINKED_PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if there in AWAITED and not there.exists():
            continue
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)

    assert broken == []


def test_every_page_of_the_docs_is_in_their_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")

    assert all(f"]({page.name})" in index for page in (ROOT / "docs").glob("*.md") if page.name != "README.md")


@cache
def source_files() -> frozenset[str]:
    """Names of the Python files of this project, and of all files in benchmarks/."""
    folders = [ROOT / name for name in ("crescent_lite", "tui", "tests", "benchmarks")]
    of_python = (path for folder in folders for path in folder.rglob("*.py"))
    return frozenset(path.name for path in [*of_python, *ROOT.glob("benchmarks/*")])


@pytest.mark.parametrize("page", [page for page in LINKED_PAGES if page != LAB_LOG], ids=named)
def test_every_file_that_is_named_exists(page: Path) -> None:
    """In the lab log paths are as they were then."""
    missing = []
    for code in INLINE.findall(prose(page)):
        for name in SOURCE_FILE.findall(code):
            places = (
                ROOT / name,
                page.parent / name,
                ROOT / "crescent_lite" / name,
                ROOT / "tui/crescent_tui" / name,
            )
            is_there = any(path.is_file() for path in places) if "/" in name else name in source_files()
            if not is_there:
                missing.append(name)

    assert missing == []


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────


def command_lines(page: Path) -> Iterator[str]:
    """Every command line in a code block of the page."""
    for _, _, language, block in FENCE.findall(page.read_text(encoding="utf-8")):
        if language in ("", "sh", "bash", "console"):
            for line in block.replace("\\\n", " ").splitlines():
                yield line.strip().removeprefix("$ ")


def words_of(line: str) -> list[str]:
    """The words of the first command of a line, without its comment."""
    words = shlex.split(line, comments=True)
    end = next((at for at, word in enumerate(words) if word in ("|", ">", "&&", ";", "&")), len(words))
    return words[:end]


CRESCENT_LINES = [
    pytest.param(line, id=f"{named(page)}: {line[:60]}")
    for page in LINKED_PAGES
    for line in dict.fromkeys(command_lines(page))
    if line.startswith(RUNNERS)
]


@pytest.mark.parametrize("line", CRESCENT_LINES)
def test_every_command_line_can_be_parsed(line: str) -> None:
    try:
        PARSER.parse_args(words_of(line)[1:])
    except SystemExit as ended:
        assert ended.code == 0, line


@pytest.mark.parametrize("page", LINKED_PAGES, ids=named)
def test_no_command_and_no_option_in_a_sentence_is_invented(page: Path) -> None:
    unknown = []
    for code in INLINE.findall(prose(page)):
        if not code.startswith("crescent ") or code.startswith(("crescent ...", "crescent COMMAND")):
            continue
        parser = PARSER
        for word in code.split()[1:]:
            deeper = subcommands(parser)
            if deeper and not word.startswith("-"):
                if word not in deeper:
                    unknown.append(code)
                    break
                parser = deeper[word]
            elif (
                re.match(r"--?[a-z]", word)
                and word.partition("=")[0].rstrip(",") not in parser._option_string_actions
            ):
                unknown.append(code)

    assert unknown == []


def test_every_make_target_that_is_shown_exists() -> None:
    targets = set(re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    shown = {line.split()[1] for page in LINKED_PAGES for line in command_lines(page) if re.match(r"make \w", line)}
    shown |= {
        code.split()[1]
        for page in LINKED_PAGES
        for code in INLINE.findall(prose(page))
        if re.match(r"make [a-z]", code)
    }

    assert shown <= targets


def test_the_lab_log_has_its_newest_entry_first() -> None:
    dates = re.findall(r"^## (\d{4}-\d\d-\d\d) ", prose(LAB_LOG), re.MULTILINE)

    assert dates and dates == sorted(dates, reverse=True)


def test_every_optional_package_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    running = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")

    assert all(f"| `{extra}` |" in running for extra in project["optional-dependencies"])


def test_every_alarm_is_explained() -> None:
    nothing = MeasuredRound(RoundFacts(number=1), {})
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")

    assert all(f"| `{alarm.name}` |" in page for alarm in judge_round(nothing, nothing, nothing, AlarmsConfig()))
