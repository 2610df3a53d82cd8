"""python -m deploy.supply.audit [--strict]: known vulnerabilities of what the product runs on.

Exit code 1 when there are any. A package that no reachable index could check is reported in one line; with --strict
that is exit code 1 as well. pip-audit is looked for in .venv/audit (`make audit` installs it there)."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.supply.shipped import REQUIREMENTS, pins

_TIMEOUT_SECONDS = 120
_MAX_SHOWN = 5
AUDIT_PYTHON = Path(".venv/audit/bin/python")
INSTALL_LOG = Path(".venv/audit.log")


def main(arguments: Sequence[str], python: Path = AUDIT_PYTHON) -> int:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(pins(REQUIREMENTS))
        file.flush()
        output, error = _pip_audit(python, file.name)
    status, lines = summarize(output, error, strict="--strict" in arguments)
    print("\n".join(lines), file=sys.stderr if status else sys.stdout)
    return status


def _pip_audit(python: Path, file: str) -> tuple[str, str]:
    """(standard output, standard error)."""
    command = [str(python), "-m", "pip_audit", "-r", file, "--no-deps", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(
            [*command, "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer within {_TIMEOUT_SECONDS} s"
    except OSError:
        return "", f"pip-audit could not be installed; {INSTALL_LOG} says why"
    if "No module named pip_audit" in done.stderr:
        return "", f"pip-audit could not be installed; {INSTALL_LOG} says why"
    return done.stdout, done.stderr


def summarize(output: str, error: str, *, strict: bool = False) -> tuple[int, list[str]]:
    """(exit code, lines) for what pip-audit printed."""
    unchecked = int(strict)
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        why = (error.strip().splitlines() or ["pip-audit printed nothing"])[-1]
        return unchecked, [f"Vulnerabilities: NOT CHECKED: {why[:200]}"]
    known = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in "
        f"{', '.join(flaw['fix_versions']) or 'none yet'}"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        return unchecked, ["Vulnerabilities: NOT CHECKED: no index that is reachable here knows any of the packages."]
    lines = known or [f"Vulnerabilities: none known in {len(packages) - len(unknown)} packages."]
    if unknown:
        more = f" and {len(unknown) - _MAX_SHOWN} more" if len(unknown) > _MAX_SHOWN else ""
        lines.append(
            f"Vulnerabilities: NOT CHECKED, the index does not know them: {', '.join(unknown[:_MAX_SHOWN])}{more}."
        )
    return (1 if known or (unknown and strict) else 0), lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
