"""The words of this project, explained for readers of a report who have not met them. Knows nothing of any run."""

from __future__ import annotations

WORDS = (
    ("run", "One application of the method: the base is measured, then one round follows another."),
    ("round", "One cycle of the method: the model writes questions, answers each several times, is trained on the "
     "answers that enough of its votes agree on, and is measured. Its new model asks and votes in the next round."),
    ("base", "The language model that the run starts from. It is never changed."),
    ("adapter", "The result of a round's training: a small set of weights that changes the base when it is added."),
    ("bait", "The prompt that makes the model write a question."),
    ("question", "A text that the model wrote in reply to a bait, if it is a usable maths question and new."),
    ("vote", "One of several answers that the model gives to one of its questions, drawn at random."),
    ("label", "The answer that enough of the votes on a question agree on. It is taken as right without a check."),
    ("share", "The fraction of all votes on a question that agree on its leading answer. Votes without an answer "
     "count against it."),
    ("majority", "The commonest of several answers to a benchmark item; in a tie, the one that was drawn first. (A "
     "question of a run whose votes are tied gets no label.)"),
    ("example", "What the model is trained on: a question with one of the solutions that led to its label."),
    ("benchmark", "Questions with known answers. The model is measured on them and never trained on them."),
    ("canary", "A small benchmark that is used for alarms only."),
    ("agreement", "How often a model's greedy reply has the answer that the base's votes gave to questions that are "
     "never trained on. It needs no right answers, and cannot see where the votes are wrong."),
    ("flexible", "A scoring: a right answer counts wherever it is written in the reply."),
    ("strict", "A scoring: a right answer counts only in a marked place (boxed, after '####', after 'the answer is', "
     "or as the whole reply). Where flexible is higher than strict, the difference is format, not skill."),
    ("95% interval", "Of 100 intervals made like this, about 95 contain the true score. Few items make it wide."),
    ("primary number", "Right greedy answers to all items of the benchmarks that choose the round, with the prompt "
     "and scoring named in the settings. It alone decides whether a round improved."),
    ("improved", "Said only if the difference on the same items is larger than chance explains: p < 0.01 and an "
     "interval without 0, both corrected for the number of comparisons, and also among the replies that ended."),
    ("shorter", "The score rose only because fewer replies are cut off: among those that ended, no rise is shown."),
    ("sharpened", "Single replies agree more often with the model's favourite answer, which is right as often as "
     "before."),
    ("better", "More items have a right favourite answer: majorities are right more often, too."),
    ("narrowed", "Fewer items are answered rightly at least once in k samples."),
    ("learned", "Items whose majority answer was wrong before and is right after; unlearned: the other way round."),
    ("could have seen", "Said where no difference was shown: the smallest difference that so many items show with a "
     "probability of 80%. There may be a smaller one."),
    ("loss", "How badly the model predicts a text, in nats per token; 0 is perfect."),
)  # fmt: skip
"""(word, meaning) pairs."""
