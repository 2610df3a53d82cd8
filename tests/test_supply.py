"""What the product runs on: its licences, and what is said of known vulnerabilities."""

import json
import os
import re
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from deploy.supply import install
from deploy.supply.audit import main as audit
from deploy.supply.audit import summarize
from deploy.supply.licences import is_allowed, licence, main, violations
from deploy.supply.shipped import REQUIREMENTS, shipped

ROOT = Path(__file__).parents[1]
ALLOWED = {"MIT", "Apache-2.0", "BSD-3-Clause"}


def test_all_that_is_shipped_stands_under_an_allowed_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    found = shipped(REQUIREMENTS)
    # Of requirements.txt, of what that brings along, of an extra; nothing that only the tests need.
    assert {"streamlit", "starlette", "joserfc", "uvicorn"} <= set(found)
    assert not {"pytest", "ruff", "playwright"} & set(found)
    assert f"all {len(found)} packages" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("told", "allowed"),
    [("MIT", True), ("GPL-3.0-only", False), ("MIT OR GPL-3.0-only", True), ("MIT AND GPL-3.0-only", False),
     ("(MIT AND Apache-2.0) OR GPL-3.0-only", True), ("", False), ("none", False), ("MITX", False)],
)  # fmt: skip
def test_of_alternatives_one_and_of_parts_all_must_be_allowed(told: str, allowed: bool) -> None:
    assert is_allowed(told, ALLOWED) is allowed


def test_an_exception_has_a_name_and_is_needed() -> None:
    found = {"a": "MIT", "b": "GPL-3.0-only", "c": "LGPL-3.0-only"}
    lines = list(violations(found, ALLOWED, {"c": "why", "a": "why", "d": "why"}))
    assert [line.split(" ")[0] for line in lines] == ["b", "a", "d"]
    assert "'GPL-3.0-only'" in lines[0]


def test_a_licence_is_read_as_a_package_says_it() -> None:
    assert licence(distribution("fastapi")) == "MIT"
    assert licence(distribution("psycopg2-binary")) == "LGPL with exceptions"
    # Of a package whose field holds the whole text.
    assert licence(distribution("altair")) == "BSD License"


FLAW = {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
WELL, UNKNOWN = {"name": "b", "version": "1", "vulns": []}, {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "status", "strict_status", "line"),
    [([WELL], 0, 0, "none known in 1 packages"), ([FLAW, WELL], 1, 1, "a 1: PYSEC-1, fixed in 1.1"),
     ([UNKNOWN], 0, 1, "NOT CHECKED: no reachable index"), ([WELL, UNKNOWN], 0, 1, "not in the index: c."),
     ([FLAW, UNKNOWN], 1, 1, "a 1: PYSEC-1"), ([], 0, 1, "NOT CHECKED")],
)  # fmt: skip
def test_a_known_vulnerability_fails_and_an_unknown_package_is_reported(
    packages: list[dict[str, object]], status: int, strict_status: int, line: str
) -> None:
    for strict, expected in ((False, status), (True, strict_status)):
        code, lines = summarize(json.dumps({"dependencies": packages}), "", strict=strict)
        assert code == expected
        assert line in "\n".join(lines)


def test_an_audit_without_an_index_is_one_line_and_fails_only_when_strict() -> None:
    error = "Traceback\nConnectionError: no way to pypi.org"
    line = "Vulnerabilities: NOT CHECKED: ConnectionError: no way to pypi.org"
    assert summarize("", error) == (0, [line])
    assert summarize("", error, strict=True) == (1, [line])


@pytest.mark.parametrize("python", ["/nonexistent/python", sys.executable])
def test_an_audit_without_pip_audit_says_so(python: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit([], Path(python)) == 0
    assert audit(["--strict"], Path(python)) == 1
    out, error = capsys.readouterr()
    assert out == error == "Vulnerabilities: NOT CHECKED: pip-audit is not installed; see .venv/audit.log\n"


def test_the_ci_checks_licences_and_vulnerabilities_and_fails_closed_once_a_week() -> None:
    commands = (ROOT / ".ci/run").read_text("utf-8").splitlines()
    targets = {target for line in commands if line.startswith("make ") for target in line.split()[1:]}
    assert {"test", "lint", "types", "imports", "licences", "audit"} <= targets
    assert "make audit-strict" in (ROOT / ".ci/weekly").read_text("utf-8").splitlines()
    assert os.access(ROOT / ".ci/weekly", os.X_OK)


def test_every_installation_is_by_hash() -> None:
    """In the Makefile and in the images."""
    texts = [(ROOT / name).read_text("utf-8") for name in ("Makefile", "Dockerfile.collector", "Dockerfile.app")]
    installs = re.findall(r"pip(?: --python \S+)? (?:install|\$\(INSTALL\)).*?(?<!\\)\n", "".join(texts), re.DOTALL)
    assert len(installs) == 4
    assert texts[0].count("python -m deploy.supply.install requirements") == 2
    assert install._PIP[-2:] == ("--require-hashes", "-r")
    flags = re.search(r"^INSTALL = (.*)$", texts[0], re.M)
    assert flags
    for command in (each.replace("$(INSTALL)", flags[1]) for each in installs):
        assert re.search(r"--require-hashes -r \S+\.lock( |$)", command, re.M), command
