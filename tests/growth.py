"""How much more work a function has with more input."""

from collections.abc import Callable
from time import process_time
from typing import TypeVar

# With four times the input, linear work is four times as much, quadratic work sixteen times; this lies between them.
SUBQUADRATIC = 8.0
_REPEATS, _LEAST_SECONDS = 3, 0.008

T = TypeVar("T")


def growth(work: Callable[[T], object], made: Callable[[int], T], size: int) -> float:
    """CPU time of `work` on an input of four times `size`, as a multiple of that on one of `size`. `made` builds an
    input of a size, which is not timed. Each is the least of three measurements: others only add to it."""
    small, large = made(size), made(4 * size)
    return _seconds(work, large) / _seconds(work, small)


def _seconds(work: Callable[[T], object], given: T) -> float:
    best = float("inf")
    for _ in range(_REPEATS):
        number, spent, began = 0, 0.0, process_time()
        while spent < _LEAST_SECONDS:
            work(given)
            number, spent = number + 1, process_time() - began
        best = min(best, spent / number)
    return best
