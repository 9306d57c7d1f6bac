"""Reports: what they say, and that texts of a model can do nothing in them except be read."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from fake_sampler import FakeSampler
from hypothesis import given
from hypothesis import strategies as st
from small_workspace import make_workspace
from tiny_model import make_tiny_gguf

from crescent_lite.cli import main
from crescent_lite.engine import RunOptions, run_engine, run_evaluation
from crescent_lite.errors import ExitCode
from crescent_lite.evaluation import among_ended, corrected, mcnemar
from crescent_lite.intervals import wilson
from crescent_lite.report import Document, build_document, document_html, document_markdown
from crescent_lite.report.content import name_of, plain_value
from crescent_lite.report.excerpts import cut, spread
from crescent_lite.report.figures import shown_rounds, thinned
from crescent_lite.report.flow import fewest
from crescent_lite.report.markdown import fenced, inline
from crescent_lite.report.plots import Curve, ScorePanel, draw_losses, draw_scores
from crescent_lite.report.primary import Primary, primary_number
from crescent_lite.report.scores import Scored, compare
from crescent_lite.report.summary import headline
from crescent_lite.report.tables import kept_in_words
from crescent_lite.report.yields import flow_steps
from crescent_lite.round_facts import Alarm, LabelTruth
from crescent_lite.rounds import Standing
from crescent_lite.store import Run, Store
from crescent_lite.store.evaluations import EvaluationRow
from crescent_lite.workspace import Workspace

pytestmark = pytest.mark.slow
HOSTILE = (
    "</pre></div><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>\n"
    "```\n# A heading\n~~~\n![x](https://evil.example/y) {{ 7*7 }} $x_1$ \x1b[31m\u202e\x00"
)
MODEL_NAME = "a<b>$x_1$&amp;`c"
DRAWN_AS_TEXT = {"svg", "g", "path", "text", "tspan", "use", "defs", "clippath", "rect"}
NEEDED = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "div", "ul", "li", "nav", "a",
    "section", "figure", "figcaption", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre", "dl",
    "dt", "dd",
}  # fmt: skip
ADDRESSES = {"src", "href", "xlink:href", "srcset", "data", "action", "poster", "background", "formaction"}


class HostileSampler(FakeSampler):
    """A sampler whose solutions try to break out of the page or the Markdown that shows them."""

    def _say(self, request: object, chance: object) -> str:  # type: ignore[override]
        said = super()._say(request, chance)  # type: ignore[arg-type]
        return f"The answer is {said}.\n\n{HOSTILE}" if said.isdigit() else said


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Run 1 has two rounds, run 2 is a distillation with too few labels, run 3 was cut short, run 4 only measures."""
    folder = tmp_path_factory.mktemp("reported")
    made = make_workspace(folder, make_tiny_gguf(folder / f"{MODEL_NAME}.gguf"))
    settings = made.config_path.read_text().replace("items = 20", "items = 20\nsamples = 4")
    made.config_path.write_text(settings)
    options = RunOptions(rounds=2, overrides=("alarms.stop=false",))
    list(run_engine(made, options, lambda _path, _config: HostileSampler()))
    student = make_tiny_gguf(folder / "student.gguf", "qwen2", seed=5)
    overrides = (f"model.source={json.dumps(str(student))}", "train.min_examples=1000")
    taught = RunOptions(1, True, overrides=overrides, teacher_id=1)
    list(run_engine(made, taught, lambda _path, _config: FakeSampler()))
    begun = run_engine(made, RunOptions(1, True), lambda _path, _config: FakeSampler())
    for _ in range(30):
        next(begun)
    begun.close()
    list(run_evaluation(made, RunOptions(), None, lambda _path, _config: FakeSampler()))
    return made


@pytest.fixture(scope="module")
def store(workspace: Workspace) -> Store:
    return Store.open_read_only(workspace.database_path)


@pytest.fixture(scope="module")
def document(store: Store) -> Document:
    return build_document(store, 1)


