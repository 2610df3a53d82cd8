"""Whose runner took a job, by the evidence that GitHub gives. Pure.

GitHub's standard runners are called `GitHub Actions N` and stand in the group `GitHub Actions`; its larger runners are
called `<label>_<hex>` (docs.github.com, "Larger runners reference"). Labels alone decide nothing where there is better
evidence: machines and scale sets of one's own can be labelled `ubuntu-22.04` or `macos-m1`."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Runner(NamedTuple):
    """As GitHub names it; null or empty where that is not known."""

    labels: Sequence[str]
    name: str | None = None
    group: str | None = None


class Origin(StrEnum):
    """GITHUB: one of GitHub's, by its name or group. LARGER: one of GitHub's larger runners. LABELLED: nothing is known
    but a label that GitHub documents. OWN: of one's own. SERVICE: of another company, which sets its own price."""

    GITHUB = "github"
    LARGER = "larger"
    LABELLED = "labelled"
    OWN = "own"
    SERVICE = "service"
    UNKNOWN = "unknown"


_GROUP, _LARGER_GROUP, _OWN_GROUP = "github actions", "default larger runners", "default"
_STANDARD_NAME = re.compile(r"(?:github actions \d+|hosted agent)")
# Labels that GitHub documents for its own runners, of today and of the last years.
_DOCUMENTED = re.compile(
    r"ubuntu-(?:latest|\d\d\.\d\d)(?:-arm)?|ubuntu-slim"
    r"|windows-(?:latest|20\d\d)(?:-vs20\d\d)?|windows-11(?:-vs20\d\d)?-arm"
    r"|macos-(?:latest|\d\d|10\.15)(?:-intel|-large|-xlarge)?"
)
_LARGER_NAME = re.compile(r"(.+)_([0-9a-f]+)")
# A number that a machine of one's own may carry, too, is shorter.
_LONG_HEX = 8
# A size in a name that people chose.
CORES = re.compile(r"(?:^|[-_. ])(\d{1,3})[-_ ]?(?:cores?|v?cpus?)(?:$|[-_. ])")
# Depot, Blacksmith, Namespace, BuildJet, WarpBuild, RunsOn, Ubicloud, CodeBuild and Cirrus.
_SERVICE_LABEL = re.compile(
    r"depot-(?:ubuntu|windows|macos)|blacksmith(?:$|-)|nscloud(?:$|-)|namespace-profile|buildjet(?:$|-)"
    r"|warp-(?:ubuntu|windows|macos|custom)|warpbuild|runs-on(?:$|[=/,-])|runner=|ubicloud(?:$|-)|codebuild-|ghcr\.io/cirruslabs"
)
_SERVICE_NAME = re.compile(r"blacksmith-|nsc-|nscloud-|buildjet-|warpbuild-|runs-on--|ubicloud-")
SELF_HOSTED = "self-hosted"


def origin_of(runner: Runner) -> Origin:
    """UNKNOWN where the evidence is missing or says different things."""
    name, group = (runner.name or "").strip().casefold(), (runner.group or "").strip().casefold()
    if group == _GROUP or _STANDARD_NAME.fullmatch(name):
        return Origin.GITHUB
    labels = [label.casefold() for label in runner.labels]
    if any(map(_SERVICE_LABEL.match, labels)) or _SERVICE_NAME.match(name):
        return Origin.SERVICE
    if SELF_HOSTED in labels:
        return Origin.OWN
    stem = larger_name(runner)
    return _by_labels(labels, name, group) if stem is None else _by_size(stem, name, group)


def documented(label: str) -> bool:
    """Is this exactly one of the labels that GitHub documents for its own runners? In lower case."""
    return _DOCUMENTED.fullmatch(label) is not None


def larger_name(runner: Runner) -> str | None:
    """The label in a name of the form of larger runners, `<label>_<hex>`, in lower case; null for other names. A job
    that asked for a group alone has no label to compare."""
    found = _LARGER_NAME.fullmatch((runner.name or "").strip().casefold())
    if not found:
        return None
    labels = [label.casefold() for label in runner.labels]
    return found[1] if found[1] in labels or (not labels and len(found[2]) >= _LONG_HEX) else None


def _by_labels(labels: Sequence[str], name: str, group: str) -> Origin:
    if group:
        return Origin.OWN
    known = any(map(documented, labels))
    if name:
        # Without its group a name that is not GitHub's may still be one that GitHub gave in other years.
        return Origin.UNKNOWN if known else Origin.OWN
    return Origin.LABELLED if known else Origin.UNKNOWN


def _by_size(stem: str, name: str, group: str) -> Origin:
    """`builder_1` is as likely a machine of one's own; then its group and a size in its name decide."""
    if group == _LARGER_GROUP or len(name) - len(stem) - 1 >= _LONG_HEX:
        return Origin.LARGER
    if group == _OWN_GROUP:
        return Origin.OWN
    return Origin.LARGER if CORES.search(stem) else Origin.UNKNOWN
