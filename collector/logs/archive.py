"""The archive of the logs of an attempt: an untrusted zip, which is never unpacked to disk.

`N_job name.txt` has the log of a job. N is an order that is documented nowhere: it begins at 0 or 1, may be negative,
and differs between jobs. Characters that are not allowed in file names are removed or replaced, long names are cut at
90 UTF-16 units, and jobs can share a name. So a file name does not always identify a job; the line
`Complete job name: …` in the log (since 2023) does.
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
# A name of this length may have been cut (GitHub cuts at 90).
_CUT_FROM = 85
MAX_ENTRIES = 20_000
# Uncompressed bytes of one log, and of one archive as a whole.
MAX_LOG_BYTES, MAX_TOTAL_BYTES = 2_000_000_000, 8_000_000_000
# Logs are compressed to a tenth or a fiftieth; a large file with a higher ratio is not a log.
MAX_RATIO, _RATIO_FROM = 300, 50_000_000
_CHUNK_BYTES, _HEAD_BYTES = 65_536, 65_536
_MAX_DIRECTORY_BYTES = 16_000_000
_END = struct.Struct("<4s4H2LH")
_KNOWN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


@dataclass(frozen=True)
class ArchiveMatches:
    """Files by job id. `exact`: the only file for the job, and the job the only one for the file. `ambiguous`:
    candidates, one of which may name the job in its log."""

    exact: Mapping[int, str]
    ambiguous: Mapping[int, tuple[str, ...]]


def match(files: Sequence[str], jobs: Sequence[tuple[int, str]]) -> ArchiveMatches:
    """`files`: names of all entries. `jobs`: ids and names of all jobs of the attempt. Files in folders (steps,
    system.txt) belong to no job."""
    bases = {file: match[1] for file in files if (match := _FILE.match(file))}
    of_job: dict[int, list[str]] = defaultdict(list)
    of_file: dict[str, list[int]] = defaultdict(list)
    names = {job: _strict(name) for job, name in jobs}
    by_name: dict[str, list[int]] = defaultdict(list)
    for job, name in names.items():
        by_name[name].append(job)
    for file, base in bases.items():
        strict_base, owners = _strict(base), list(by_name.get(_strict(base), ()))
        if _utf16_length(base) >= _CUT_FROM:
            owners += [job for job, name in names.items() if name.startswith(strict_base) and name != strict_base]
        for job in owners:
            of_job[job].append(file)
            of_file[file].append(job)
    exact = {job: names[0] for job, names in of_job.items() if len(names) == 1 and len(of_file[names[0]]) == 1}
    ambiguous = {job: tuple(names) for job, names in of_job.items() if job not in exact}
    ambiguous |= _match_loosely(bases, jobs, of_job, of_file)
    # The name in a log does not identify one of several jobs with that name.
    name_counts = Counter(_spaced(name) for _, name in jobs)
    return ArchiveMatches(
        exact, {job: ambiguous[job] for job, name in jobs if job in ambiguous and name_counts[_spaced(name)] == 1}
    )


def name_in_log(text: bytes | bytearray) -> str | None:
    """The name of the job in the first lines of its log; null if there is none."""
    match = _OWN_NAME.search(text, 0, 65_536)
    return _spaced(match[1].decode("utf-8", "replace")) if match else None


def is_same_name(logged: str, name: str) -> bool:
    """Whether the names are equal but for white space."""
    return _spaced(logged) == _spaced(name)


def _match_loosely(
    bases: Mapping[str, str],
    jobs: Sequence[tuple[int, str]],
    of_job: Mapping[int, Sequence[str]],
    of_file: Mapping[str, Sequence[int]],
) -> dict[int, tuple[str, ...]]:
    """Files by job id, for files and jobs without a match, compared by letters and digits only."""
    files: dict[str, list[str]] = defaultdict(list)
    for file, base in bases.items():
        if not of_file.get(file):
            files[_loose(base)].append(file)
    unmatched = [(job, name) for job, name in jobs if not of_job.get(job)]
    return {job: tuple(files[_loose(name)]) for job, name in unmatched if _loose(name) in files}


def _spaced(name: str) -> str:
    return " ".join(name.split())


def _strict(name: str) -> str:
    return _LEFT_OUT.sub("", name)


def _loose(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _utf16_length(name: str) -> int:
    """Length in UTF-16, as GitHub counts."""
    return len(name.encode("utf-16-le", "replace")) // 2


class InvalidArchive(Exception):
    """The archive cannot be used; the message says why."""


class LogArchive:
    """Must be closed. Safe to use from several threads; a log is read in chunks."""

    def __init__(self, file: IO[bytes]) -> None:
        """Takes ownership of the file. Raises InvalidArchive, after closing it."""
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
        """The log of a job; null if the archive does not have it, or no file can be identified as this log. Raises
        InvalidArchive."""
        if file := matching.exact.get(job_id):
            logged_name = self._logged_name(file)
            return self._read(file) if logged_name is None or is_same_name(logged_name, name) else None
        logged_names = {file: self._logged_name(file) for file in matching.ambiguous.get(job_id, ())}
        matches = [file for file, logged in logged_names.items() if logged is not None and is_same_name(logged, name)]
        return self._read(matches[0]) if len(matches) == 1 else None

    def _logged_name(self, file: str) -> str | None:
        try:
            with self._zip.open(self._entries[file]) as entry:
                return name_in_log(entry.read(_HEAD_BYTES))
        except _READ_ERRORS as error:
            raise InvalidArchive(f"{file[:100]!r} cannot be read ({_reason(error)})") from None

    def _read(self, file: str) -> LogBuffer:
        buffer = LogBuffer()
        try:
            with self._zip.open(self._entries[file]) as entry:
                while chunk := entry.read(_CHUNK_BYTES):
                    buffer.add(chunk)
                    if buffer.size > MAX_LOG_BYTES:
                        raise InvalidArchive(f"{file[:100]!r} is larger than {MAX_LOG_BYTES:,} bytes")
        except _READ_ERRORS as error:
            raise InvalidArchive(f"{file[:100]!r} cannot be read ({_reason(error)})") from None
        return buffer


def _check_directory(file: IO[bytes]) -> None:
    """Checks the stated size of the directory before zipfile reads it into memory. zip64, for archives beyond 4 GB or
    65,535 entries, is rejected: no archive within the limits needs it. Raises InvalidArchive."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(max(size - 65_557, 0))
    tail = file.read()
    position = tail.rfind(b"PK\x05\x06")
    if position < 0 or len(tail) - position < _END.size:
        raise InvalidArchive("it is not a zip archive, or is truncated")
    if tail[max(position - 20, 0) : position].startswith(b"PK\x06\x07"):
        raise InvalidArchive("it is larger than any archive of logs should be (zip64)")
    *_, entries, directory, _, _ = _END.unpack_from(tail, position)
    if entries > MAX_ENTRIES or directory > _MAX_DIRECTORY_BYTES:
        raise InvalidArchive(f"it has {entries:,} entries in a directory of {directory:,} bytes, more than is allowed")


