"""Own rules for failure causes: which lines, jobs and steps they match, and which rules are refused."""

import contextlib
import time
from dataclasses import replace

import pytest

from health.insights.causes.model import CauseClass
from health.insights.causes.rules import (
    MAX_GLOBS,
    CauseRule,
    InvalidCauseRule,
    RuleMatch,
    RuleSet,
    rule_fingerprint,
    validate_rule,
)
from health.insights.causes.step_output import output_of_lines, step_output

STEP = ("2026-11-18T12:00:05", "2026-11-18T12:00:09")
RULE = CauseRule("Registry down", "registry returned 503", CauseClass.INFRASTRUCTURE, id=7)
LOG = [
    "2026-11-18T12:00:01.0000000Z Registry returned 503 while the tools were set up\n",
    "2026-11-18T12:00:05.0000000Z ##[group]Run grep 'registry returned 503' pull.log\n",
    "2026-11-18T12:00:05.0000001Z \x1b[36;1mgrep 'registry returned 503' pull.log\x1b[0m\n",
    "2026-11-18T12:00:05.0000002Z shell: /usr/bin/bash -e {0}\n",
    "2026-11-18T12:00:05.0000003Z ##[endgroup]\n",
    "2026-11-18T12:00:06.0000000Z \x1b[31mpull: Registry returned\x1b[0m 503 (attempt 1)\n",
    "2026-11-18T12:00:07.0000000Z pull: registry returned 503 (attempt 2)\n",
    "2026-11-18T12:00:09.0000000Z ##[error]Process completed with exit code 1.\n",
    "2026-11-18T12:00:09.0000001Z clean up: disk usage 40 %\n",
    "2026-11-18T12:00:11.0000000Z the next step: quota exceeded\n",
]


def match(*rules: CauseRule, lines: list[str] = LOG, step: tuple[str, str] | None = STEP) -> RuleMatch | None:
    return RuleSet(rules).match(step_output(lines, step, lambda: None), lambda: None)


def test_only_the_output_of_the_failed_step_is_matched() -> None:
    matched = match(RULE)
    assert matched is not None
    # Neither the step before nor the script that the header quotes; colours do not separate words.
    assert (matched.line, matched.line_number) == ("pull: Registry returned 503 (attempt 1)", 6)
    for pattern in ("disk usage", "quota exceeded", "while the tools", "shell: /usr"):
        assert match(replace(RULE, pattern=pattern)) is None, pattern
    # Without times of the step, the log is read up to its first closing error.
    whole = match(replace(RULE, pattern="while the tools"), step=None)
    assert whole is not None
    assert whole.line_number == 1
    assert match(replace(RULE, pattern="quota exceeded"), step=None) is None


def test_expressions_match_within_lines() -> None:
    expression = replace(RULE, is_expression=True)
    matched = match(replace(expression, pattern=r"^pull: .*attempt (\d+)\)$"))
    assert matched is not None
    assert matched.line_number == 6
    matched = match(replace(expression, pattern=r"attempt [2-9]"))
    assert matched is not None
    assert matched.line_number == 7
    assert match(replace(expression, pattern=r"attempt 1.+attempt 2")) is None
    far = [*(f"line {number}\n" for number in range(5_000)), "ünïcode: quota of Ümlaut 7 is exceeded\n"]
    matched = match(replace(expression, pattern=r"quota .* exceeded"), lines=far, step=None)
    assert matched is not None
    assert (matched.line_number, matched.line) == (5_001, far[-1].rstrip())


def test_the_oldest_enabled_rule_that_matches_names_the_cause() -> None:
    older = replace(RULE, id=3, name="Older", pattern="attempt 2")
    matched = match(RULE, older)
    assert matched is not None
    assert matched.rule.name == "Older"
    matched = match(RULE, replace(older, enabled=False))
    assert matched is not None
    assert matched.rule.name == "Registry down"
    assert len({rule_fingerprint(number) for number in range(50)}) == 50


