"""Archives from outside: what is read out of them, and what is refused."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from collector.logs import archive as unpack
from collector.logs.archive import InvalidArchive, LogArchive
from tests.collector.recordings import FOLDER, MISSING


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    made.seek(0)
    return made


def logs(archive: LogArchive, *names: str) -> list[str | None]:
    jobs = list(enumerate(names))
    matching = archive.matching(jobs)
    found = [archive.log_for_job(matching, job, name) for job, name in jobs]
    archive.close()
    return [bytes(log.finish()[0]).decode() if log else None for log in found]


def test_each_job_gets_its_own_log_without_byte_order_mark() -> None:
    archive = LogArchive(packed({
        "0_build.txt": b"\xef\xbb\xbfbuilt\r\n", "1_test _ unit.txt": b"\xef\xbb\xbftested\r\n",
        "build/system.txt": b"no", "build/1_Set up job.txt": b"no", "../2_lint.txt": b"no", "/3_lint.txt": b"no",
    }))  # fmt: skip
    assert logs(archive, "build", "test / unit", "lint") == ["built\n", "tested\n", None]


def test_where_names_are_no_proof_the_log_itself_is() -> None:
    long = "a name of ninety characters and more, which is what archives cut down to, so that it "
    archive = LogArchive(packed({
        f"0_{long}.txt": f"Complete job name: {long} (two)\nsecond".encode(),
        f"1_{long}.txt": f"Complete job name: {long} (one)\nfirst".encode(),
        f"2_{long}.txt": b"says nothing",
    }))  # fmt: skip
    first, second, third = logs(archive, f"{long} (one)", f"{long} (two)", f"{long} (three)")
    assert (first or "").endswith("first")
    assert (second or "").endswith("second")
    assert third is None


def test_a_log_that_calls_itself_otherwise_is_not_taken() -> None:
    assert logs(LogArchive(packed({"0_test.txt": b"Complete job name: test*\n"})), "test") == [None]


def test_names_in_any_script_are_read_without_the_flag_for_it() -> None:
    raw = packed({"0_t\u00fcst \U0001f40d.txt": b"x"}).getvalue()
    flagged, plain = struct.pack("<H", 0x800), struct.pack("<H", 0)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = raw.index(signature) + offset
        assert raw[place : place + 2] == flagged
        raw = raw[:place] + plain + raw[place + 2 :]
    assert logs(LogArchive(io.BytesIO(raw)), "t\u00fcst \U0001f40d") == ["x"]


def test_of_a_huge_log_only_the_ends_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.logs.buffer.HEAD_BYTES", 1_000)
    monkeypatch.setattr("collector.logs.buffer.TAIL_BYTES", 1_000)
    text = "".join(f"line {number}\n" for number in range(500_000)).encode()
    (log,) = logs(LogArchive(packed({"0_build.txt": text})), "build")
    assert log is not None
    assert len(log) < 70_000
    assert log.endswith("line 499999\n")


@pytest.mark.parametrize("sent", [b"", b"PK", b"<html>gateway timeout</html>", b"PK\x05\x06", b"x" * 200_000])
def test_what_is_no_archive_is_refused(sent: bytes) -> None:
    with pytest.raises(InvalidArchive, match=r"not a zip archive|cannot be read"):
        LogArchive(io.BytesIO(sent))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_an_archive_that_broke_off_is_refused(share: float) -> None:
    whole = packed({f"{number}_job {number}.txt": b"text " * 100 for number in range(20)}).getvalue()
    with pytest.raises(InvalidArchive):
        LogArchive(io.BytesIO(whole[: int(len(whole) * share)]))


def test_a_damaged_log_is_refused_and_the_others_are_read() -> None:
    made = packed({"0_good.txt": b"good", "1_bad.txt": b"bad " * 1_000}, zipfile.ZIP_STORED).getvalue()
    archive = LogArchive(io.BytesIO(made.replace(b"bad bad", b"bad!bad", 1)))
    jobs = [(1, "good"), (2, "bad")]
    matching = archive.matching(jobs)
    assert archive.log_for_job(matching, 1, "good") is not None
    with pytest.raises(InvalidArchive, match="CRC"):
        archive.log_for_job(matching, 2, "bad")
    archive.close()


def test_too_many_entries_are_refused_before_they_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = packed({f"{number}_job.txt": b"" for number in range(unpack.MAX_ENTRIES + 1)})
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(InvalidArchive, match="20,001 entries"):
        LogArchive(made)


def test_a_list_that_says_it_is_huge_is_refused() -> None:
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 3, 3, 400_000_000, 0, 0)
    with pytest.raises(InvalidArchive, match="400,000,000 bytes"):
        LogArchive(io.BytesIO(b"x" * 1_000 + end))


def test_a_second_list_for_huge_archives_is_refused() -> None:
    whole = packed({"0_a.txt": b"a"}).getvalue()
    with pytest.raises(InvalidArchive, match="zip64"):
        LogArchive(io.BytesIO(whole[:-22] + b"PK\x06\x07" + b"\0" * 16 + whole[-22:]))


def test_an_entry_that_unpacks_to_far_more_than_logs_do_is_refused() -> None:
    with pytest.raises(InvalidArchive, match="would unpack to 60,000,000"):
        LogArchive(packed({"0_build.txt": b"\0" * 60_000_000}))


def test_an_entry_that_lies_about_its_size_is_not_read_beyond_it() -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = bomb.compress(b"x" * 30_000_000) + bomb.flush()
    name = b"0_build.txt"
    check, told = zlib.crc32(b"x" * 100), 100
    sizes = struct.pack("<LLL", check, len(body), told)
    local = b"PK\x03\x04" + struct.pack("<5H", 20, 0, 8, 0, 0) + sizes + struct.pack("<HH", len(name), 0) + name + body
    listed = (
        b"PK\x01\x02" + struct.pack("<6H", 20, 20, 0, 8, 0, 0) + sizes
        + struct.pack("<5H2L", len(name), 0, 0, 0, 0, 0, 0) + name
    )  # fmt: skip
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(listed), len(local), 0)
    (log,) = logs(LogArchive(io.BytesIO(local + listed + end)), "build")
    assert log == "x" * 100


def test_a_log_beyond_the_limit_is_refused_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = LogArchive(packed({"0_build.txt": b"x" * 1_000_000}))
    monkeypatch.setattr(unpack, "MAX_LOG_BYTES", 500_000)
    matching = archive.matching([(1, "build")])
    with pytest.raises(InvalidArchive, match="larger than 500,000"):
        archive.log_for_job(matching, 1, "build")
    archive.close()


def test_other_ways_of_packing_and_encrypted_entries_are_refused() -> None:
    with pytest.raises(InvalidArchive, match="method 14"):
        LogArchive(packed({"0_build.txt": b"x"}, zipfile.ZIP_LZMA))
    raw = bytearray(packed({"0_build.txt": b"x"}).getvalue())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InvalidArchive, match="encrypted"):
        LogArchive(io.BytesIO(bytes(raw)))


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
@pytest.mark.parametrize("year", ["2021", "2022", "2023", "2026"])
def test_real_logs_come_out_as_they_are(year: str) -> None:
    folder: Path = next(path.parent for path in sorted((FOLDER / "job_logs" / year).rglob("2_test*.txt")))
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.txt")}
    jobs = [path.name for path in sorted(folder.iterdir()) if path.is_dir()]
    found = logs(LogArchive(packed(files)), *jobs)
    assert len(found) > 1
    for name, log in zip(jobs, found, strict=True):
        (own,) = [text for file, text in files.items() if "/" not in file and file.endswith(f"_{name}.txt")]
        assert log == own.decode().removeprefix("\ufeff").replace("\r\n", "\n")
