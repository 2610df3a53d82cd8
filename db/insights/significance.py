"""How certain a difference is. Pure."""

from collections.abc import Sequence

import numpy as np

from db.metrics.distribution import Floats, Ints

# Terms of a sum below this share of 1 change no decision.
_NEGLIGIBLE = 1e-15


def fisher_worse(failed: int, passed: int, failed_before: int, passed_before: int) -> float:
    """The p-value of Fisher's exact test, one-sided: how likely at least so many of the failures are now, if nothing
    had changed (R. A. Fisher, "The Design of Experiments", 1935)."""
    one = [np.asarray([each], dtype=np.int64) for each in (failed, passed, failed_before, passed_before)]
    return float(fisher_worse_each(*one)[0])


def fisher_worse_each(
    failed: Ints, passed: Ints, failed_before: Ints, passed_before: Ints, *, mid: bool = False
) -> Floats:
    """As fisher_worse, of many tables. `mid`: the mid-p-value, which counts half of the table itself; the test of few
    runs is else far below its level (H. O. Lancaster, "Significance Tests in Discrete Distributions", 1961)."""
    now, before, failures = failed + passed, failed_before + passed_before, failed + failed_before
    logs = log_factorials(int((now + before).max(initial=0)))
    constant = _log_ways(logs, now + before, failures)
    most = np.minimum(now, failures)
    total = np.zeros(len(failed))
    first = np.maximum(failed, failures - before)
    for step in range(int((most - first).max(initial=-1)) + 1):
        term_at = np.minimum(first + step, most)
        ways = _log_ways(logs, now, term_at) + _log_ways(logs, before, failures - term_at)
        term = np.where(first + step <= most, np.exp(ways - constant), 0.0)
        total += term / 2 if mid and step == 0 else term
        # Beyond the mode the terms only fall.
        if bool(np.all((term < _NEGLIGIBLE) & (term_at * (now + before) >= now * failures))):
            break
    return np.minimum(total, 1.0)


def benjamini_hochberg(p_values: Sequence[float] | Floats, q: float) -> float:
    """The largest p-value that is a discovery when at most the share `q` of discoveries may be false; 0 where none is
    (Y. Benjamini, Y. Hochberg, "Controlling the False Discovery Rate", 1995)."""
    ordered = np.sort(np.asarray(p_values, dtype=np.float64))
    within = np.nonzero(ordered <= q * np.arange(1, len(ordered) + 1) / max(len(ordered), 1))[0]
    return float(ordered[within[-1]]) if len(within) else 0.0


def simes(p_values: Floats) -> Floats:
    """One p-value of several tests of the same hypothesis, a row a test (R. J. Simes, "An Improved Bonferroni
    Procedure for Multiple Tests of Significance", 1986); valid for tests that depend positively, as windows do of which
    one holds the other."""
    number = len(p_values)
    factors = number / np.arange(1, number + 1)
    found: Floats = np.minimum((np.sort(p_values, axis=0) * factors[:, None]).min(axis=0), 1.0)
    return found


def log_factorials(most: int) -> Floats:
    """The logarithms of 0! to most!."""
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, most + 1)))))


def _log_ways(logs: Floats, whole: Ints, part: Ints) -> Floats:
    """The logarithm of "whole choose part"."""
    found: Floats = logs[whole] - logs[part] - logs[whole - part]
    return found
