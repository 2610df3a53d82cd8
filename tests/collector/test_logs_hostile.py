"""Logs that are made to take long: each is read within the CPU time of one log, or has no excerpt, and is stored."""

import random
from collections.abc import Callable
from time import thread_time

import pytest

from collector.logs.budget import CPU_BUDGET, CpuBudget, CpuBudgetExceeded
from collector.logs.buffer import LogBuffer
from collector.logs.excerpt import excerpt_text
from health.insights.causes.job_causes import FailedJob

SIZE = 2_000_000
STAMP = "2026-11-18T12:00:00.0000000Z "
EXIT = "\n##[error]Process completed with exit code 1.\n"
SPAN = ("2026-11-18T11:00:00", "2026-11-18T13:00:00")
# A step of a loop is short beside the budget; the last one may begin when it is just not used up.
MOST = 1.5 * CPU_BUDGET


def _lines(line: str, end: str = EXIT) -> Callable[[], str]:
    return lambda: line * (SIZE // len(line)) + end


def _noise() -> str:
    chance = random.Random(7)
    return "".join(chance.choices("\x1b\x9b[];m \r\n\x08#:/.'\"()<>=-0aE", k=SIZE)) + EXIT


LOGS: dict[str, Callable[[], str]] = {
    "closing errors": _lines("##[error]Process completed with exit code 1.\n"),
    "errors within the step": _lines(f"{STAMP}##[error]no\n"),
    "lines of one letter": _lines("E\n"),
    "line separators that are none in UTF-8 bytes": _lines("FAIL\u2028"),
    "file separators": _lines("error: a\x1c"),
    "carriage returns": _lines("10% error\r"),
    "a line that is overwritten for ever": _lines("\x1b[2K\rerror "),
    "backspaces": _lines("a" * 1_999 + "\x08" * 1_999 + "\n"),
    "sequences without an end": _lines("\x1b]0;" + "x" * 1_500 + "\n"),
    "prefixes of others": _lines("web-1  | #12 3.4 [exec] " * 80 + "\n"),
    "words of all rules": _lines("FAILED error: Error at panic: ERR! Traceback fatal: undefined 1) \n"),
    "an echo before each exit": _lines("+ echo 'ab ab ab'\nab ab ab\n+ exit 1\n"),
    "groups": _lines("##[group]Run x\n##[endgroup]\n"),
    "dots": _lines("." * 3_999 + "\n"),
    "four-byte letters": _lines("\U0001f4a5" * 999 + "\n"),
    "stamps within the step": _lines(f"{STAMP}\n"),
    "noise": _noise,
}


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("step", [None, SPAN], ids=["whole", "step"])
def test_a_hostile_log_is_read_within_its_time_and_kept(name: str, step: tuple[str, str] | None) -> None:
    buffer = LogBuffer()
    buffer.add(LOGS[name]().encode())
    begun = thread_time()
    limit = CpuBudget()
    text, _ = buffer.finish()
    assert len(text) > SIZE // 2
    try:
        found = excerpt_text(text, FailedJob(step=step), limit)
        assert len(found.lines) <= 100
        assert all(len(line) <= 2_000 for line in found.lines)
    except CpuBudgetExceeded:
        pass
    assert thread_time() - begun < MOST


def test_every_stage_is_within_the_budget() -> None:
    """With none left, the first stage that has anything to do ends it."""
    for log in (f"{STAMP}a\n" * 100, "##[error]no\n" * 100, "a\n" * 100):
        with pytest.raises(CpuBudgetExceeded):
            excerpt_text(log.encode(), FailedJob(step=SPAN), CpuBudget(0))
