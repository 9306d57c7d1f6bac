"""The looks of a training: how its greedy replies are read, stored and shown. Drawing them: test_objectives.py."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from pathlib import Path

import pytest
from sample_run import load_sample_run
from tiny_model import make_tiny_gguf

from crescent_lite.models import find_model
from crescent_lite.records import Example, Label, LookReply, TokenExample, TrainingStep
from crescent_lite.report.figures import looks_figure
from crescent_lite.round_facts import measures_in_words
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.stages.looks import Looks
from crescent_lite.store import Store
from crescent_lite.store.trainings import TrainingLook
from crescent_tui.content.round import loss
from crescent_tui.sources.round_detail import fetch_round

STEP = TrainingStep(1, 4, 0.25, 1.5, 1e-4, 100, 50.0)


def example(number: int, key: str) -> Example:
    label = Label(1, 1, number, "What is it?", number, "It is.", key, 0.75)
    return Example(label, number, TokenExample(number, (1, 2, 3), 2))


def test_a_look_is_read_as_agreement_length_and_cut_offs(tmp_path: Path) -> None:
    base = find_model(str(make_tiny_gguf(tmp_path / "tiny.gguf")))
    model = GgufModel(base.path, vocabulary_only=True)

    def reply(number: int, text: str, *, ended: bool = True) -> LookReply:
        return LookReply(number, tuple(model.tokenize(text, special=False)), ended)

    replies = (reply(1, "The answer is 12."), reply(2, "The answer is 5."), reply(3, "Add 2 and", ended=False))
    looks = Looks(base, [example(1, "n:12"), example(2, "n:6"), example(3, "n:4")])
    measured = looks.measured(dataclasses.replace(STEP, measures={"pair_accuracy": 0.5}, replies=replies))

    assert looks.measured(STEP) == STEP
    assert measured.replies == ()
    assert measured.measures == {
        "pair_accuracy": 0.5,
        "held_out_replies": 3,
        "held_out_agreement": pytest.approx(1 / 3),
        "held_out_cut_off": pytest.approx(1 / 3),
        "held_out_reply_tokens": pytest.approx(sum(len(each.token_ids) for each in replies) / 3),
    }


def test_looks_are_in_the_report_and_on_the_rounds_screen(tmp_path: Path) -> None:
    with closing(Store.open(load_sample_run(tmp_path).database_path)) as store:
        this = store.runs.fetch_rounds(1)[0]
        training_id = int(store.database.value("SELECT max(training_id) FROM trainings WHERE round_id = 1"))
        for number, agreement, cut_off in ((1, 0.5, 0.25), (2, None, None), (3, 0.75, 0.0)):
            look = {
                "held_out_replies": 12.0,
                "held_out_agreement": agreement,
                "held_out_cut_off": cut_off,
                "held_out_reply_tokens": 40.0,
            }
            measures = {} if agreement is None else look
            store.trainings.insert_step(training_id, dataclasses.replace(STEP, step=number, measures=measures))

        looks = store.trainings.fetch_looks(this.round_id)
        assert looks == [TrainingLook(0, 12, 0.5, 0.25, 40.0), TrainingLook(3, 12, 0.75, 0.0, 40.0)]
        assert "n=12" in looks_figure(store, [this], None).svg
        shown = loss(fetch_round(store, (1, 1)), 60).plain
        assert "agreement 50% → 75%" in shown
        assert "cut off   25% → 0%" in shown
        (words,) = measures_in_words(store.trainings.fetch_latest(this.round_id).measures)
        assert "12 greedy replies" in words
        assert "agreement with the votes 50% to 75%, cut off 25% to 0%, mean length 40 to 40 tokens" in words
