"""Ten questions that a researcher asks of a run, each with the saved query that answers it and how to draw it.

Example: QUESTIONS[0].command -> "crescent query templates-that-vote --plot value mean_share --by part"
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ResearchQuestion:
    """A question and where its answer is."""

    question: str
    query: str
    """Name of the saved query that answers it."""
    plot: tuple[str, ...]
    """Columns of a picture: x, y, and perhaps the one with a line or bar for each value."""
    needs: str = ""
    """What a run must have for an answer; empty if every run has it."""

    @property
    def command(self) -> str:
        """The command line that draws the answer."""
        x, y, *by = self.plot
        return " ".join(["crescent query", self.query, "--plot", x, y, *(f"--by {each}" for each in by)])


QUESTIONS = (
    ResearchQuestion("Which templates vote best?", "templates-that-vote", ("value", "mean_share", "part")),
    ResearchQuestion(
        "Does the share of the votes predict a right answer?",
        "share-against-correctness",
        ("share", "right_part", "round"),
        "several samples of each benchmark item (`evaluate.benchmarks.NAME.samples`, or `crescent headroom`)",
    ),
    ResearchQuestion(
        "How precise are labels from a given share on, and how many questions are left?",
        "precision-by-share",
        ("min_share", "precision", "round"),
        "several samples of each benchmark item; labels of a run's own questions have no known truth",
    ),
    ResearchQuestion("What does a label cost in tokens?", "cost-per-label", ("round", "tokens_per_label", "stage")),
    ResearchQuestion(
        "How many items change sides in each round?", "churn-per-round", ("round", "churn", "benchmark")
    ),
    ResearchQuestion(
        "Do replies become longer or shorter?", "replies-before-and-after", ("round", "mean_tokens", "benchmark")
    ),
    ResearchQuestion(
        "How many replies are cut off, and how right are the others?",
        "replies-before-and-after",
        ("round", "cut_off", "benchmark"),
    ),
    ResearchQuestion(
        "Does the model begin to repeat its questions?", "template-growth", ("up_to_text", "too_close", "round")
    ),
    ResearchQuestion(
        "Which items were gained and lost on each benchmark?",
        "what-moved-the-score",
        ("benchmark", "items_changed", "change"),
    ),
    ResearchQuestion("Where do the time and the tokens go?", "cost-per-stage", ("round", "seconds", "stage")),
)
