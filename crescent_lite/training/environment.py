"""The environment of the processes that import the training libraries: no telemetry, and no network unless asked for.

Example: subprocess.Popen(command, env=training_environment(is_hub=False))
"""

from __future__ import annotations

import os
from pathlib import Path


def training_environment(*, is_hub: bool) -> dict[str, str]:
    """This process's environment, without telemetry, and without network unless a hub repo was named."""
    package_root = str(Path(__file__).resolve().parents[2])
    search_path = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    offline = {} if is_hub else {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    return {
        # Waiting threads sleep instead of spinning. Measured on 2 busy cores: a matrix product of the 135M model
        # takes 13 ms instead of 23, and one of a tiny model 0.04 ms instead of 11.
        "OMP_WAIT_POLICY": "PASSIVE",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # the numbers of CUDA_VISIBLE_DEVICES are then those of the driver's tools
        **os.environ,
        **offline,
        "PYTHONPATH": os.pathsep.join(search_path),
        "PYTHONIOENCODING": "utf-8",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "DO_NOT_TRACK": "1",
        "WANDB_MODE": "disabled",
        "TQDM_DISABLE": "1",  # a progress bar would be the last line of the log, which is quoted in errors
        "UNSLOTH_DISABLE_STATISTICS": "1",
        # PyPI's torchvision does not work with a CPU build of torch, so torchvision may be missing.
        "UNSLOTH_SKIP_TORCHVISION_CHECK": "1",
    }