def _check_sizes(infos: Sequence[zipfile.ZipInfo]) -> None:
    if len(infos) > MAX_ENTRIES:
        raise InvalidArchive(f"it has {len(infos):,} entries; {MAX_ENTRIES:,} are allowed")
    if sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        raise InvalidArchive(f"it would unpack to more than {MAX_TOTAL_BYTES:,} bytes")
    for info in infos:
        if info.flag_bits & 0x1:
            raise InvalidArchive("it is encrypted")
        if info.compress_type not in _KNOWN_METHODS:
            raise InvalidArchive(f"it is compressed by method {info.compress_type}, which GitHub does not use")
        if info.file_size > MAX_LOG_BYTES:
            raise InvalidArchive(f"an entry would unpack to {info.file_size:,} bytes")
        if info.file_size > max(_RATIO_FROM, MAX_RATIO * info.compress_size):
            raise InvalidArchive(f"an entry of {info.compress_size:,} bytes would unpack to {info.file_size:,}")


def _name(info: zipfile.ZipInfo) -> str:
    """The file name. Without the flag for UTF-8, Python decodes names as cp437."""
    if info.flag_bits & 0x800:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _reason(error: BaseException) -> str:
    return re.sub(r"\s+", " ", str(error))[:120] or type(error).__name__
