"""`python -m deploy.supply.shipped`: the installed versions of the packages that are shipped with the product."""

import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"


def shipped(requirements: Path) -> dict[str, Distribution]:
    """The required packages and their dependencies on this platform, by normalized name. Raises SystemExit if one is
    not installed."""
    lines = (line.split("#")[0].strip() for line in requirements.read_text("utf-8").splitlines())
    queue = [Requirement(line) for line in lines if line and not line.startswith("-")]
    packages: dict[str, Distribution] = {}
    visited: set[tuple[str, frozenset[str]]] = set()
    while queue:
        requirement = queue.pop()
        key = (_normalized_name(requirement.name), frozenset(requirement.extras))
        if key in visited or not _applies(requirement, ("",)):
            continue
        visited.add(key)
        try:
            packages[key[0]] = distribution(requirement.name)
        except PackageNotFoundError:
            raise SystemExit(f"{requirement.name} is not installed: pip install -r {requirements.name}") from None
        dependencies = map(Requirement, packages[key[0]].requires or ())
        queue += [_without_marker(dependency) for dependency in dependencies if _applies(dependency, key[1] or ("",))]
    return dict(sorted(packages.items()))


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)


def _without_marker(requirement: Requirement) -> Requirement:
    """The marker applies; it may depend on an extra, with which it would not be evaluated again."""
    requirement.marker = None
    return requirement


def _normalized_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(requirements: Path) -> str:
    """One line `name==version` for each package."""
    return "".join(f"{name}=={package.version}\n" for name, package in shipped(requirements).items())


if __name__ == "__main__":
    sys.stdout.write(pins(REQUIREMENTS))
