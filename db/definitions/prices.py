"""Origin of runners and cost of jobs. Pure.

GitHub's standard runners have names of the form `GitHub Actions N` and are in the group `GitHub Actions`; its larger
runners have names of the form `<label>_<hex>` (docs.github.com, "Larger runners reference"). Name and group are better
evidence than labels, because self-hosted machines and scale sets can have labels such as `ubuntu-22.04` or `macos-m1`.

Prices of GitHub's hosted runners are in US dollars a minute, valid from 1 January 2026 (docs.github.com, "Actions
runner pricing"). The duration of a job is rounded up to a minute, and standard runners are free in public repositories.
An unknown price is null, never 0.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple


class Runner(NamedTuple):
    """Labels, name and group from GitHub; null or empty if unknown."""

    labels: Sequence[str]
    name: str | None = None
    group: str | None = None


class Origin(StrEnum):
    """GITHUB: GitHub's standard runner, by its name or group. LARGER: GitHub's larger runner. STANDARD_LABEL: only a
    label that GitHub documents is known. SELF_HOSTED: self-hosted. SERVICE: a runner of another company with its own
    price."""

    GITHUB = "github"
    LARGER = "larger"
    STANDARD_LABEL = "labelled"
    SELF_HOSTED = "own"
    SERVICE = "service"
    UNKNOWN = "unknown"


_GROUP, _LARGER_GROUP, _DEFAULT_GROUP = "github actions", "default larger runners", "default"
_STANDARD_NAME = re.compile(r"(?:github actions \d+|hosted agent)")
# Labels that GitHub documents, or documented in the last years, for its own runners.
_DOCUMENTED = re.compile(
    r"ubuntu-(?:latest|\d\d\.\d\d)(?:-arm)?|ubuntu-slim"
    r"|windows-(?:latest|20\d\d)(?:-vs20\d\d)?|windows-11(?:-vs20\d\d)?-arm"
    r"|macos-(?:latest|\d\d|10\.15)(?:-intel|-large|-xlarge)?"
)
_LARGER_NAME = re.compile(r"(.+)_([0-9a-f]+)")
# Numbers in the names of self-hosted machines are shorter.
_LONG_HEX = 8
# A number of cores in a user-defined name.
CORES = re.compile(r"(?:^|[-_. ])(\d{1,3})[-_ ]?(?:cores?|v?cpus?)(?:$|[-_. ])")
# Depot, Blacksmith, Namespace, BuildJet, WarpBuild, RunsOn, Ubicloud, CodeBuild and Cirrus.
_SERVICE_LABEL = re.compile(
    r"depot-(?:ubuntu|windows|macos)|blacksmith(?:$|-)|nscloud(?:$|-)|namespace-profile|buildjet(?:$|-)"
    r"|warp-(?:ubuntu|windows|macos|custom)|warpbuild|runs-on(?:$|[=/,-])|runner=|ubicloud(?:$|-)|codebuild-|ghcr\.io/cirruslabs"
)
_SERVICE_NAME = re.compile(r"blacksmith-|nsc-|nscloud-|buildjet-|warpbuild-|runs-on--|ubicloud-")
SELF_HOSTED = "self-hosted"


def origin_of(runner: Runner) -> Origin:
    """Origin of the runner; UNKNOWN if the evidence is missing or contradictory."""
    name, group = (runner.name or "").strip().casefold(), (runner.group or "").strip().casefold()
    if group == _GROUP or _STANDARD_NAME.fullmatch(name):
        return Origin.GITHUB
    labels = [label.casefold() for label in runner.labels]
    if any(map(_SERVICE_LABEL.match, labels)) or _SERVICE_NAME.match(name):
        return Origin.SERVICE
    if SELF_HOSTED in labels:
        return Origin.SELF_HOSTED
    stem = larger_runner_label(runner)
    return _origin_by_labels(labels, name, group) if stem is None else _origin_by_size(stem, name, group)


def is_documented_label(label: str) -> bool:
    """Whether the label (in lower case) is one that GitHub documents for its own runners."""
    return _DOCUMENTED.fullmatch(label) is not None


def larger_runner_label(runner: Runner) -> str | None:
    """The label in the name of a larger runner, `<label>_<hex>`, in lower case; null for other names. A job that
    requested only a group has no label to compare with."""
    match = _LARGER_NAME.fullmatch((runner.name or "").strip().casefold())
    if not match:
        return None
    labels = [label.casefold() for label in runner.labels]
    return match[1] if match[1] in labels or (not labels and len(match[2]) >= _LONG_HEX) else None


def _origin_by_labels(labels: Sequence[str], name: str, group: str) -> Origin:
    if group:
        return Origin.SELF_HOSTED
    known = any(map(is_documented_label, labels))
    if name:
        # Without the group, a name in another form may be one that GitHub used in other years.
        return Origin.UNKNOWN if known else Origin.SELF_HOSTED
    return Origin.STANDARD_LABEL if known else Origin.UNKNOWN


def _origin_by_size(stem: str, name: str, group: str) -> Origin:
    """A short suffix, as in `builder_1`, can also be a self-hosted machine; the group and a size in the name decide."""
    if group == _LARGER_GROUP or len(name) - len(stem) - 1 >= _LONG_HEX:
        return Origin.LARGER
    if group == _DEFAULT_GROUP:
        return Origin.SELF_HOSTED
    return Origin.LARGER if CORES.search(stem) else Origin.UNKNOWN


class Price(NamedTuple):
    """`usd_per_minute` is null if unknown. `standard`: free in public repositories."""

    usd_per_minute: float | None
    standard: bool = False


class Bill(NamedTuple):
    """Bill of one job. If the price is unknown, `usd` is 0 and the minutes are in `unpriced_minutes`."""

    usd: float
    minutes: int
    unpriced_minutes: int


@dataclass(frozen=True)
class PriceList:
    """Prices of PRICES_FILE in US dollars a minute, by case-insensitive patterns with `*` and `?`. Patterns of
    names are compared first, then patterns of labels and of groups; the first match is used."""

    names: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, float] = field(default_factory=dict)

    def price_of(self, runner: Runner) -> float | None:
        """Price in US dollars a minute; null if no pattern matches."""
        labels = [*runner.labels, ", ".join(runner.labels)] if runner.labels else []
        for prices, values in (
            (self.names, [runner.name or ""]),
            (self.labels, labels),
            (self.groups, [runner.group or ""]),
        ):
            for pattern, price in prices.items():
                if any(value and fnmatchcase(value.casefold(), pattern.casefold()) for value in values):
                    return price
        return None


EMPTY_PRICE_LIST = PriceList()
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
_WORD_SEPARATOR = re.compile(r"[-_. ]+")


def bill(
    seconds: float | None, runner: Runner, *, private: bool, free: bool = False, prices: PriceList = EMPTY_PRICE_LIST
) -> Bill:
    """Bill of a job with this duration. `free`: GitHub does not bill the run, such as an update run of Dependabot."""
    minutes = billed_minutes(seconds or 0.0)
    usd = usd_per_minute(runner, private=private, free=free, prices=prices)
    return Bill(0.0, minutes, minutes) if usd is None else Bill(minutes * usd, minutes, 0)


def usd_per_minute(
    runner: Runner, *, private: bool, free: bool = False, prices: PriceList = EMPTY_PRICE_LIST
) -> float | None:
    """Price of the runner in US dollars a minute; null if unknown."""
    price, own = github_price(runner), None if prices is EMPTY_PRICE_LIST else prices.price_of(runner)
    if price.standard and (free or not private):
        return 0.0
    return price.usd_per_minute if own is None else own


class Pricing:
    """Prices of many jobs with a cache, because most jobs run on a few kinds of runners."""

    def __init__(self, prices: PriceList = EMPTY_PRICE_LIST) -> None:
        self._prices = prices
        self._known: dict[tuple[object, ...], float | None] = {}

    def usd_per_minute(
        self, labels: tuple[str, ...], name: str | None, group: str | None, *, billed: bool
    ) -> float | None:
        """Cached `usd_per_minute`; `billed`: the repository is private and the run is not free."""
        if not self._prices.names and name is not None and name.startswith(_STANDARD_NAMES):
            # The number in the name does not affect the price.
            name = _STANDARD_NAMES + "1"
        key = labels, name, group, billed
        if key not in self._known:
            self._known[key] = usd_per_minute(Runner(labels, name, group), private=billed, prices=self._prices)
        return self._known[key]


def billed_minutes(seconds: float) -> int:
    """Billed minutes of one job, rounded up."""
    return math.ceil(seconds / 60) if seconds > 0 else 0


def github_price(runner: Runner) -> Price:
    """Price that GitHub charges for the runner; 0 for a self-hosted runner."""
    origin = origin_of(runner)
    if origin is Origin.SELF_HOSTED:
        return _FREE
    if origin in (Origin.GITHUB, Origin.STANDARD_LABEL):
        return _price_by_labels(tuple(runner.labels))
    return _larger_runner_price(larger_runner_label(runner) or "") if origin is Origin.LARGER else _UNKNOWN


def is_free(event: str, actor: str | None) -> bool:
    """Whether GitHub does not bill the run: the runs in which Dependabot creates updates are free (docs.github.com,
    "About Dependabot on GitHub Actions runners"); the checks of its pull requests are billed."""
    return event == DYNAMIC and actor == DEPENDABOT


@lru_cache(maxsize=1000)
def _price_by_labels(labels: tuple[str, ...]) -> Price:
    """Price of a GitHub-hosted runner by its labels."""
    names = [label.casefold() for label in labels]
    standard = (_standard_price(name) for name in names if is_documented_label(name))
    return next(standard, None) or next(
        (price for price in map(_larger_runner_price, names) if price != _UNKNOWN), _UNKNOWN
    )


def _standard_price(label: str) -> Price:
    """Price of a documented label."""
    arm = label.endswith("-arm")
    if label.startswith("macos"):
        if label.endswith("-xlarge"):
            return Price(_MACOS_XLARGE)
        return Price(_MACOS_LARGE) if label.endswith("-large") else Price(_MACOS, standard=True)
    if label.startswith("windows"):
        return Price((_WINDOWS_ARM if arm else _WINDOWS)[2], standard=True)
    return Price(_SLIM if label.endswith("-slim") else (_LINUX_ARM if arm else _LINUX)[2], standard=True)


@lru_cache(maxsize=1000)
def _larger_runner_price(name: str) -> Price:
    """Price of a larger runner by its user-defined name; unknown unless the name contains the number of cores. A name
    without Windows is taken as Linux; larger macOS runners have fixed names."""
    label = name.casefold()
    if is_documented_label(label):
        return _standard_price(label)._replace(standard=False)
    words = set(_WORD_SEPARATOR.split(label))
    windows = any(word in ("win", "windows") for word in words)
    size = CORES.search(label)
    if "macos" in words or not size:
        return _UNKNOWN
    cores = int(size[1])
    if "gpu" in words:
        return Price(_GPU_WINDOWS if windows else _GPU_LINUX) if cores == _GPU_CORES else _UNKNOWN
    arm = not words.isdisjoint(("arm", "arm64", "aarch64"))
    return Price({(0, 0): _LINUX, (0, 1): _LINUX_ARM, (1, 0): _WINDOWS, (1, 1): _WINDOWS_ARM}[windows, arm].get(cores))
