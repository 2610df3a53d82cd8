"""Which file of a run's log archive belongs to which job. Pure.

`N_job name.txt` holds the whole log of a job; N is an order that nothing else tells (it begins at 0 or 1, may be
negative, and shifts between jobs). Characters that file names may not hold are left out or replaced, long names are
cut at 90 UTF-16 units, and jobs can share a name, so a name alone is not always proof; a log's own line
`Complete job name: …` (since 2023) is.

The archive of a run attempt's logs: a zip from outside, read with care and never unpacked to disk.
"""

import re
import struct
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from collector.logs.buffer import LogBuffer

_FILE = re.compile(r"^-?\d+_([^/\\]+)\.txt$", re.DOTALL)
_LEFT_OUT = re.compile(r"[/\\:*?\"<>|_\s\x00-\x1f\x7f\ufffd]+")
_OWN_NAME = re.compile(rb"(?:^|\n)[^\n]{0,40}Complete job name: ([^\n]+)")
# A name of this length may have been cut; GitHub cuts at 90.
_CUT_FROM = 85


@dataclass(frozen=True)
class ArchiveMatches:
    """`certain`: a job and its file, each the only one for the other. `doubtful`: files of which one may be the job's,
    if its log says so itself."""

    exact: Mapping[int, str]
    ambiguous: Mapping[int, tuple[str, ...]]


def match(files: Sequence[str], jobs: Sequence[tuple[int, str]]) -> ArchiveMatches:
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
        if _utf16_length(base) >= _CUT_FROM:
            owners += [job for job, name in names.items() if name.startswith(whole) and name != whole]
        for job in owners:
            of_job[job].append(file)
            of_file[file].append(job)
    certain = {job: found[0] for job, found in of_job.items() if len(found) == 1 and len(of_file[found[0]]) == 1}
    doubtful = {job: tuple(found) for job, found in of_job.items() if job not in certain}
    doubtful |= _match_loosely(bases, jobs, of_job, of_file)
    # Two jobs of one name could both be meant by a log's own word.
    alone = Counter(_spaced(name) for _, name in jobs)
    return ArchiveMatches(
        certain, {job: doubtful[job] for job, name in jobs if job in doubtful and alone[_spaced(name)] == 1}
    )


def name_in_log(text: bytes | bytearray) -> str | None:
    """What a log calls its job, near its beginning."""
    found = _OWN_NAME.search(text, 0, 65_536)
    return _spaced(found[1].decode("utf-8", "replace")) if found else None


def is_same_name(logged: str, name: str) -> bool:
    """Whether a log's own name is the job's; only white space does not count."""
    return _spaced(logged) == _spaced(name)