class Seen(HTMLParser):
    """The tags, attributes and text that a browser finds in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


# ── what a model wrote stays what it is ──────────────────────────────────────────────────────────────────────


def test_hostile_text_is_read_and_does_nothing(document: Document) -> None:
    page = document_html(document)
    seen = Seen(page)
    assert "</pre></div><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>" in seen.text
    assert "{{ 7*7 }}" in seen.text
    assert MODEL_NAME in seen.text
    assert seen.tags <= NEEDED | DRAWN_AS_TEXT
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)


def test_the_page_loads_nothing(document: Document) -> None:
    page = document_html(document)
    seen = Seen(page)
    assert all(value.startswith("#") for name, value in seen.attributes if name in ADDRESSES)
    styles = "".join(re.findall(r"<style>.*?</style>", page, re.DOTALL)) + "".join(v for _, v in seen.attributes)
    assert "@import" not in styles
    assert re.findall(r"url\((?!#)", styles) == []
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in seen.attributes


def test_ids_in_the_page_are_unique(document: Document) -> None:
    seen = Seen(document_html(document))
    ids = [value for name, value in seen.attributes if name == "id"]
    assert len(ids) == len(set(ids)) > 100
    wanted = {value[1:] for name, value in seen.attributes if name in ADDRESSES}
    wanted |= {used for _, value in seen.attributes for used in re.findall(r"url\(#([^)]+)\)", value)}
    assert wanted <= set(ids)


def outside_of_fences(text: str) -> list[str]:
    """The lines of a Markdown text outside its fenced blocks (CommonMark 4.5)."""
    lines, fence = [], ""
    for line in text.splitlines():
        found = re.match(r"(`{3,}|~{3,})([^`]*)$", line)
        if not fence and found:
            fence = found[1]
        elif fence and re.fullmatch(rf"{re.escape(fence[0])}{{{len(fence)},}}\s*", line):
            fence = ""
        elif not fence:
            lines.append(line)
    assert not fence
    return lines


def test_hostile_text_stays_in_its_fence(document: Document) -> None:
    text = document_markdown(document)
    outside = "\n".join(outside_of_fences(text))
    assert "<script>alert(1)" in text
    assert not re.search(r"(?<!\\)<", outside)
    assert "A heading" not in outside
    assert "evil.example" not in outside
    assert outside.count("\n# ") == 0


@given(st.text(alphabet=st.sampled_from("`~ \n\r\tx#|<\x00\u2028\\"), max_size=60))
def test_no_text_ends_its_fence(text: str) -> None:
    assert outside_of_fences(f"before\n{fenced(text)}\nafter") == ["before", "after"]


@given(st.text(max_size=40))
def test_text_in_a_line_is_on_one_line_and_escaped(text: str) -> None:
    shown = inline(text)
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)[<>\[\]|`$]", re.sub(r"\\\\", "", shown))


def test_a_name_is_not_a_formula_in_a_drawing() -> None:
    score = wilson(3, 10)
    svg = draw_scores([ScorePanel("$x_1$ <b>\x1b\uffff 数", (0, 1), (score, score), (score, score))], None)
    assert "$x_1$ &lt;b&gt;␛\ufffd 数 (n=10)" in svg


# ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────


def test_every_figure_is_there(document: Document) -> None:
    drawn = {figure.name for section in document.sections for figure in section.figures if figure.svg}
    assert drawn == {"scores", "flow-1", "flow-2", "shares", "calibration", "loss", "alarms", "lengths"}


def test_the_report_has_all_its_sections_settings_and_words(document: Document) -> None:
    assert [section.name for section in document.sections] == [
        "scores", "texts", "votes", "training", "alarms",
        "accepted", "disputed", "rejected", "time", "making", "words",
    ]  # fmt: skip
    page = document_html(document)
    for shown in ("Every setting", "bait.questions", "run.seed", "Machine and versions", "numpy 2.", "tokens/s"):
        assert shown in page
    words = {word for section in document.sections for word, _ in section.terms}
    assert {"run", "round", "bait", "question", "vote", "label", "share", "example", "base", "adapter"} <= words
    assert {"canary", "strict", "flexible", "false consensus", "contamination"} <= words


def test_the_summary_says_what_is_kept_and_why_it_ended(document: Document) -> None:
    said = "\n".join(document.summary)
    assert re.search(r"In 2 rounds, .* wrote \d+ texts", said)
    assert re.search(r"Kept: round \d, the best trained round|Round \d is kept as the best", said)
    assert "The run ended as planned, after 2 rounds." in said
    assert re.search(r"computing the results gives \d+ of \d+ labels right; \d+ of the questions make sense", said)


def test_the_machine_of_the_run_is_noted_when_it_starts(store: Store) -> None:
    (noted,) = store.runs.fetch_events(1, "MachineNoted")
    assert noted["processor"]
    assert noted["cores"] >= 1
    assert noted["packages"]["crescent-lite"]


@pytest.mark.parametrize(
    ("run_id", "said", "left_out"),
    [
        (2, "has not been trained yet on the labels that", {"flow", "shares", "loss", "looks"}),
        (3, "The run is not finished", {"shares", "loss", "looks", "alarms", "lengths"}),
        (4, "Only the base was measured", {"flow", "shares", "loss", "looks", "alarms", "lengths"}),
    ],
)
def test_a_figure_without_data_is_left_out_with_the_reason(
    run_id: int, said: str, left_out: set[str], store: Store
) -> None:
    document = build_document(store, run_id)
    figures = [figure for section in document.sections for figure in section.figures]
    assert {figure.name for figure in figures if not figure.svg} == left_out
    assert all(figure.words.startswith("Left out: ") for figure in figures if not figure.svg)
    assert said in document_html(document)
    assert said in document_markdown(document)


def test_the_same_run_gives_the_same_bytes(document: Document, store: Store) -> None:
    again = build_document(store, 1)
    assert document_html(again) == document_html(document)
    assert document_markdown(again) == document_markdown(document)


def scored(before: str, after: str, role: str = "score") -> list[Scored]:
    """A base and round 1 on items that were right ('+'), wrong ('-') or cut off ('.')."""
    rights = [{str(index): mark == "+" for index, mark in enumerate(marks)} for marks in (before, after)]
    ended = [{str(index): mark != "." for index, mark in enumerate(marks)} for marks in (before, after)]
    (verdict,) = corrected([mcnemar(*rights)], [among_ended(*rights, *ended)])
    rows = [EvaluationRow(number, number, f"b-{role}", "bare", role) for number in (0, 1)]  # type: ignore[arg-type]
    scores = [wilson(sum(right.values()), len(right)) for right in rights]
    return [
        Scored(rows[0], "flexible", "base", True, scores[0], None),
        Scored(rows[1], "flexible", "round 1", True, scores[1], verdict),
    ]


def primary(scores: list[Scored]) -> Primary:
    """The primary number that is the first of these scores."""
    base, after = scores[:2]
    assert after.verdict
    e = base.evaluation
    return Primary(
        ((e.benchmark, e.prompt),), "flexible", e.role, {0: base.score, 1: after.score}, {}, {1: after.verdict}
    )


RUN = Run(1, "finished", None, 1, 1, {}, {}, "", "")
STANDING = Standing(1, {0: 0.5, 1: 0.6}, {1: 7}, None)
UP, DOWN, LEVEL = scored("-" * 40, "+" * 40), scored("+" * 40, "-" * 40), scored("-" * 40, "+" * 3 + "-" * 37)
SHORTER = scored("." * 20 + "+" * 30 + "-" * 30, "+" * 20 + "+" * 30 + "-" * 30)


@pytest.mark.parametrize(
    ("scores", "begin"),
    [
        (UP, "Round 1 improved on the base: from 0.0% to 100.0% (b-score, bare, flexible; n=40, won 40, lost 0, p<"),
        (LEVEL, "No difference between round 1 and the base was shown: from 0.0% to 7.5% (b-score, bare, flexible;"),
        (DOWN, "Round 1 got worse than the base: from 100.0% to 0.0%"),
        (SHORTER, "Round 1 is shorter, not shown to be better than the base: fewer of its replies are cut off: from"),
        # what is not the primary number does not decide
        (LEVEL + scored("-" * 40, "+" * 40, "final"), "No difference between round 1 and the base was shown"),
    ],
)  # fmt: skip
def test_the_headline_follows_the_primary_number(scores: list[Scored], begin: str) -> None:
    assert headline(RUN, STANDING, scores, primary(scores), {}).startswith(begin)


@pytest.mark.parametrize(
    ("general", "end"),
    [
        (scored("+" * 40, "-" * 40, "general"), ". On other abilities, it got worse in 1 of 1 measurement."),
        (
            scored("-" * 40, "+" * 3 + "-" * 37, "general"),
            ". On other abilities, no loss was shown in 1 measurement.",
        ),
    ],
)
def test_the_headline_says_whether_other_abilities_got_worse(general: list[Scored], end: str) -> None:
    unchecked = " Nobody checked the labels that it learnt from."
    assert headline(RUN, STANDING, UP + general, primary(UP), {}).endswith(end + unchecked)
    truth = LabelTruth(36, 22, 14)
    checked = " Of what it learnt: 14 of 36 labels right; 22 of the questions make sense."
    assert headline(RUN, STANDING, UP + general, primary(UP), {}, truth).endswith(end + checked)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (UP, "Kept: round 1, the only trained round; it is better than the base (100.0%, base 0.0%)."),
        (
            LEVEL,
            "Round 1 is kept because a round was trained, but it is not shown to be better than the base (7.5%, base "
            "0.0%).",
        ),
        (DOWN, "Round 1 is kept because a round was trained, but it is worse than the base (0.0%, base 100.0%)."),
        (
            SHORTER,
            "Round 1 is kept because a round was trained, but it is only shorter, and not shown to be better than "
            "the base (62.5%, base 37.5%).",
        ),
    ],
)
def test_a_kept_round_that_is_not_better_is_not_called_kept_without_saying_so(
    scores: list[Scored], said: str
) -> None:
    assert kept_in_words(STANDING, primary(scores)) == said


def test_several_rounds_are_corrected_as_one_family_and_the_primary_number_apart(store: Store) -> None:
    run = store.runs.fetch_run(1)
    found = compare(store, run)
    secondary = [one for one in found if one.verdict and not one.is_primary]
    by_p = sorted(secondary, key=lambda one: one.verdict.comparison.p_value)  # type: ignore[union-attr]
    least = by_p[0].verdict
    assert least
    assert least.p_corrected == pytest.approx(min(1.0, len(secondary) * least.comparison.p_value))
    number = primary_number(store, run)
    assert number
    assert set(number.verdicts) == {1, 2}
    flexible = compare(store, run, ("flexible",))
    assert [one for one in found if one.scoring == "flexible"] == flexible


def test_every_score_stands_beside_what_was_cut_off_and_both_p_values(document: Document) -> None:
    tables = [table for section in document.sections for table in section.tables if section.name == "scores"]
    named = {table.title: table.columns for table in tables}
    assert next(iter(named)).startswith("The primary number: ")
    scores = next(columns for title, columns in named.items() if "flexible)" in title)
    assert {"cut off", "of the ended", "won", "lost", "p", "corrected p"} <= set(scores)
    assert "Sharpened or better" in named


def test_a_round_chosen_among_several_makes_its_benchmark_a_development_set(document: Document) -> None:
    assert re.search(r"chosen among 2 rounds by \w+, which makes \w+ a development set", "\n".join(document.summary))


def test_the_losses_of_each_step_add_up(store: Store) -> None:
    for this in store.runs.fetch_rounds(1):
        steps = flow_steps(store, this)
        for before, after in pairwise(steps):
            assert before.count - sum(count for _, count in before.lost) == after.count - after.joined[1]
        assert steps[-1].count == store.trainings.count_examples(this.round_id)


def test_an_alarm_that_fires_after_several_rounds_is_named_once(workspace: Workspace, tmp_path: Path) -> None:
    shutil.copytree(workspace.folder, tmp_path / "copy")
    store = Store.open(Workspace(tmp_path / "copy").database_path)
    for number, words in ((1, "median 5 to 11"), (2, "median 5 to 12")):
        store.measures.replace_measures_and_alarms(
            1, number, {}, [Alarm("length", True, words), Alarm("format", False, "+0.0 points")]
        )
    document = build_document(store, 1)
    store.close()
    assert "Alarms fired: length after rounds 1, 2 (median 5 to 12)." in document.summary
    (alarms,) = (section for section in document.sections if section.name == "alarms")
    assert [len(table.rows) for table in alarms.tables if "larm" in table.title] == [2, 4]


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_long_text_is_cut_and_says_so() -> None:
    assert cut("x" * 2000, 800) == "x" * 800 + "\n[… 1,200 more characters]"
    assert cut("x" * 800, 800) == "x" * 800


@given(st.lists(st.integers(), unique=True), st.integers(2, 9))
def test_a_choice_is_spread_from_first_to_last(ids: list[int], most: int) -> None:
    chosen = spread(ids, most)
    assert len(chosen) == min(len(ids), most)
    assert not ids or (chosen[0], chosen[-1]) == (ids[0], ids[-1])


@given(st.integers(1, 200), st.integers(1, 200), st.integers(3, 8))
def test_the_kept_round_is_among_those_drawn(rounds: int, kept: int, most: int) -> None:
    shown = shown_rounds(list(range(1, rounds + 1)), kept, most)
    assert len(shown) == min(rounds, most)
    assert {1, rounds} | ({kept} if kept <= rounds else set()) <= set(shown)


def test_a_long_curve_is_thinned_and_many_reasons_are_added_up() -> None:
    steps, losses = thinned([(step, 1.0) for step in range(1, 100_001)])
    assert len(steps) <= 400
    assert (steps[-1], set(losses)) == (100_000, {1.0})
    assert len(draw_losses([Curve("round 1", steps, losses, ())])) < 30_000
    assert fewest([(str(n), n) for n in range(9, 0, -1)])[-1] == ("5 other reasons", 15)


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_writes_both_files(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["report", "-w", str(workspace.folder), "--run", "4", "--output", str(tmp_path / "out"), "--json"]
    assert main(arguments) == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    assert told["headline"] == "Only the base was measured: no round trained anything."
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"run-4.html", "run-4.md"}
    assert Path(told["files"]["html"]).read_text().startswith("<!doctype html>")


def test_a_report_that_cannot_be_written_is_one_line(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "-w", str(workspace.folder), "--run", "99"]) == ExitCode.NOT_FOUND
    assert "run 99: not in" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    arguments = ["report", "-w", str(workspace.folder), "--run", "4", "--output", str(tmp_path / "file")]
    assert main(arguments) == ExitCode.STORAGE
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1,587", 1587), ("62", 62), ("26.9", 26.9), ("35.0%", 0.35), ("+12.3%", 0.123), ("\u22125.1", -5.1),
        ("", None), ("-", None), ("<0.001", "<0.001"), ("17.0 to 23.1", "17.0 to 23.1"), ("1, 2", "1, 2"),
    ],
)  # fmt: skip
def test_a_cell_of_a_report_is_a_number_in_json_where_it_is_one(cell: str, value: object) -> None:
    assert plain_value(cell) == value


def test_a_heading_of_a_report_is_a_name_in_json() -> None:
    headings = ("95% interval", "tokens/s", "of all texts", "")
    assert [name_of(each, at) for at, each in enumerate(headings)] == [
        "95_percent_interval", "tokens_per_second", "of_all_texts", "column_4",
    ]  # fmt: skip
