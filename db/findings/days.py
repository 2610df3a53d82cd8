"""Counts a day, for little charts."""

from collections.abc import Iterable
from datetime import datetime

from db.metrics.window import Window, bucket_start
from db.vocabulary import Interval


def by_day(moments: Iterable[datetime], window: Window) -> list[int]:
    """One count for each day (UTC) that the window touches."""
    days = dict.fromkeys(window.buckets(Interval.DAY), 0)
    for moment in moments:
        day = bucket_start(moment, Interval.DAY)
        if day in days:
            days[day] += 1
    return list(days.values())
