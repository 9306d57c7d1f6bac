"""What a run will take, before it begins: minutes, texts, votes, items, tokens, memory and disk.

`estimates.py` is the arithmetic, `gather.py` finds what it needs on this machine, and `others.py` plans the runs of
the commands beside `crescent run`. Example:
    forecast_run(Workspace(Path("data")), RunOptions(new=True)).estimate.seconds.value -> 655.0
"""

from crescent_lite.forecast.gather import Forecast, forecast_run
from crescent_lite.forecast.others import (
    SweepRun,
    forecast_controls,
    forecast_evaluation,
    forecast_headroom,
    forecast_sweep,
)

__all__ = [
    "Forecast",
    "SweepRun",
    "forecast_controls",
    "forecast_evaluation",
    "forecast_headroom",
    "forecast_run",
    "forecast_sweep",
]
