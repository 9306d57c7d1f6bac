"""One round in styled text, and the scores of all rounds."""

import dataclasses
from pathlib import Path

import pytest
from sample_workspace import SampleWorkspace, filled_workspace

from crescent_lite.evaluation import corrected, mcnemar
from crescent_lite.intervals import wilson
from crescent_lite.records import TrainingStep
from crescent_lite.report.gains import Gain
from crescent_lite.round_facts import Alarm
from crescent_lite.rounds import Standing
from crescent_lite.store.trainings import LatestTraining
from crescent_lite.store.watching import ScoreCount
from crescent_tui.content import round as round_content
from crescent_tui.content.losses import last_step, loss_curves
from crescent_tui.content.score import gains, score_plots
from crescent_tui.sources.curves import Losses, fetch_losses
from crescent_tui.sources.round_detail import Comparisons, Descent, RoundDetail, fetch_comparisons, fetch_round

EMPTY = RoundDetail(1, None, Standing(1, {}, {}, None), None)
HOSTILE = "[red]\x1b[2J\u202e"


def finish_all(sample: SampleWorkspace) -> None:
    for row in sample.store.database.rows("SELECT evaluation_id FROM evaluations"):
        sample.store.evaluations.finish_evaluation(row[0])


def counted(number: int, right: int, items: int, of: int = 120, samples: int = 1) -> tuple[ScoreCount, object]:
    return ScoreCount(number, "sums", "arithmetic/bare", items, of, right, samples), wilson(right, items)


