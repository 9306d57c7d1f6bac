"""What voting is worth on a benchmark: the majority of samples against the greedy reply, on the same items. Pure.

Fine-tuning on votes pushes a model towards its own majority (arXiv 2603.08660), so what the majority of k samples is
right more often than the greedy reply is about the most that it can bring. The difference is paired by item. Knows no
model and no database. Example:
    measure_headroom("svamp", "solve", greedy, samples).worth_in_words() -> "+11 points on svamp, solve (4 to 18)"
Sources: maj@k, arXiv 2203.11171; pass@k, arXiv 2107.03374; bootstrap, see `statistics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from crescent_lite.config import Config
from crescent_lite.errors import ConfigError
from crescent_lite.evaluation.measurements import prompts_of
from crescent_lite.evaluation.sample_sizes import items_needed
from crescent_lite.evaluation.sampled_scores import SampledScore, majority_right, mean_with_interval, pass_at_k
from crescent_lite.evaluation.statistics import mcnemar, paired_interval
from crescent_lite.intervals import wilson
from crescent_lite.printable import printable_line
from crescent_lite.records import GreedyReply, PairedComparison, Role, SampledReply, Score, short_name

ROLES: tuple[Role, ...] = ("score", "final")
"""Roles of the benchmarks that a gain would be claimed on."""
SAMPLES = 8
"""Samples of each item unless another number is asked for."""
MOST_SAMPLES = 1000
MOST_ITEMS = 10_000_000
"""Upper limits, as those of the settings of a benchmark."""
LEAST_WORTH = 0.03
"""A benchmark on which voting is worth less than this, 0-1, is no target for votes."""
MOST_CUT_OFF = 0.05
"""With a larger share of greedy replies cut off, 0-1, whatever shortens replies seems better."""
SIZED_FOR = 0.05
"""Difference, 0-1, that the items are to show unless a number of items is asked for: half of what 8 votes are worth
on word problems (guess)."""
DISCORDANT = 0.2
"""Share of items on which only one of greedy reply and majority is right, as `crescent plan` assumes (guess)."""


@dataclass(frozen=True)
class Headroom:
    """What voting is worth for one model on one benchmark with one prompt. Scores are flexible ones."""

    benchmark: str
    prompt: str
    """Name of the prompt, without its set."""
    samples: int
    """Samples of each item, k."""
    greedy: Score
    """The greedy reply is right, with the Wilson interval."""
    mean: SampledScore
    """One sample is right: the mean over the k samples."""
    majority: SampledScore
    """maj@k: the majority of the k samples is right."""
    solved: SampledScore
    """pass@k: at least one of the k samples is right."""
    cut_off: Score
    """Greedy replies that did not end by themselves."""
    tokens: SampledScore
    """Tokens of a greedy reply."""
    comparison: PairedComparison
    """The majority against the greedy reply: items that only one of them gets right."""
    low: float
    """Lower end of the 95% interval of maj@k minus greedy (paired bootstrap over items), -1 to 1."""
    high: float
    """Upper end of that interval."""

    @property
    def items(self) -> int:
        """Items that have a greedy reply and all samples."""
        return self.comparison.items

    @property
    def worth(self) -> float:
        """maj@k minus the greedy score, -1 to 1."""
        return self.comparison.difference

    @property
    def is_target(self) -> bool:
        """Whether voting is worth enough here for votes to teach anything."""
        return self.worth >= LEAST_WORTH

    @property
    def name(self) -> str:
        """'svamp, solve'."""
        return printable_line(f"{self.benchmark}, {self.prompt}", 80)

    def worth_in_words(self) -> str:
        """'+11 points on svamp, solve (4 to 18)', and what follows from it where it is small or not shown."""
        remark = ""
        if not self.is_target:
            remark = "; no target for votes"
            if self.high >= LEAST_WORTH:
                remark += f", as far as {self.items:,} items show"
        elif self.low <= 0:
            remark = f"; not shown by {self.items:,} items"
        return f"{points(self.worth)} on {self.name} ({ends(self.low, self.high)}{remark})"

    def warning(self) -> str | None:
        """What to change before any training, if too many greedy replies are cut off; None otherwise."""
        if self.cut_off.fraction <= MOST_CUT_OFF:
            return None
        return (
            f"{self.cut_off.right:,} of {self.cut_off.items:,} greedy replies to {self.name} are cut off "
            f"({self.cut_off.fraction:.1%}): raise evaluate.max_tokens, or whatever shortens replies will seem better"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **asdict(self),
            "worth": {"value": self.worth, "low": self.low, "high": self.high},
            "is_target": self.is_target,
            "items": self.items,
            "warning": self.warning(),
        }


def headroom_config(config: Config, items: int | None = None, samples: int = SAMPLES) -> Config:
    """Return settings that measure only what `measure_headroom` compares: one prompt, greedy and with samples.

    The prompt is the last one of each benchmark, which a run draws samples with too. `items`: first items of each
    benchmark; None for as many as show SIZED_FOR, but no more than the settings have. Raises ConfigError.
    """
    evaluate = config.evaluate
    if not 2 <= samples <= MOST_SAMPLES:
        raise ConfigError(f"--samples: a majority takes 2 to {MOST_SAMPLES:,} samples, not {samples:,}")
    if items is not None and items > MOST_ITEMS:
        raise ConfigError(f"--items: must be at most {MOST_ITEMS:,}, not {items:,}")
    if config.vote.temperature == 0:
        raise ConfigError("vote.temperature: at 0 all samples are the same; set it to 0.8, for instance")
    enough = items_needed(SIZED_FOR, DISCORDANT, level=0.05)
    benchmarks = {
        name: replace(
            each,
            prompts=prompts_of(each, config)[-1:],
            samples=samples,
            items=items if items is not None else min(each.items, enough),
        )
        for name, each in evaluate.benchmarks.items()
        if each.kind == "answers" and each.role in ROLES
    }
    if not benchmarks:
        raise ConfigError(
            "crescent headroom needs a benchmark with kind 'answers' and the role 'score' or 'final'; "
            "add one under [evaluate.benchmarks] in crescent.toml"
        )
    return replace(config, evaluate=replace(evaluate, temperature=0.0, benchmarks=benchmarks))


def measure_headroom(
    benchmark: str,
    prompt: str,
    greedy: Mapping[str, GreedyReply],
    samples: Mapping[str, Sequence[SampledReply]],
) -> Headroom | None:
    """Compare greedy replies with the majority of samples, by item id; None if no item has both.

    `samples`: the samples of each item in the order in which they were drawn, equally many for each item.
    """
    shared = sorted(greedy.keys() & {item for item, drawn in samples.items() if drawn})
    if not shared:
        return None
    replies, drawn = [greedy[item] for item in shared], [samples[item] for item in shared]
    voted = {item: majority_right(samples[item]) for item in shared}
    comparison = mcnemar({item: greedy[item].right for item in shared}, voted)
    low, high = paired_interval(comparison)
    right = [sum(sample.right for sample in each) for each in drawn]
    return Headroom(
        benchmark=benchmark,
        prompt=short_name(prompt),
        samples=min(map(len, drawn)),
        greedy=wilson(sum(reply.right for reply in replies), len(replies)),
        mean=mean_with_interval([n / len(each) for n, each in zip(right, drawn, strict=True)]),
        majority=mean_with_interval([float(is_right) for is_right in voted.values()]),
        solved=mean_with_interval([pass_at_k(len(each), n, len(each)) for n, each in zip(right, drawn, strict=True)]),
        cut_off=wilson(sum(not reply.ended for reply in replies), len(replies)),
        tokens=mean_with_interval([float(reply.tokens) for reply in replies]),
        comparison=comparison,
        low=low,
        high=high,
    )


def in_a_sentence(found: Sequence[Headroom]) -> str:
    """What voting is worth on each benchmark, and what follows for a training; empty without benchmarks."""
    if not found:
        return ""
    ks = sorted({each.samples for each in found})
    over = " or ".join(map(str, ks))
    worths = "; ".join(each.worth_in_words() for each in found)
    if any(each.is_target and each.low > 0 for each in found):
        follows = "fine-tuning on votes can hardly bring more than that"
    elif any(each.high >= LEAST_WORTH for each in found):
        follows = "too few items to show a gain from voting; measure more of them (--items) before a training"
    else:
        follows = "there is nothing here that fine-tuning on votes could learn"
    return f"Voting over {over} is worth {worths}: {follows}."


def warnings(found: Sequence[Headroom]) -> list[str]:
    """What to change before any training."""
    return [warning for each in found if (warning := each.warning())]


def points(difference: float) -> str:
    """'+11 points', '-2 points', '0 points'."""
    rounded = round(100 * difference)
    return f"{rounded:+d} point{'s' * (abs(rounded) != 1)}" if rounded else "0 points"


def ends(low: float, high: float) -> str:
    """The ends of an interval in points: '4 to 18'."""
    return f"{round(100 * low)} to {round(100 * high)}"
