"""The differences of two logs."""

import random
import time
from collections.abc import Callable

import pytest

from app.logs.diff import MAX_LINES, MAX_ROWS, DiffRow, Fold, changed_span, compare_lines, diff_logs


def _stamped(lines: list[str], second: int) -> str:
    return "\n".join(f"2026-11-23T11:00:{(second + at) % 60:02d}.1234567Z {line}" for at, line in enumerate(lines))


def _shown(text_a: str, text_b: str) -> list[tuple[str | None, str | None]]:
    rows = diff_logs(text_a, text_b).rows
    return [
        (row.a.text if row.a else None, row.b.text if row.b else None)
        for row in rows
        if isinstance(row, DiffRow) and not row.equal
    ]


def test_times_durations_and_hashes_are_equal() -> None:
    a = [
        "Run tests",
        "HEAD is now at 6a7c9f1 fix",
        "tests passed in 3.21s",
        "\x1b[32mdone\x1b[0m at 11:02:03",
        "exit 0",
    ]
    b = ["Run tests", "HEAD is now at 762b1c4 fix", "tests passed in 1m 02s", "done at 11:59:59", "exit 0"]
    diff = diff_logs(_stamped(a, 0), _stamped(b, 40))
    assert (diff.changed, diff.omitted, diff.truncated) == (0, 0, False)
    assert diff.rows == [Fold(5, 1, 1)]


def test_other_numbers_are_different() -> None:
    assert _shown("start\n3 failed, 10 passed\nend", "start\n0 failed, 13 passed\nend") == [
        ("3 failed, 10 passed", "0 failed, 13 passed")
    ]
    assert changed_span("3 failed, 10 passed", "0 failed, 10 passed") == (0, 1, 1)
    assert changed_span("equal", "equal") == (5, 5, 5)
    assert changed_span("aa", "aaa") == (2, 2, 3)


def test_lines_have_the_numbers_of_their_logs_and_equal_parts_are_folded() -> None:
    before = [f"line {at}" for at in range(30)]
    diff = diff_logs("\n".join(before), "\n".join([*before[:10], "new", *before[10:20], *before[21:]]))
    assert diff.changed == 2
    numbers = [
        (row.a.number if row.a else None, row.b.number if row.b else None)
        for row in diff.rows
        if isinstance(row, DiffRow) and not row.equal
    ]
    assert numbers == [(None, 11), (21, None)]
    assert [row for row in diff.rows if isinstance(row, Fold)] == [Fold(7, 1, 1), Fold(4, 14, 15), Fold(6, 25, 25)]


def test_every_line_is_in_one_part() -> None:
    generator = random.Random(3)
    for _ in range(60):
        a = [generator.choice("abcdefgh") + str(generator.randrange(40)) for _ in range(generator.randrange(300))]
        b = [line for line in a if generator.random() > 0.2]
        for _ in range(generator.randrange(20)):
            b.insert(generator.randrange(len(b) + 1), generator.choice("xyz"))
        parts, partial = compare_lines(a, b)
        assert not partial
        at_a = at_b = 0
        for part in parts:
            assert (part.first_a, part.first_b) == (at_a, at_b)
            if part.equal:
                assert a[part.first_a : part.last_a] == b[part.first_b : part.last_b]
            at_a, at_b = part.last_a, part.last_b
        assert (at_a, at_b) == (len(a), len(b))


def _reversed_halves(lines: int) -> tuple[list[str], list[str]]:
    return [str(at) for at in range(lines)], [str(at) for at in reversed(range(lines))]


def _few_words(lines: int) -> tuple[list[str], list[str]]:
    generator = random.Random(5)
    return [generator.choice("ab") for _ in range(lines)], [generator.choice("ab") for _ in range(lines)]


def _pairs(lines: int) -> tuple[list[str], list[str]]:
    return [f"x{at // 2}" for at in range(lines)], [f"x{at // 2}" for at in range(lines, 0, -1)]


@pytest.mark.parametrize("made", [_reversed_halves, _few_words, _pairs])
def test_no_lines_take_quadratic_time(made: Callable[[int], tuple[list[str], list[str]]]) -> None:
    """20,000 × 20,000 comparisons would take minutes."""
    a, b = made(20_000)
    began = time.process_time()
    compare_lines(a, b)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("line", ["a" * 200_000, "0" * 200_000, "1:" * 100_000, "1 s" * 60_000, "f-" * 100_000])
def test_no_line_takes_long(line: str) -> None:
    began = time.process_time()
    diff_logs(f"{line}\nx", f"{line}\ny")
    assert time.process_time() - began < 2


def test_of_a_very_long_log_the_end_is_compared() -> None:
    before = [f"line {at}" for at in range(MAX_LINES + 10)]
    diff = diff_logs("\n".join(before), "\n".join([*before[:-1], "##[error]other"]))
    (row,) = (row for row in diff.rows if isinstance(row, DiffRow) and not row.equal)
    assert row.a is not None
    assert row.b is not None
    assert (row.a.number, row.b.number, row.b.text) == (MAX_LINES + 10, MAX_LINES + 10, "other")
    assert (diff.changed, diff.truncated) == (1, True)


def test_the_result_is_limited() -> None:
    diff = diff_logs("\n".join(f"a{at}" for at in range(30_000)), "\n".join(f"b{at}" for at in range(30_000)))
    assert len(diff.rows) == MAX_ROWS
    assert (diff.changed, diff.omitted, diff.truncated) == (30_000, 30_000 - MAX_ROWS, True)
    assert sum(len(row.a.text) for row in diff_logs("x" * 9_000, "y").rows if isinstance(row, DiffRow) and row.a) == 500
