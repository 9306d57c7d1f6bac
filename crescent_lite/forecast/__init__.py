"""What a run will take, before it begins: minutes, texts, votes, items, tokens, memory and disk.

`estimates.py` is the arithmetic, `gather.py` finds what it needs on this machine. Example:
    forecast_run(Workspace(Path("data")), RunOptions(new=True)).estimate.seconds.value -> 655.0
"""

from crescent_lite.forecast.gather import Forecast, forecast_run

__all__ = ["Forecast", "forecast_run"]
