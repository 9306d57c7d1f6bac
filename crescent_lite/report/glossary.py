"""The words of this project, for readers who have not met them. Knows nothing of any run."""

from __future__ import annotations

WORDS = (
    ("run", "One go at the method: the base is measured, and then round follows round."),
    ("round", "The model is asked for questions, answers them, learns from what it agrees with itself on, and is "
     "measured. The next round begins with what it has become."),
    ("base", "The model as it was before: a language model from elsewhere, which stays as it is."),
    ("adapter", "What a round's training makes: a small set of weights that changes the base when put on it."),
    ("bait", "The prompt that makes the model write a question."),
    ("question", "A text that the model wrote in reply to a bait, if it is a usable maths question and new."),
    ("vote", "One answer of the model to one of its questions, drawn at random as it would talk."),
    ("label", "The answer that most votes on a question agree on, if enough do. It is taken for right, unchecked."),
    ("share", "How many of the votes on a question agree on its leading answer. A vote without an answer counts "
     "against it."),
    ("example", "What is learnt from: a question with one of the solutions that came to its label."),
    ("benchmark", "Questions with known answers, which the model is measured on and never learns from."),
    ("canary", "A small benchmark that is there for the alarms only."),
    ("flexible", "A way to score: a right answer counts wherever it stands in the reply."),
    ("strict", "A way to score: a right answer counts only in a marked place (boxed, after '####', 'the answer is', "
     "or as the whole reply). What flexible gives more than strict is format, not skill."),
    ("95% interval", "About 95 of 100 intervals made like this hold the true score; few items make them wide."),
    ("improved", "Said only when the difference on the same items is beyond what chance brings: p < 0.05 and an "
     "interval without 0, both corrected for the number of rounds."),
    ("loss", "How badly the model predicts a text: nats per token, 0 is perfect."),
)  # fmt: skip
"""(word, meaning)."""
