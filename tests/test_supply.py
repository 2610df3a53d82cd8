"""What the product runs on: its licences, and what is said of known vulnerabilities."""

import json
from importlib.metadata import distribution

import pytest

from supply.audit import verdict
from supply.licences import faults, is_allowed, licence, main
from supply.shipped import REQUIREMENTS, shipped

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
    lines = list(faults(found, ALLOWED, {"c": "why", "a": "why", "d": "why"}))
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
    ("packages", "status", "line"),
    [([WELL], 0, "none known in 1 packages"), ([FLAW, WELL], 1, "a 1: PYSEC-1, mended in 1.1"),
     ([UNKNOWN], 0, "NOT CHECKED: the package index"), ([WELL, UNKNOWN], 0, "does not know them: c."),
     ([FLAW, UNKNOWN], 1, "a 1: PYSEC-1")],
)  # fmt: skip
def test_a_known_vulnerability_fails_and_an_unknown_package_is_told(
    packages: list[dict[str, object]], status: int, line: str
) -> None:
    found, lines = verdict(json.dumps({"dependencies": packages}), "")
    assert found == status
    assert line in "\n".join(lines)


def test_nobody_to_ask_is_told_and_does_not_fail() -> None:
    status, [line] = verdict("", "Traceback\nConnectionError: no way to pypi.org")
    assert status == 0
    assert line == "Vulnerabilities: NOT CHECKED: ConnectionError: no way to pypi.org"