def _match_loosely(
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


def _utf16_length(name: str) -> int:
    """Length in UTF-16, as GitHub counts."""
    return len(name.encode("utf-16-le", "replace")) // 2


MAX_ENTRIES = 20_000
# Uncompressed bytes of one log, and of one archive as a whole.
MAX_LOG_BYTES, MAX_TOTAL_BYTES = 2_000_000_000, 8_000_000_000
# Logs shrink to a tenth or a fiftieth; a file this much larger than its packed form is none, from this size on.
MAX_RATIO, _RATIO_FROM = 300, 50_000_000
_CHUNK_BYTES, _HEAD_BYTES = 65_536, 65_536
_MAX_DIRECTORY_BYTES = 16_000_000
_END = struct.Struct("<4s4H2LH")
_KNOWN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


class InvalidArchive(Exception):
    """What is wrong with it, for the log."""


class LogArchive:
    """Open until closed. May be read from several threads; `read` gives one log without ever holding it whole."""

    def __init__(self, file: IO[bytes]) -> None:
        """Takes the file over. Raises BadArchive, and then closes it."""
        self._file = file
        try:
            _check_directory(file)
            self._zip = zipfile.ZipFile(file)
            self._entries = {_name(info): info for info in self._zip.infolist()}
            _check_sizes(self._zip.infolist())
        except InvalidArchive:
            file.close()
            raise
        except _READ_ERRORS as error:
            file.close()
            raise InvalidArchive(f"it cannot be read ({_reason(error)})") from None

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def matching(self, jobs: Sequence[tuple[int, str]]) -> ArchiveMatches:
        return match(list(self._entries), jobs)

    def log_for_job(self, matching: ArchiveMatches, job_id: int, name: str) -> LogBuffer | None:
        """The log of a job; null where it is not in here, or nothing proves that it is this one. Raises BadArchive."""
        if certain := matching.exact.get(job_id):
            told = self._own_name(certain)
            return self._read(certain) if told is None or is_same_name(told, name) else None
        told_by = {file: self._own_name(file) for file in matching.ambiguous.get(job_id, ())}
        proven = [file for file, told in told_by.items() if told is not None and is_same_name(told, name)]
        return self._read(proven[0]) if len(proven) == 1 else None

    def _own_name(self, file: str) -> str | None:
        try:
            with self._zip.open(self._entries[file]) as entry:
                return name_in_log(entry.read(_HEAD_BYTES))
        except _READ_ERRORS as error:
            raise InvalidArchive(f"{file[:100]!r} cannot be read ({_reason(error)})") from None

    def _read(self, file: str) -> LogBuffer:
        buffer = LogBuffer()
        try:
            with self._zip.open(self._entries[file]) as entry:
                while piece := entry.read(_CHUNK_BYTES):
                    buffer.add(piece)
                    if buffer.size > MAX_LOG_BYTES:
                        raise InvalidArchive(f"{file[:100]!r} is larger than {MAX_LOG_BYTES:,} bytes")
        except _READ_ERRORS as error:
            raise InvalidArchive(f"{file[:100]!r} cannot be read ({_reason(error)})") from None
        return buffer


def _check_directory(file: IO[bytes]) -> None:
    """Before the list of entries is read into memory: how long it says it is. Archives beyond 4 GB or 65,535 entries
    have a second list of their own kind, which no archive within the limits needs."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(max(size - 65_557, 0))
    tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END.size:
        raise InvalidArchive("it is no zip archive, or is cut off")
    if tail[max(place - 20, 0) : place].startswith(b"PK\x06\x07"):
        raise InvalidArchive("it is larger than any archive of logs should be (zip64)")
    *_, entries, directory, _, _ = _END.unpack_from(tail, place)
    if entries > MAX_ENTRIES or directory > _MAX_DIRECTORY_BYTES:
        raise InvalidArchive(f"it has {entries:,} entries in a list of {directory:,} bytes, more than is allowed")


def _check_sizes(infos: Sequence[zipfile.ZipInfo]) -> None:
    if len(infos) > MAX_ENTRIES:
        raise InvalidArchive(f"it has {len(infos):,} entries; {MAX_ENTRIES:,} are allowed")
    if sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        raise InvalidArchive(f"it would unpack to more than {MAX_TOTAL_BYTES:,} bytes")
    for info in infos:
        if info.flag_bits & 0x1:
            raise InvalidArchive("it is encrypted")
        if info.compress_type not in _KNOWN_METHODS:
            raise InvalidArchive(f"it is packed by method {info.compress_type}, which GitHub does not use")
        if info.file_size > MAX_LOG_BYTES:
            raise InvalidArchive(f"an entry would unpack to {info.file_size:,} bytes")
        if info.file_size > max(_RATIO_FROM, MAX_RATIO * info.compress_size):
            raise InvalidArchive(f"an entry of {info.compress_size:,} bytes would unpack to {info.file_size:,}")


def _name(info: zipfile.ZipInfo) -> str:
    """Without the flag for UTF-8, Python takes a name for DOS letters."""
    if info.flag_bits & 0x800:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _reason(error: BaseException) -> str:
    return re.sub(r"\s+", " ", str(error))[:120] or type(error).__name__
