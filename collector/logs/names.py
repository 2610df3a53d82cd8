"""Which file of a run's log archive belongs to which job. Pure.

`N_job name.txt` holds the whole log of a job; N is an order that nothing else tells (it begins at 0 or 1, may be
negative, and shifts between jobs). Characters that file names may not hold are left out or replaced, long names are
cut at 90 UTF-16 units, and jobs can share a name, so a name alone is not always proof; a log's own line
`Complete job name: …` (since 2023) is.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_FILE = re.compile(r"^-?\d+_([^/\\]+)\.txt$", re.DOTALL)
_LEFT_OUT = re.compile(r"[/\\:*?\"<>|_\s\x00-\x1f\x7f\ufffd]+")
_OWN_NAME = re.compile(rb"(?:^|\n)[^\n]{0,40}Complete job name: ([^\n]+)")
# A name of this length may have been cut; GitHub cuts at 90.
_CUT_FROM = 85


@dataclass(frozen=True)
class Matching:
    """`certain`: a job and its file, each the only one for the other. `doubtful`: files of which one may be the job's,
    if its log says so itself."""

    certain: Mapping[int, str]
    doubtful: Mapping[int, tuple[str, ...]]


def match(files: Sequence[str], jobs: Sequence[tuple[int, str]]) -> Matching:
    """`files` are names of all entries, `jobs` ids and names of all jobs of the attempt. What lies in folders (steps,
    system.txt, and whatever else) is nobody's."""
    bases = {file: found[1] for file in files if (found := _FILE.match(file))}
    of_job: dict[int, list[str]] = defaultdict(list)
    of_file: dict[str, list[int]] = defaultdict(list)
    names = {job: _strict(name) for job, name in jobs}
    by_name: dict[str, list[int]] = defaultdict(list)
    for job, name in names.items():
        by_name[name].append(job)
    for file, base in bases.items():
        whole, owners = _strict(base), list(by_name.get(_strict(base), ()))
        if _units(base) >= _CUT_FROM:
            owners += [job for job, name in names.items() if name.startswith(whole) and name != whole]
        for job in owners:
            of_job[job].append(file)
            of_file[file].append(job)
    certain = {job: found[0] for job, found in of_job.items() if len(found) == 1 and len(of_file[found[0]]) == 1}
    doubtful = {job: tuple(found) for job, found in of_job.items() if job not in certain}
    doubtful |= _loosely(bases, jobs, of_job, of_file)
    # Two jobs of one name could both be meant by a log's own word.
    alone = Counter(_spaced(name) for _, name in jobs)
    return Matching(
        certain, {job: doubtful[job] for job, name in jobs if job in doubtful and alone[_spaced(name)] == 1}
    )


def own_name(text: bytes | bytearray) -> str | None:
    """What a log calls its job, near its beginning."""
    found = _OWN_NAME.search(text, 0, 65_536)
    return _spaced(found[1].decode("utf-8", "replace")) if found else None


def same_name(told: str, name: str) -> bool:
    """Whether a log's own name is the job's; only white space does not count."""
    return _spaced(told) == _spaced(name)


def _loosely(
    bases: Mapping[str, str],
    jobs: Sequence[tuple[int, str]],
    of_job: Mapping[int, Sequence[str]],
    of_file: Mapping[str, Sequence[int]],
) -> dict[int, tuple[str, ...]]:
    """By letters and digits alone, for what is left over."""
    files: dict[str, list[str]] = defaultdict(list)
    for file, base in bases.items():
        if not of_file.get(file):
            files[_loose(base)].append(file)
    left = [(job, name) for job, name in jobs if not of_job.get(job)]
    return {job: tuple(files[_loose(name)]) for job, name in left if _loose(name) in files}


def _spaced(name: str) -> str:
    return " ".join(name.split())


def _strict(name: str) -> str:
    return _LEFT_OUT.sub("", name)


def _loose(name: str) -> str:
    return "".join(each for each in name.casefold() if each.isalnum())


def _units(name: str) -> int:
    """Length in UTF-16, as GitHub counts."""
    return len(name.encode("utf-16-le", "replace")) // 2
