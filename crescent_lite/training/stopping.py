"""Decides when training ends early, and after which step the adapter was best. Pure: knows losses only.

A loss that is not finite, or whose mean rises by MAX_RISE above its lowest, is a divergence. When examples are held
out, their loss shows when the model starts to memorise the others. Example:
    watch = LossWatch()
    watch.note_loss(1, 0.9)     # None: continue
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

RECENT = 5
"""Number of steps whose mean loss is watched; the loss of a single step depends on its examples (guess)."""
MAX_RISE = 1.5
"""Largest rise of the mean loss above its lowest, in nats per token. At 1.5, answer tokens are 4.5 times less likely
than they were (guess)."""
PATIENCE = 2
"""Training ends after this many measurements of the held-out loss in a row without a new lowest one (guess)."""


@dataclass
class LossWatch:
    """The losses so far, and what follows from them."""

    recent: list[float] = field(default_factory=list)
    """Losses of the last steps, at most RECENT of them, in nats per token."""
    lowest_mean: float = math.inf
    """The lowest mean of RECENT losses so far, in nats per token."""
    held_out: list[float] = field(default_factory=list)
    """Every held-out loss measured so far, in nats per token."""
    best_step: int = 0
    """The step after which the adapter was best: by the held-out loss if it is measured, else by the mean of the last
    RECENT losses. 0 is the adapter before the first step."""

    def note_loss(self, step: int, loss: float) -> str | None:
        """Record a step's loss, computed before the step changed the adapter. Returns the reason to stop, or None."""
        if not math.isfinite(loss):
            return f"the loss became {loss} at step {step}"
        self.recent = [*self.recent, loss][-RECENT:]
        if len(self.recent) < RECENT:
            return None  # the losses of the first batches differ by their examples more than by what was learnt
        mean = sum(self.recent) / len(self.recent)
        if mean > self.lowest_mean + MAX_RISE:
            return f"the loss rose from {self.lowest_mean:.2f} to {mean:.2f} by step {step}"
        if mean <= self.lowest_mean:
            self.lowest_mean = mean
            if not self.held_out:
                self.best_step = step - 1
        return None

    def note_held_out(self, step: int, loss: float) -> str | None:
        """Record the held-out loss after a step. Returns the reason to stop, or None."""
        if loss < min(self.held_out, default=math.inf):
            self.best_step = step
        self.held_out.append(loss)
        best = self.held_out.index(min(self.held_out))
        if len(self.held_out) - 1 - best >= PATIENCE:
            return (
                f"the loss of the held-out examples rose from {self.held_out[best]:.3f} to {loss:.3f} by step {step}"
            )
        return None
