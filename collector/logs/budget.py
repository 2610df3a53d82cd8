"""CPU time that reading one log may take. Pure."""

import time

# Seconds of CPU time of the thread that reads the log.
CPU_BUDGET = 2.0
# Loop iterations between two readings of the clock, which costs as much as a short iteration.
_CHECK_EVERY = 32


class CpuBudgetExceeded(Exception):
    """Reading took more CPU time than one log may use."""


class CpuBudget:
    """Starts when it is created, and belongs to the thread that created it."""

    def __init__(self, seconds: float | None = None) -> None:
        self._deadline = time.thread_time() + (CPU_BUDGET if seconds is None else seconds)
        self._remaining = 0

    def check(self) -> None:
        """Raises CpuBudgetExceeded. For operations that may take long."""
        if time.thread_time() > self._deadline:
            raise CpuBudgetExceeded

    def step(self) -> None:
        """The same for one of many short iterations."""
        self._remaining -= 1
        if self._remaining < 0:
            self._remaining = _CHECK_EVERY
            self.check()
