"""How much CPU time one log may take until its cause is known. Pure."""

import time

# Seconds of CPU time of the thread that reads the log.
CPU_BUDGET = 2.0
# Steps of a loop between two looks at the clock, which takes as long as a short step.
_STEPS = 32


class OverBudget(Exception):
    """Looking for the cause took more CPU time than one log may take."""


class Budget:
    """Begins when it is made, and belongs to the thread that made it."""

    def __init__(self, seconds: float | None = None) -> None:
        self._ends = time.thread_time() + (CPU_BUDGET if seconds is None else seconds)
        self._left = 0

    def check(self) -> None:
        """Raises OverBudget. For what may take long by itself."""
        if time.thread_time() > self._ends:
            raise OverBudget

    def step(self) -> None:
        """The same for one of many steps."""
        self._left -= 1
        if self._left < 0:
            self._left = _STEPS
            self.check()
