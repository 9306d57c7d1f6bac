"""Reads the greedy replies that a training draws to held-out questions: their length, and how often they agree.

Agreement with the labels, which the votes gave these questions before the training, is a score without gold answers:
a fixed answer or another format cannot raise it, but a wrong majority goes unnoticed. Example:
    Looks(base, examples).measured(step).measures["held_out_agreement"]      # 0.7
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crescent_lite.answers import find_answer
from crescent_lite.records import Example, LookReply, ModelFile, TrainingStep
from crescent_lite.sampling import reply_texts


class Looks:
    """The labels of a training's examples, with which its looks are compared."""

    def __init__(self, base: ModelFile, examples: Sequence[Example]) -> None:
        self._base = base
        self._labels = {each.label.question_id: each.label.answer_key for each in examples}

    def measured(self, step: TrainingStep) -> TrainingStep:
        """The step with the measures of its replies in place of the replies themselves."""
        if not step.replies:
            return step
        return replace(step, replies=(), measures={**step.measures, **self._measures(step.replies)})

    def _measures(self, replies: Sequence[LookReply]) -> dict[str, float]:
        texts = reply_texts(self._base.path, [reply.token_ids for reply in replies])
        agree = 0
        for reply, text in zip(replies, texts, strict=True):
            answer = find_answer(text, finished=reply.ended)
            agree += answer is not None and answer.key == self._labels.get(reply.question_id)
        return {
            "held_out_replies": float(len(replies)),
            "held_out_agreement": agree / len(replies),
            "held_out_cut_off": sum(not reply.ended for reply in replies) / len(replies),
            "held_out_reply_tokens": sum(len(reply.token_ids) for reply in replies) / len(replies),
        }
