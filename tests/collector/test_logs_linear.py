"""The time that a log takes grows with its length, whatever stands in it."""

import time
from collections.abc import Callable

import pytest

from collector.logs.budget import CpuBudget
from collector.logs.buffer import LogBuffer
from collector.logs.excerpt import excerpt_text
from core.text import make_redactor

# Eight times the text; of quadratic work 64 times the time.
SHORT, LONG, MOST_TIMES = 125_000, 1_000_000, 24
# Below this much of CPU time for the longer text there is nothing to compare.
LITTLE_SECONDS = 0.3


def _repeated(text: str) -> Callable[[int], str]:
    return lambda size: text * (size // len(text))


EXIT = "\n##[error]Process completed with exit code 1.\n"
TEXTS = {
    "marks in one line": lambda size: "x" + "##[error]" * (size // 9) + EXIT,
    "marks in lines": _repeated("##[error]a\n"),
    "an echo": lambda size: f"+ echo '{'ab ' * (size // 6)}'\n{'ab ' * (size // 6)}\n+ exit 1{EXIT}",
    "half tokens": _repeated("eyJ-"),
    "tokens without an end": _repeated("eyJhbGciOiJIUzI1NiJ9."),
    "escapes": _repeated("\x1b[31"),
    "overwritten": _repeated("10%\r"),
    "groups": _repeated("##[group]a\n"),
    "blanks": _repeated("   \t"),
}


def seconds(action: Callable[[], object]) -> float:
    begun = time.process_time()
    action()
    return time.process_time() - begun


def read(text: str) -> None:
    buffer = LogBuffer()
    buffer.add(text.encode())
    # A busy machine takes more than the usual budget for the long text.
    excerpt_text(buffer.finish()[0], None, CpuBudget(60))


@pytest.mark.parametrize("work", [read, make_redactor(["hunter2-and-more"])], ids=["excerpt", "redaction"])
@pytest.mark.parametrize("name", TEXTS)
def test_eight_times_the_text_takes_about_eight_times_as_long(name: str, work: Callable[[str], object]) -> None:
    make = TEXTS[name]
    long = seconds(lambda: work(make(LONG)))
    if long > LITTLE_SECONDS:
        assert long < MOST_TIMES * max(seconds(lambda: work(make(SHORT))), 0.01)
