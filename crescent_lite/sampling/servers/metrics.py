"""Reads how many requests wait at a server, from the page for Prometheus that vLLM and SGLang have at /metrics.

Knows the format and the names of a few figures; asks no server. Example:
    waiting_requests('vllm:num_requests_waiting{engine="0"} 3.0\\n') -> 3
Sources: Prometheus' exposition format 0.0.4; vLLM, v1/metrics/loggers.py; SGLang, srt/metrics/collector.py.
"""

from __future__ import annotations

import math

WAITING = ("vllm:num_requests_waiting", "sglang:num_queue_reqs")
"""Names of the figure in each kind of server."""
MOST_REQUESTS = 10**9
"""A larger figure is nonsense."""


def waiting_requests(page: str) -> int | None:
    """How many requests wait, all engines of the server together; None when the page does not say."""
    found: list[float] = []
    for line in page.splitlines():
        name, _, value = line.partition("{" if "}" in line else " ")
        value = value.rpartition("}")[2]
        if name in WAITING:
            try:
                found.append(float(value.split()[0]))
            except (IndexError, ValueError):
                return None
    total = sum(found)
    return int(total) if found and math.isfinite(total) and 0 <= total < MOST_REQUESTS else None
