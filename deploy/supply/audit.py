"""`python -m deploy.supply.audit [--strict]`: known vulnerabilities of the packages that are shipped with the product.

The exit code is 1 if there are any. Packages that no reachable index can check are reported in one line; with --strict
the exit code is then 1, too. pip-audit runs in .venv/audit, where `make audit` installs it.
"""

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
        result = subprocess.run(
            [*command, "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"pip-audit did not finish within {_TIMEOUT_SECONDS} s"
    except OSError:
        return "", f"pip-audit is not installed; see {INSTALL_LOG}"
    if "No module named pip_audit" in result.stderr:
        return "", f"pip-audit is not installed; see {INSTALL_LOG}"
    return result.stdout, result.stderr


def summarize(output: str, error: str, *, strict: bool = False) -> tuple[int, list[str]]:
    """(exit code, lines) for the output of pip-audit."""
    unchecked_status = int(strict)
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (error.strip().splitlines() or ["pip-audit printed nothing"])[-1]
        return unchecked_status, [f"Vulnerabilities: NOT CHECKED: {reason[:200]}"]
    flaws = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in "
        f"{', '.join(flaw['fix_versions']) or 'none yet'}"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    unchecked = [package["name"] for package in packages if "skip_reason" in package]
    if len(unchecked) == len(packages):
        return unchecked_status, ["Vulnerabilities: NOT CHECKED: no reachable index has any of the packages."]
    lines = flaws or [f"Vulnerabilities: none known in {len(packages) - len(unchecked)} packages."]
    if unchecked:
        more = f" and {len(unchecked) - _MAX_SHOWN} more" if len(unchecked) > _MAX_SHOWN else ""
        lines.append(f"Vulnerabilities: NOT CHECKED, not in the index: {', '.join(unchecked[:_MAX_SHOWN])}{more}.")
    return (1 if flaws or (unchecked and strict) else 0), lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
