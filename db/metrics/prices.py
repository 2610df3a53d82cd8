"""What a job costs: GitHub's prices of hosted runners in US dollars a minute, valid from 1 January 2026
(docs.github.com, "Actions runner pricing"). Self-hosted runners cost nothing here, and standard runners
are free in public repositories."""

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple


class Price(NamedTuple):
    usd_per_minute: float
    standard: bool


_FREE = Price(0.0, True)
_LINUX = {4: 0.012, 8: 0.022, 16: 0.042, 32: 0.082, 64: 0.162, 96: 0.252}
_LINUX_ARM = {4: 0.008, 8: 0.014, 16: 0.026, 32: 0.050, 64: 0.098}
_WINDOWS = {4: 0.022, 8: 0.042, 16: 0.082, 32: 0.162, 64: 0.322, 96: 0.552}
_WINDOWS_ARM = {4: 0.014, 8: 0.026, 16: 0.050, 32: 0.098, 64: 0.194}
_CORES = re.compile(r"(?:^|[-_])(\d{1,3})[-_]?cores?(?:$|[-_])")


def price_of(labels: Sequence[str]) -> Price:
    """The price behind a job's labels; an unknown label is a runner of one's own."""
    return _price_of(tuple(labels))


@lru_cache(maxsize=1000)
def _price_of(labels: tuple[str, ...]) -> Price:
    names = [label.lower() for label in labels]
    if "self-hosted" in names:
        return _FREE
    return next((price for price in map(_hosted, names) if price), _FREE)


def cost_usd(seconds: float, labels: Sequence[str], *, private: bool) -> float:
    """Each job rounds up to a whole minute; a job that never ran costs nothing."""
    return billed_minutes(seconds) * usd_per_minute(labels, private=private)


def usd_per_minute(labels: Sequence[str], *, private: bool) -> float:
    """Standard runners are free in public repositories."""
    price = price_of(labels)
    return 0.0 if price.standard and not private else price.usd_per_minute


def billed_minutes(seconds: float) -> int:
    """Of one job: each rounds up to a whole minute."""
    return math.ceil(seconds / 60) if seconds > 0 else 0


def _hosted(label: str) -> Price | None:
    arm = "arm" in label
    if label.startswith("macos"):
        return _macos(label)
    if "gpu" in label:
        return Price(0.102 if label.startswith("windows") else 0.052, False)
    if label.startswith("windows"):
        return _sized(label, _WINDOWS_ARM if arm else _WINDOWS, 0.008 if arm else 0.010)
    if label.startswith(("ubuntu", "linux")):
        if "slim" in label:
            return Price(0.002, True)
        return _sized(label, _LINUX_ARM if arm else _LINUX, 0.005 if arm else 0.006)
    return None


def _macos(label: str) -> Price:
    if "xlarge" in label:
        return Price(0.102, False)
    return Price(0.077, False) if "large" in label else Price(0.062, True)


def _sized(label: str, larger: dict[int, float], two_cores: float) -> Price:
    found = _CORES.search(label)
    cores = int(found[1]) if found else 2
    if cores <= 2:
        return Price(two_cores, True)
    fitting = [size for size in sorted(larger) if size >= cores]
    return Price(larger[fitting[0] if fitting else max(larger)], False)
