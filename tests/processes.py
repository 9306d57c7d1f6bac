"""The child processes of a test."""

import psutil


def training_process() -> psutil.Process:
    """The training at work for this test; what else this Python once started may still be there."""
    (child,) = (
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "crescent_lite.training.program" in " ".join(child.cmdline())
    )
    return child
