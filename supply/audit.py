"""python -m supply.audit FILE: are there known vulnerabilities in what FILE pins? Wants pip-audit beside it.

Ends with 1 where there are; with 0 and a line that says so where nobody could be asked."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

_SECONDS = 120
_SHOWN = 5


def main(arguments: Sequence[str]) -> int:
    try:
        output, error = _asked(arguments[0])
    except subprocess.TimeoutExpired:
        output, error = "", f"no answer within {_SECONDS} s"
    status, lines = verdict(output, error)
    print("\n".join(lines), file=sys.stderr if status else sys.stdout)
    return status


def _asked(file: str) -> tuple[str, str]:
    command = [sys.executable, "-m", "pip_audit", "-r", file, "--no-deps", "--disable-pip", "--format", "json"]
    done = subprocess.run(
        [*command, "--progress-spinner", "off"], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    return done.stdout, done.stderr


def verdict(output: str, error: str) -> tuple[int, list[str]]:
    """Of what pip-audit prints."""
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        why = (error.strip().splitlines() or ["pip-audit said nothing"])[-1]
        return 0, [f"Vulnerabilities: NOT CHECKED: {why[:200]}"]
    found = [
        f"{each['name']} {each['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none yet'}"
        for each in packages
        for flaw in each.get("vulns", ())
    ]
    unknown = [each["name"] for each in packages if "skip_reason" in each]
    lines = found or [f"Vulnerabilities: none known in {len(packages) - len(unknown)} packages."]
    if len(unknown) == len(packages):
        lines = ["Vulnerabilities: NOT CHECKED: the package index that is reachable here tells of none."]
    elif unknown:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        lines.append(
            f"Vulnerabilities: NOT CHECKED, the index does not know them: {', '.join(unknown[:_SHOWN])}{more}."
        )
    return (1 if found else 0), lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