@pytest.mark.parametrize(
    ("fields", "covered", "other"),
    [
        ({"repositories": ("Acme/*",)}, ("acme/web", "test", "Run"), ("other/web", "test", "Run")),
        ({"jobs": ("test",)}, ("acme/web", "test (ubuntu, 3.12)", "Run"), ("acme/web", "tests", "Run")),
        ({"jobs": ("* (windows*",)}, ("acme/web", "test (windows-11)", None), ("acme/web", "test (ubuntu)", None)),
        ({"steps": ("npm *",)}, ("acme/web", "test", "npm ci"), ("acme/web", "test", "yarn")),
        ({"steps": ("npm *",)}, ("acme/web", "test", "npm ci"), ("acme/web", "test", None)),
    ],
)
def test_globs_limit_a_rule(
    fields: dict[str, tuple[str, ...]], covered: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    rules = RuleSet([replace(RULE, **fields)])
    assert rules.covering(*covered)
    assert not rules.covering(*other)


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"name": " "}, "name", "1 to 200 printable"),
        ({"name": "a\x1bb"}, "name", "1 to 200 printable"),
        ({"pattern": " "}, "pattern", "1 to 200 characters"),
        ({"pattern": "two\nlines"}, "pattern", "cannot be searched"),
        ({"pattern": "(", "is_expression": True}, "pattern", "invalid regular expression"),
        ({"pattern": r"(a)\1", "is_expression": True}, "pattern", "invalid regular expression"),
        ({"pattern": "a*", "is_expression": True}, "pattern", "matches every line"),
        ({"pattern": r"([a-z]{1,40} ){25}", "is_expression": True}, "pattern", "too complex"),
        ({"jobs": ("x",) * (MAX_GLOBS + 1)}, "jobs", "at most 50"),
        ({"steps": ("",)}, "steps", "1 to 200 printable"),
        ({"repositories": ("x" * 201,)}, "repositories", "1 to 200 printable"),
    ],
)  # fmt: skip
def test_an_invalid_rule_names_its_field_in_one_line(fields: dict[str, object], field: str, message: str) -> None:
    with pytest.raises(InvalidCauseRule) as raised:
        validate_rule(replace(RULE, **fields))  # type: ignore[arg-type]
    assert raised.value.field == field
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_rule_is_normalised() -> None:
    rule = validate_rule(replace(RULE, name="  Registry \u00a0 down ", jobs=("a", "a", "b")))
    assert (rule.name, rule.jobs) == ("Registry down", ("a", "b"))


def test_an_excerpt_is_matched_when_the_text_is_deleted() -> None:
    output = output_of_lines(["before", "\x1b[31mRegistry returned 503\x1b[0m"], 40)
    matched = RuleSet([RULE]).match(output, lambda: None)
    assert matched is not None
    assert (matched.line, matched.line_number) == ("Registry returned 503", 41)


def test_the_time_is_linear_and_can_be_interrupted() -> None:
    """The slowest kinds of expressions and globs, on the largest output that is matched."""
    lines = ["a" * 1_990 + "\n"] * 30_000
    output = step_output(lines, None, lambda: None)
    assert len(output.encoded) < 5_100_000
    rules = RuleSet([replace(RULE, pattern=r"(a|aa)+$b|(a{1,60}){1,20}c", is_expression=True)])
    deadline = time.thread_time() + 0.5

    def check() -> None:
        if time.thread_time() > deadline:
            raise TimeoutError

    start = time.thread_time()
    with contextlib.suppress(TimeoutError):
        assert rules.match(output, check) is None
    assert time.thread_time() - start < 3
    glob = replace(RULE, jobs=("*a" * 100,))
    start = time.thread_time()
    RuleSet([glob]).covering("acme/web", "a" * 400 + "b", None)
    assert time.thread_time() - start < 1
