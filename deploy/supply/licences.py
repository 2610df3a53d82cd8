"""python -m deploy.supply.licences: under which licences stands what the product runs on?"""

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution
from pathlib import Path

from deploy.supply.shipped import REQUIREMENTS, shipped

_MAX_NAME_LENGTH = 60


def main() -> int:
    rules = tomllib.loads((Path(__file__).parent / "licences.toml").read_text("utf-8"))
    found = {name: licence(each) for name, each in shipped(REQUIREMENTS).items()}
    wrong = list(violations(found, rules["allowed"], rules["exceptions"]))
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        print(f"Licences: all {len(found)} packages that are shipped stand under allowed ones.")
    return 1 if wrong else 0


def violations(licences: Mapping[str, str], allowed: Iterable[str], exceptions: Mapping[str, str]) -> Iterator[str]:
    """`found`: package to licence. One line each, with what to do."""
    known = set(allowed)
    for name, told in licences.items():
        if name not in exceptions and not is_allowed(told, known):
            yield (
                f"{name} stands under {told!r}, which deploy/supply/licences.toml does not allow: use another package, or "
                "write down there why this one may stay."
            )
    for name in exceptions:
        if name not in licences:
            yield f"{name} is excepted in deploy/supply/licences.toml, but nothing brings it along: take it out."
        elif is_allowed(licences[name], known):
            yield f"{name} is excepted in deploy/supply/licences.toml, but its licence is allowed: take it out."


def licence(package: Distribution) -> str:
    """As the package says it: as an SPDX expression, in a word, or by the classifiers of old."""
    for name in ("License-Expression", "License"):
        said = " ".join(package.metadata.get_all(name) or ()).strip()
        # Some put the whole text there.
        if said and len(said) <= _MAX_NAME_LENGTH and "\n" not in said:
            return said
    lines = package.metadata.get_all("Classifier") or []
    return " AND ".join(each.rpartition("::")[2].strip() for each in lines if each.startswith("License ::")) or "none"


def is_allowed(expression: str, allowed: set[str]) -> bool:
    """Of alternatives one, of parts all."""
    plain = expression.replace("(", "").replace(")", "")
    return any(all(part.strip() in allowed for part in each.split(" AND ")) for each in plain.split(" OR "))


if __name__ == "__main__":
    sys.exit(main())
