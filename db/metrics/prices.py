"""What a job costs. Pure.

Prices of GitHub's hosted runners in US dollars a minute, valid from 1 January 2026 (docs.github.com, "Actions runner
pricing"). Each job rounds up to a whole minute, and standard runners are free in public repositories. Whose runner it
was is decided by its name and group where they are known (db.metrics.runners), and a price that is not known is null,
never 0."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from db.metrics.runners import CORES, Origin, Runner, documented, larger_name, origin_of


class Price(NamedTuple):
    """`usd_per_minute` is null where it is not known. `standard`: free in public repositories."""

    usd_per_minute: float | None
    standard: bool = False


class Bill(NamedTuple):
    """Of one job. Its minutes are in `unpriced_minutes`, and not in `usd`, where no price is known."""

    usd: float
    minutes: int
    unpriced_minutes: int


@dataclass(frozen=True)
class PriceList:
    """Prices of PRICES_FILE in US dollars a minute, by case-insensitive patterns with `*` and `?`. The name is looked
    at first, then the labels, then the group; the first pattern that fits decides."""

    names: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, float] = field(default_factory=dict)

    def price_of(self, runner: Runner) -> float | None:
        """Null where the list does not name the runner."""
        labels = [*runner.labels, ", ".join(runner.labels)] if runner.labels else []
        for prices, values in (
            (self.names, [runner.name or ""]), (self.labels, labels), (self.groups, [runner.group or ""]),
        ):  # fmt: skip
            for pattern, price in prices.items():
                if any(value and fnmatchcase(value.casefold(), pattern.casefold()) for value in values):
                    return price
        return None


NO_LIST = PriceList()
DYNAMIC, DEPENDABOT = "dynamic", "dependabot[bot]"
_STANDARD_NAMES = "GitHub Actions "
_FREE, _UNKNOWN = Price(0.0), Price(None)
_LINUX = {2: 0.006, 4: 0.012, 8: 0.022, 16: 0.042, 32: 0.082, 64: 0.162, 96: 0.252}
_LINUX_ARM = {2: 0.005, 4: 0.008, 8: 0.014, 16: 0.026, 32: 0.050, 64: 0.098}
_WINDOWS = {2: 0.010, 4: 0.022, 8: 0.042, 16: 0.082, 32: 0.162, 64: 0.322, 96: 0.552}
_WINDOWS_ARM = {2: 0.008, 4: 0.014, 8: 0.026, 16: 0.050, 32: 0.098, 64: 0.194}
_SLIM = 0.002
_MACOS, _MACOS_LARGE, _MACOS_XLARGE = 0.062, 0.077, 0.102
_GPU_CORES, _GPU_LINUX, _GPU_WINDOWS = 4, 0.052, 0.102
_WORDS = re.compile(r"[-_. ]+")


def bill(
    seconds: float | None, runner: Runner, *, private: bool, free: bool = False, prices: PriceList = NO_LIST
) -> Bill:
    """Of a job that ran so long. `free`: of a run for which GitHub bills nothing, as Dependabot's own."""
    minutes = billed_minutes(seconds or 0.0)
    usd = usd_per_minute(runner, private=private, free=free, prices=prices)
    return Bill(0.0, minutes, minutes) if usd is None else Bill(minutes * usd, minutes, 0)


def usd_per_minute(runner: Runner, *, private: bool, free: bool = False, prices: PriceList = NO_LIST) -> float | None:
    """Null where the price is not known."""
    price, own = github_price(runner), None if prices is NO_LIST else prices.price_of(runner)
    if price.standard and (free or not private):
        return 0.0
    return price.usd_per_minute if own is None else own


class Pricing:
    """Prices of many jobs, most of which ran on a few kinds of runners."""

    def __init__(self, prices: PriceList = NO_LIST) -> None:
        self._prices = prices
        self._known: dict[tuple[object, ...], float | None] = {}

    def usd_per_minute(
        self, labels: tuple[str, ...], name: str | None, group: str | None, *, billed: bool
    ) -> float | None:
        """As the function of this name; `billed` of a private repository and a run that is not free."""
        if not self._prices.names and name is not None and name.startswith(_STANDARD_NAMES):
            # The number in it makes no difference.
            name = _STANDARD_NAMES + "1"
        key = labels, name, group, billed
        if key not in self._known:
            self._known[key] = usd_per_minute(Runner(labels, name, group), private=billed, prices=self._prices)
        return self._known[key]


def billed_minutes(seconds: float) -> int:
    """Of one job: each rounds up to a whole minute."""
    return math.ceil(seconds / 60) if seconds > 0 else 0


def github_price(runner: Runner) -> Price:
    """What GitHub takes for it; 0 for a runner of one's own."""
    origin = origin_of(runner)
    if origin is Origin.OWN:
        return _FREE
    if origin in (Origin.GITHUB, Origin.LABELLED):
        return _of_labels(tuple(runner.labels))
    return _larger(larger_name(runner) or "") if origin is Origin.LARGER else _UNKNOWN


def is_free(event: str, actor: str | None) -> bool:
    """GitHub bills nothing for the runs with which Dependabot itself makes updates (docs.github.com, "About Dependabot
    on GitHub Actions runners"); the checks of its pull requests are billed."""
    return event == DYNAMIC and actor == DEPENDABOT


@lru_cache(maxsize=1000)
def _of_labels(labels: tuple[str, ...]) -> Price:
    """Of a runner that is GitHub's."""
    names = [label.casefold() for label in labels]
    standard = (_standard(name) for name in names if documented(name))
    return next(standard, None) or next((price for price in map(_larger, names) if price != _UNKNOWN), _UNKNOWN)


def _standard(label: str) -> Price:
    """Of a documented label."""
    arm = label.endswith("-arm")
    if label.startswith("macos"):
        if label.endswith("-xlarge"):
            return Price(_MACOS_XLARGE)
        return Price(_MACOS_LARGE) if label.endswith("-large") else Price(_MACOS, standard=True)
    if label.startswith("windows"):
        return Price((_WINDOWS_ARM if arm else _WINDOWS)[2], standard=True)
    return Price(_SLIM if label.endswith("-slim") else (_LINUX_ARM if arm else _LINUX)[2], standard=True)


@lru_cache(maxsize=1000)
def _larger(name: str) -> Price:
    """Of a larger runner, whose name people choose: its price is known where the name states the size. GitHub's
    larger runners are Linux where the name does not say Windows; those with macOS have fixed names."""
    label = name.casefold()
    if documented(label):
        return _standard(label)._replace(standard=False)
    words = set(_WORDS.split(label))
    windows = any(word in ("win", "windows") for word in words)
    size = CORES.search(label)
    if "macos" in words or not size:
        return _UNKNOWN
    cores = int(size[1])
    if "gpu" in words:
        return Price(_GPU_WINDOWS if windows else _GPU_LINUX) if cores == _GPU_CORES else _UNKNOWN
    arm = not words.isdisjoint(("arm", "arm64", "aarch64"))
    return Price({(0, 0): _LINUX, (0, 1): _LINUX_ARM, (1, 0): _WINDOWS, (1, 1): _WINDOWS_ARM}[windows, arm].get(cores))
