"""The archive of a run attempt's logs: a zip from outside, read with care and never unpacked to disk."""

import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO

from collector.logs.buffer import LogBuffer
from collector.logs.names import Matching, match, own_name, same_name

MAX_ENTRIES = 20_000
# Uncompressed bytes of one log, and of one archive as a whole.
MAX_LOG_BYTES, MAX_TOTAL_BYTES = 2_000_000_000, 8_000_000_000
# Logs shrink to a tenth or a fiftieth; a file this much larger than its packed form is none, from this size on.
MAX_RATIO, _RATIO_FROM = 300, 50_000_000
_PIECE, _HEAD = 65_536, 65_536
_MAX_DIRECTORY_BYTES = 16_000_000
_END = struct.Struct("<4s4H2LH")
_KNOWN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


class BadArchive(Exception):
    """What is wrong with it, for the log."""


class Archive:
    """Open until closed. May be read from several threads; `read` gives one log without ever holding it whole."""

    def __init__(self, file: IO[bytes]) -> None:
        """Takes the file over. Raises BadArchive, and then closes it."""
        self._file = file
        try:
            _check_directory(file)
            self._zip = zipfile.ZipFile(file)
            self._entries = {_name(info): info for info in self._zip.infolist()}
            _check_sizes(self._zip.infolist())
        except BadArchive:
            file.close()
            raise
        except _UNREADABLE as error:
            file.close()
            raise BadArchive(f"it cannot be read ({_reason(error)})") from None

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def matching(self, jobs: Sequence[tuple[int, str]]) -> Matching:
        return match(list(self._entries), jobs)

    def log_of(self, matching: Matching, job_id: int, name: str) -> LogBuffer | None:
        """The log of a job; null where it is not in here, or nothing proves that it is this one. Raises BadArchive."""
        if certain := matching.certain.get(job_id):
            told = self._own_name(certain)
            return self._read(certain) if told is None or same_name(told, name) else None
        told_by = {file: self._own_name(file) for file in matching.doubtful.get(job_id, ())}
        proven = [file for file, told in told_by.items() if told is not None and same_name(told, name)]
        return self._read(proven[0]) if len(proven) == 1 else None

    def _own_name(self, file: str) -> str | None:
        try:
            with self._zip.open(self._entries[file]) as entry:
                return own_name(entry.read(_HEAD))
        except _UNREADABLE as error:
            raise BadArchive(f"{file[:100]!r} cannot be read ({_reason(error)})") from None

    def _read(self, file: str) -> LogBuffer:
        buffer = LogBuffer()
        try:
            with self._zip.open(self._entries[file]) as entry:
                while piece := entry.read(_PIECE):
                    buffer.add(piece)
                    if buffer.size > MAX_LOG_BYTES:
                        raise BadArchive(f"{file[:100]!r} is larger than {MAX_LOG_BYTES:,} bytes")
        except _UNREADABLE as error:
            raise BadArchive(f"{file[:100]!r} cannot be read ({_reason(error)})") from None
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
        raise BadArchive("it is no zip archive, or is cut off")
    if tail[max(place - 20, 0) : place].startswith(b"PK\x06\x07"):
        raise BadArchive("it is larger than any archive of logs should be (zip64)")
    *_, entries, directory, _, _ = _END.unpack_from(tail, place)
    if entries > MAX_ENTRIES or directory > _MAX_DIRECTORY_BYTES:
        raise BadArchive(f"it has {entries:,} entries in a list of {directory:,} bytes, more than is allowed")


def _check_sizes(infos: Sequence[zipfile.ZipInfo]) -> None:
    if len(infos) > MAX_ENTRIES:
        raise BadArchive(f"it has {len(infos):,} entries; {MAX_ENTRIES:,} are allowed")
    if sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        raise BadArchive(f"it would unpack to more than {MAX_TOTAL_BYTES:,} bytes")
    for info in infos:
        if info.flag_bits & 0x1:
            raise BadArchive("it is encrypted")
        if info.compress_type not in _KNOWN_METHODS:
            raise BadArchive(f"it is packed by method {info.compress_type}, which GitHub does not use")
        if info.file_size > MAX_LOG_BYTES:
            raise BadArchive(f"an entry would unpack to {info.file_size:,} bytes")
        if info.file_size > max(_RATIO_FROM, MAX_RATIO * info.compress_size):
            raise BadArchive(f"an entry of {info.compress_size:,} bytes would unpack to {info.file_size:,}")


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
