"""Fine-tuning: examples in, LoRA adapter out. `child.py` starts the training program, `program.py`.

Importing this package never imports torch. Example: list(finetune(examples, base=base, ...))[-1].gguf_path
"""

from crescent_lite.training.child import finetune, refuse_untrainable, save_transformers_folder
from crescent_lite.training.packages import choose_loader, require_packages
from crescent_lite.training.trial_adapter import trial_adapter

__all__ = [
    "choose_loader",
    "finetune",
    "refuse_untrainable",
    "require_packages",
    "save_transformers_folder",
    "trial_adapter",
]
