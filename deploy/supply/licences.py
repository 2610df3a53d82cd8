"""`python -m deploy.supply.licences`: checks the licences of the packages that are shipped with the product."""

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution
from pathlib import Path

from deploy.supply.shipped import REQUIREMENTS, shipped

_MAX_NAME_LENGTH = 60


def main() -> int:
    rules = tomllib.loads((Path(__file__).parent / "licences.toml").read_text("utf-8"))
    licences = {name: licence(package) for name, package in shipped(REQUIREMENTS).items()}
    lines = list(violations(licences, rules["allowed"], rules["exceptions"]))
    for line in lines:
        print(line, file=sys.stderr)
    if not lines:
        print(f"Licences: all {len(licences)} packages that are shipped have allowed licences.")
    return 1 if lines else 0


def violations(licences: Mapping[str, str], allowed: Iterable[str], exceptions: Mapping[str, str]) -> Iterator[str]:
    """`licences`: licence by package. One line for each violation, with the remedy."""
    permitted = set(allowed)
    for name, expression in licences.items():
        if name not in exceptions and not is_allowed(expression, permitted):
            yield (
                f"{name} has the licence {expression!r}, which deploy/supply/licences.toml does not allow: use another "
                "package, or add an exception with its reason there."
            )
    for name in exceptions:
        if name not in licences:
            yield f"{name} is an exception in deploy/supply/licences.toml, but is not shipped: remove the exception."
        elif is_allowed(licences[name], permitted):
            yield f"{name} is an exception in deploy/supply/licences.toml, but its licence is allowed: remove it."


def licence(package: Distribution) -> str:
    """The licence in the package's metadata: an SPDX expression, a name, or the older classifiers; else `none`."""
    for name in ("License-Expression", "License"):
        text = " ".join(package.metadata.get_all(name) or ()).strip()
        # Some packages have the text of the licence here.
        if text and len(text) <= _MAX_NAME_LENGTH and "\n" not in text:
            return text
    classifiers = package.metadata.get_all("Classifier") or []
    names = [line.rpartition("::")[2].strip() for line in classifiers if line.startswith("License ::")]
    return " AND ".join(names) or "none"


def is_allowed(expression: str, allowed: set[str]) -> bool:
    """Whether one alternative (OR) has only allowed parts (AND)."""
    plain = expression.replace("(", "").replace(")", "")
    return any(all(part.strip() in allowed for part in option.split(" AND ")) for option in plain.split(" OR "))


if __name__ == "__main__":
    sys.exit(main())
