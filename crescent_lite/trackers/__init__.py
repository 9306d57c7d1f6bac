"""Curves and scores for other programs: what a run has to show over time, and the trackers that it is sent to.

    for point in points(store, 1): tracker.log(point.step, point.values)

Sampling and training know nothing of it. The trackers' libraries are extras, and are imported when one is opened.
"""

from crescent_lite.trackers.live import followed
from crescent_lite.trackers.points import Point, points
from crescent_lite.trackers.targets import Tracker, open_tracker, require_tracker

__all__ = ["Point", "Tracker", "followed", "open_tracker", "points", "require_tracker"]