def test_the_facts_of_a_round_are_what_is_stored(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    facts = fetch_round(sample.store, (sample.run_id, 1))
    assert [(step.name, step.count) for step in facts.steps][:3] == [("texts", 40), ("usable", 28), ("new", 14)]
    assert sum(facts.shares.values()) == 14
    assert len(facts.curve) == 120
    assert facts.training and (facts.training.planned_steps, facts.training.state) == (120, "finished")
    assert fetch_round(sample.store, (sample.run_id, 0)).this is None


def test_comparisons_are_made_of_what_has_ended_and_once_only(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    none = fetch_comparisons(sample.store, sample.run_id, Comparisons())
    assert none.verdicts == {}
    finish_all(sample)
    found = fetch_comparisons(sample.store, sample.run_id, none)
    assert found.verdicts["sums", "bare", 1].comparison.gained == 14
    assert fetch_comparisons(sample.store, sample.run_id, found) is found


def test_a_line_for_each_round_on_an_axis_in_per_cent() -> None:
    scores = [counted(0, 29, 120), counted(1, 43, 120)]
    said = score_plots(scores, Comparisons(), chosen=1, kept=1, width=80).plain  # type: ignore[arg-type]
    lines = said.splitlines()
    assert lines[0] == "sums, bare"
    assert lines[1].startswith("  base      24.2%") and "●" in lines[1] and "29/120" in lines[1]
    assert lines[2].startswith("▸ round 1   35.8%") and "├" in lines[2] and "27.8 to 44.7" in lines[2]
    assert "20%" in lines[3]
    assert all(len(line) <= 80 for line in lines)


def test_an_unfinished_evaluation_shows_its_progress() -> None:
    scores = [counted(0, 29, 120), counted(1, 20, 61), counted(2, 0, 0)]
    for width in (50, 80):
        known = Comparisons(made_from=(1,))
        said = score_plots(scores, known, chosen=1, kept=None, width=width).plain  # type: ignore[arg-type]
        assert "61 of 120" in said
        assert "not evaluated yet" in said
        assert "is compared when all 120 items are answered" in " ".join(said.split())


def test_several_samples_of_an_item_are_not_a_greedy_score() -> None:
    said = score_plots([counted(0, 300, 600, 600, samples=5)], Comparisons(), chosen=0, kept=None, width=80)  # type: ignore[list-item]
    assert said.plain == "Nothing has been evaluated yet."


def test_a_difference_has_words() -> None:
    before = {str(n): False for n in range(40)}
    (verdict,) = corrected([mcnemar(before, {str(n): n < 20 for n in range(40)})])
    scores = [counted(0, 0, 40, 40), counted(1, 20, 40, 40)]
    compared = Comparisons(verdicts={("sums", "arithmetic/bare", 1): verdict})
    said = score_plots(scores, compared, chosen=1, kept=1, width=120).plain  # type: ignore[arg-type]
    assert "Round 1 against the base: +50.0 points" in said
    assert "improved (n=40, won 20, lost 0, p<0.001)" in said
    base = score_plots(scores, compared, chosen=0, kept=1, width=120).plain  # type: ignore[arg-type]
    assert "Round 1 against the base: +50.0 points" in base
    (nothing,) = corrected([mcnemar(before, before)])
    lines = gains([Gain("sums", "the votes", "unvoted, bare", "round 1, bare", nothing)], 60).plain
    assert "the votes  unvoted, bare → round 1, bare" in lines
    assert "no difference shown (n=40, won 0, lost 0, p=1.000; could have seen" in lines.replace("\n    ", " ")


def test_without_controls_the_command_for_them_is_named() -> None:
    assert "crescent controls" in gains([], 80).plain
    assert "crescent controls" in gains([], 80, Descent("improvement")).plain


def test_only_a_run_that_can_have_controls_is_told_that_it_has_none() -> None:
    others = (
        Descent("evaluation", control="coin", control_of=3),
        Descent("evaluation"),
        Descent("improvement", teacher_id=2),
    )
    said = [gains([], 80, descent).plain for descent in others]
    assert not any("crescent controls" in each for each in said)
    assert "the control 'coin' of run 3" in said[0]


@pytest.mark.parametrize("has_ended", [True, False])
def test_a_round_that_is_not_compared_says_why(has_ended: bool) -> None:
    def said(base: int, this: int) -> str:
        scores = [counted(0, 40, base), counted(1, 40, this)]
        known = Comparisons(made_from=(1,))
        plots = score_plots(scores, known, chosen=1, kept=None, width=90, has_ended=has_ended)  # type: ignore[arg-type]
        return " ".join(plots.plain.split())

    if has_ended:
        assert "Round 1 was not compared: it answered 61 of 120 items." in said(120, 61)
        assert "Round 1 was not compared: the base did not answer these items." in said(61, 120)
    else:
        assert "Round 1 is compared when all 120 items are answered." in said(120, 61)
    assert "not compared" not in said(120, 120)


def test_of_many_rounds_some_are_shown_and_the_chosen_one_is_among_them() -> None:
    scores = [counted(number, 40, 120) for number in range(60)]
    said = score_plots(scores, Comparisons(), chosen=33, kept=7, width=80).plain  # type: ignore[arg-type]
    assert "▸ round 33" in said
    assert "round 7 " in said
    assert "11 of 60 rounds are shown" in said


def test_alarms_that_fired_come_first_with_what_they_look_for() -> None:
    found = (
        Alarm("length", False, "needs two rounds with 20 votes"),
        Alarm("sameness", False, "nearest neighbours 60 to 61"),
        Alarm("one_answer", True, f"the commonest answer {HOSTILE}"),
    )
    for width in (50, 90):
        lines = round_content.alarms(found, width).plain.splitlines()
        assert lines[0].startswith("! fired")
        said = " ".join(" ".join(lines).split())
        assert "gives the same answer to a large part of all questions" in said
        assert "[red]␛[2J�" in said
        assert said.index("one answer") < said.index("sameness") < said.index("length")
        assert "✓ quiet" in said
        assert max(map(len, lines)) <= width
    assert "No alarm" in round_content.alarms((), 50).plain


@pytest.mark.parametrize("width", [30, 51, 90])
def test_an_empty_round_says_so_everywhere(width: int) -> None:
    said = " ".join(
        draw(EMPTY, width).plain
        for draw in (
            round_content.standing, round_content.flow, round_content.shares, round_content.loss,
            round_content.lengths,
        )
    )  # fmt: skip
    for words in ("has not started", "Nothing has been asked", "No question has", "No training", "No round has been"):
        assert words in said.replace("\n", " ")


def test_a_filled_round_fits_its_width(tmp_path: Path) -> None:
    sample = filled_workspace(tmp_path)
    facts = fetch_round(sample.store, (sample.run_id, 1))
    for draw in (round_content.standing, round_content.flow, round_content.shares, round_content.loss):
        for width in (45, 100):
            assert max(map(len, draw(facts, width).plain.splitlines())) <= width
    assert "asked" in round_content.flow(facts, 100).plain
    assert "35%" in round_content.flow(facts, 100).plain  # 14 of 40 are kept
    assert "14 questions, mean share" in round_content.shares(facts, 100).plain


def test_the_loss_says_its_first_and_last_value_and_what_was_held_out() -> None:
    curve = ((1, 2.5, None), (2, 2.0, 1.9), (3, 1.5, 2.1))
    training = LatestTraining((2.5, 2.0, 1.5), (1.9, 2.1), HOSTILE, 40, 4, "finished", 9, 2.2)
    said = round_content.loss(dataclasses.replace(EMPTY, training=training, curve=curve), 80).plain
    assert "loss     2.50 → 1.50 nats per token" in said
    assert "held out 1.90 → 2.10 nats per token, best 1.90 at step 2" in said
    told = " ".join(said.split())
    assert "step 3 of 9; 40 examples, 4 of them held out with a loss of 2.20 before training; stopped" in told
    assert "stopped early: [red]␛[2J�" in told


def test_a_training_in_its_course_leaves_room_for_the_steps_to_come(tmp_path: Path) -> None:
    sample = SampleWorkspace(tmp_path)
    sample.begin_run()
    sample.begin_round()
    sample.train([2.5, 2.4], planned=200, finished=False)
    training_id = sample.store.database.value("SELECT max(training_id) FROM trainings")
    sample.store.trainings.insert_step(training_id, TrainingStep(3, 200, 0.1, 2.3, 1e-4, 900, 120.0, 2.2))
    said = round_content.loss(fetch_round(sample.store, (sample.run_id, 1)), 60).plain
    assert "step 3 of 200" in said
    losses = fetch_losses(sample.store, sample.run_id, Losses())
    assert last_step(losses, 1) == 200
    assert [curve.name for curve in loss_curves(losses, 1)] == ["round 1", "round 1, held out"]
    sample.train([2.2], planned=1)
    again = fetch_losses(sample.store, sample.run_id, losses)
    assert last_step(again, 1) == 0
    assert fetch_losses(sample.store, sample.run_id, again).by_round[1] is again.by_round[1]


def test_lengths_stand_on_one_axis_round_after_round() -> None:
    measures = {n: {f"votes_tokens_p{p}": 10.0 * n * p for p in (10, 50, 90)} for n in (1, 2)}
    said = round_content.lengths(dataclasses.replace(EMPTY, lengths=measures), 70).plain.splitlines()
    assert said[0] == "votes, tokens"
    assert said[1].startswith("▸ round 1     500 ")
    assert said[2].startswith("  round 2   1,000 ")
    assert said[2].index("●") > said[1].index("●")


def test_a_student_learns_from_its_teachers_labels() -> None:
    assert "labels of run 7" in round_content.flow(dataclasses.replace(EMPTY, teacher_id=7), 80).plain
