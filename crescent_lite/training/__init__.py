"""Examples in, adapter out. `child.py` starts the training program; `program.py` is that program."""

from crescent_lite.training.child import finetune
from crescent_lite.training.packages import choose_loader

__all__ = ["choose_loader", "finetune"]
