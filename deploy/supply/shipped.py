"""python -m deploy.supply.shipped: what the product runs on, with all that it brings along, as it is installed here."""

import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"


def shipped(requirements: Path) -> dict[str, Distribution]:
    """What these lines bring along on this machine, by its name. Raises SystemExit where it is not installed."""
    lines = (each.split("#")[0].strip() for each in requirements.read_text("utf-8").splitlines())
    waiting = [Requirement(each) for each in lines if each and not each.startswith("-")]
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        key = (_normalized_name(wanted.name), frozenset(wanted.extras))
        if key in seen or not _applies(wanted, ("",)):
            continue
        seen.add(key)
        try:
            found[key[0]] = distribution(wanted.name)
        except PackageNotFoundError:
            raise SystemExit(f"{wanted.name} is not installed: pip install -r {requirements.name}") from None
        needs = map(Requirement, found[key[0]].requires or ())
        waiting += [_without_marker(each) for each in needs if _applies(each, key[1] or ("",))]
    return dict(sorted(found.items()))


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": each}) for each in extras)


def _without_marker(requirement: Requirement) -> Requirement:
    """It holds: its mark may name an extra, which it would not be asked for again."""
    requirement.marker = None
    return requirement


def _normalized_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(requirements: Path) -> str:
    """One line `name==version` for each package."""
    return "".join(f"{name}=={package.version}\n" for name, package in shipped(requirements).items())


if __name__ == "__main__":
    sys.stdout.write(pins(REQUIREMENTS))
