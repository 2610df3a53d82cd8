"""Regular expressions take time linear in their text: logs, titles, names and answers come from outside."""

import json
import resource
import subprocess
import sys
from typing import Any

import pytest

from tests.expressions import ROOT
from tests.programs import clean

# Of CPU time and of all expressions together, on a machine ten times as slow as most; an exponential one never ends.
_MOST_SECONDS = 300
# Parts of expressions that modules hold, and the secrets of the settings, which are literals side by side.
_MADE = {
    "health/insights/causes/model.py: pattern", "health/insights/causes/model.py: item",
    "health/insights/causes/model.py: requires",
    "health/insights/fingerprints.py: pattern", "core/text.py: '|'.join(words)",
    "core/text.py: pattern",
}  # fmt: skip


@pytest.fixture(scope="module")
def measured() -> list[dict[str, Any]]:
    """By a process of its own, whose CPU time is limited."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.expressions"], cwd=ROOT, env=clean({}), capture_output=True, text=True,
        check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (_MOST_SECONDS, _MOST_SECONDS)),
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"{lines[-1] if lines else ''} {done.stderr[-2000:]}"
    return lines


def test_every_expression_is_read(measured: list[dict[str, Any]]) -> None:
    assert set(measured[0]["unread"]) == _MADE
    places = "\n".join(each["place"] for each in measured if "place" in each)
    for part in (
        "health.insights.causes.families.python.RULES[", "core.text._PATTERNS[", "health/insights/fingerprints.py:",
        "app/logs/ansi.py:", "api/", "core/http/origins.py:", "health/alerts/channels/slack.py:",
    ):  # fmt: skip
        assert part in places


def test_time_grows_with_the_text_and_no_faster(measured: list[dict[str, Any]]) -> None:
    assert [each for each in measured if each.get("trouble")] == []
