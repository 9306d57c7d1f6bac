"""When a training ends before its last step, and after which step its adapter was the best so far. Pure.

A loss that is no number, or that has risen by MAX_RISE over its lowest, is a divergence. Where examples are held out,
their loss says when learning turns into learning by heart. Example:
    watch = LossWatch()
    watch.note_loss(1, 0.9)     # None: go on
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

RECENT = 5
"""Steps whose mean loss is watched: one step's depends on its examples (guess)."""
MAX_RISE = 1.5
"""Nats a token over the lowest mean: an answer's tokens became 4.5 times less likely (guess)."""
PATIENCE = 2
"""Looks at the held-out examples without a lower loss, after which more steps are not worth it (guess)."""


@dataclass
class LossWatch:
    """What has been seen of the losses."""

    recent: list[float] = field(default_factory=list)
    """Losses of the last steps, at most RECENT, nats a token."""
    lowest_mean: float = math.inf
    """The lowest mean of RECENT losses so far."""
    held_out: list[float] = field(default_factory=list)
    """Losses of the held-out examples so far, nats a token."""
    best_step: int = 0
    """The step after which the adapter was best: by the held-out loss where there is one, else by the mean of the
    last RECENT losses. 0 is what the training began with."""

    def note_loss(self, step: int, loss: float) -> str | None:
        """A step's loss, which is that of the adapter before it; the reason to stop, if it is one."""
        if not math.isfinite(loss):
            return f"the loss became {loss} at step {step}"
        self.recent = [*self.recent, loss][-RECENT:]
        if len(self.recent) < RECENT:
            return None  # the first batches differ by their examples more than by what was learnt
        mean = sum(self.recent) / len(self.recent)
        if mean > self.lowest_mean + MAX_RISE:
            return f"the loss rose from {self.lowest_mean:.2f} to {mean:.2f} by step {step}"
        if mean <= self.lowest_mean:
            self.lowest_mean = mean
            if not self.held_out:
                self.best_step = step - 1
        return None

    def note_held_out(self, step: int, loss: float) -> str | None:
        """The loss of the held-out examples after a step; the reason to stop, if it is one."""
        if loss < min(self.held_out, default=math.inf):
            self.best_step = step
        self.held_out.append(loss)
        best = self.held_out.index(min(self.held_out))
        if len(self.held_out) - 1 - best >= PATIENCE:
            return (
                f"the loss of the held-out examples rose from {self.held_out[best]:.3f} to {loss:.3f} by step {step}"
            )
        return None
