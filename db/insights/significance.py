"""How sure a difference is. Pure."""

from collections.abc import Sequence
from math import exp, lgamma, sqrt

_Z = 1.959963984540054


def wilson_lower(part: int, whole: int) -> float:
    """The lower bound of the 95 % interval of a share (E. B. Wilson, "Probable Inference, the Law of Succession, and
    Statistical Inference", 1927): 1 of 1 ranks below 30 of 60."""
    if not whole:
        return 0.0
    share = part / whole
    centre = share + _Z * _Z / (2 * whole)
    spread = _Z * sqrt(share * (1 - share) / whole + _Z * _Z / (4 * whole * whole))
    return max((centre - spread) / (1 + _Z * _Z / whole), 0.0)


def fisher_worse(failed: int, passed: int, failed_before: int, passed_before: int) -> float:
    """The p-value of Fisher's exact test, one-sided: how likely at least so many of the failures are now, if nothing
    had changed (R. A. Fisher, "The Design of Experiments", 1935)."""
    now, before, failures = failed + passed, failed_before + passed_before, failed + failed_before
    every = _log_ways(now + before, failures)
    ways = (
        exp(_log_ways(now, k) + _log_ways(before, failures - k) - every)
        for k in range(max(failed, failures - before), min(now, failures) + 1)
    )
    return min(sum(ways), 1.0)


def welch_t(before: Sequence[float], after: Sequence[float]) -> float:
    """Difference of the means in units of its standard error (B. L. Welch, 1947); above 0 where `after` is larger.
    Samples without any spread are taken to spread by a second, as GitHub writes whole seconds."""
    errors = sum(max(_variance(sample), 1.0) / len(sample) for sample in (before, after))
    return (_mean(after) - _mean(before)) / sqrt(errors)


def _log_ways(whole: int, part: int) -> float:
    """The logarithm of "whole choose part"."""
    return lgamma(whole + 1) - lgamma(part + 1) - lgamma(whole - part + 1)


def _mean(sample: Sequence[float]) -> float:
    return sum(sample) / len(sample)


def _variance(sample: Sequence[float]) -> float:
    middle = _mean(sample)
    return sum((value - middle) ** 2 for value in sample) / (len(sample) - 1)
