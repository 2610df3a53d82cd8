"""A wall clock of a program's own, which jumps or runs fast while everybody else's goes on."""

import os
import shutil
import struct
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
COMPILER = shutil.which("cc")
WITHOUT = "no C compiler: install one (apt-get install gcc) for tests of clocks that jump"


VARIABLES = ("LD_PRELOAD", "CHAOS_CLOCK")


class ShownClock:
    """`environment` makes a program show it. libfaketime is no choice: with it, time.sleep of Python 3.11 fails."""

    def __init__(self, folder: Path) -> None:
        library = folder / "clock.so"
        subprocess.run([str(COMPILER), "-O2", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        self.environment = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(folder / "clock")}
        self.show(time.time())

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "ShownClock":
        """The one that another process made."""
        made = cls.__new__(cls)
        made.environment = {name: environment[name] for name in VARIABLES}
        return made

    def show(self, moment: float, *, speed: float = 1.0) -> None:
        """From now on, in seconds since 1970. With another speed, the time since the boot runs by it, too."""
        setting = struct.pack("4d", time.monotonic(), moment, speed, float(speed != 1.0))
        number = os.open(self.environment["CHAOS_CLOCK"], os.O_WRONLY | os.O_CREAT)
        try:
            # In place: programs have it in their memory.
            os.pwrite(number, setting, 0)
        finally:
            os.close(number)

    def jump(self, days: float) -> None:
        """Away from the true time."""
        self.show(time.time() + days * 86_400)
