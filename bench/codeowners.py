"""Benchmark of CODEOWNERS files: `python -m bench.codeowners [LINES] [PATHS]`.

Parses a file like that of a large monorepo, and looks up the owners of that many paths. Prints the times, and those of
a file of a quarter of the lines, which show the growth."""

import random
import sys
import time

from health.teams.codeowners import parse

LINES, PATHS = 3_000, 20_000
_SUFFIXES = ("js", "ts", "py", "go", "md", "sql", "proto", "yml", "tsx", "rs", "java", "kt", "css", "html", "tf")


class Monorepo:
    """A file with `lines` rules and the paths of a repository to which it belongs, the same for the same numbers."""

    def __init__(self, lines: int, seed: int = 7) -> None:
        self._dice = random.Random(seed)
        self._directories = [self._directory() for _ in range(lines)]
        self.text = "\n".join(self._line(number) for number in range(lines))

    def path(self) -> str:
        directory = self._dice.choice(self._directories)
        return f"{directory}/file_{self._dice.randrange(200)}.{self._dice.choice(_SUFFIXES)}"

    def _directory(self) -> str:
        return "/".join(f"part{self._dice.randrange(40)}" for _ in range(self._dice.randrange(1, 7)))

    def _line(self, number: int) -> str:
        dice, directory = self._dice, self._directories[number]
        patterns = [
            f"/{directory}/",
            f"/{directory}/*",
            f"{directory}/**/test_*.{dice.choice(_SUFFIXES)}",
            f"*_{number}.{dice.choice(_SUFFIXES)}",
            f"**/module{number}/",
            f"package{number}/",
            f"/{directory}/*.{dice.choice(_SUFFIXES)}",
        ]
        if number == 0:
            return "* @acme/everybody"
        return f"{dice.choice(patterns)} @acme/team{dice.randrange(60)}"


def _seconds(lines: int, paths: int) -> tuple[float, float]:
    repository = Monorepo(lines)
    names = [repository.path() for _ in range(paths)]
    start = time.perf_counter()
    codeowners = parse(repository.text)
    parsed = time.perf_counter()
    for name in names:
        codeowners.owners_of(name)
    return parsed - start, time.perf_counter() - parsed


def main(arguments: list[str]) -> None:
    lines, paths = [int(value) for value in arguments] or [LINES, PATHS]
    for size in (lines // 4, lines):
        parsing, matching = min(_seconds(size, paths) for _ in range(3))
        print(f"{size:,} lines: parsed in {parsing:.3f} s; owners of {paths:,} paths in {matching:.3f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
