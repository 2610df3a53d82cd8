"""Search over stored logs: what the index excludes, what is read, and what a search says it could not cover."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session

from db.definitions.records import LogRecord, RunDetailsRecord
from db.definitions.scope import Scope, Window
from db.engine import session_scope, write_scope
from db.enums import LogState
from db.jobs.job_writes import store_run_details
from db.logs.log_writes import record_failed_fetch, store_log
from db.migrate import downgrade, upgrade
from db.models import JobLog, LogSearchEntry, LogSearchPosting, LogSearchSegment
from db.repositories.repository_writes import get_repository
from db.runs.run_writes import upsert_runs
from db.time_limit import TimeLimitExceeded, time_limit
from health.log_search import candidates, index, postings, trigrams
from health.log_search import search as log_search
from health.log_search.candidates import CandidateSearch
from health.log_search.coverage import Coverage, log_coverage
from health.log_search.query import LogQuery
from health.log_search.search import LogMatch, LogSearch, LogSearchRequest
from health.retention import prune, prune_logs
from tests.builders import NOON, add_repository, job, run, store_jobs, store_runs

WINDOW = Window(NOON - timedelta(days=60), NOON + timedelta(days=1))
STAMP = "2026-11-18T12:00:00.0000000Z "


@pytest.fixture(autouse=True)
def _repository(engine: Engine) -> None:
    add_repository(engine)


@dataclass(frozen=True)
class Log:
    """A failed run of one job, both of that id, created so many hours ago."""

    id: int
    text: str
    hours: float = 0
    name: str = "build"
    branch: str = "main"


def add_log(engine: Engine, job_id: int, text: str, *, hours: float = 0) -> None:
    add_logs(engine, Log(job_id, text, hours))


def add_logs(engine: Engine, *logs: Log) -> None:
    """In one transaction, without roll-ups."""
    with write_scope(engine) as session:
        repository = get_repository(session, 1)
        upsert_runs(
            session,
            repository,
            [run(log.id, minutes=-log.hours * 60, conclusion="failure", branch=log.branch) for log in logs],
        )
        details = [
            RunDetailsRecord(log.id, (), (job(log.id, conclusion="failure", name=log.name),), NOON) for log in logs
        ]
        store_run_details(session, repository, details)
        for log in logs:
            _store(session, log.id, log.text, NOON)


def store_text(engine: Engine, job_id: int, text: str, minutes: float = 0) -> None:
    with write_scope(engine) as session:
        _store(session, job_id, text, NOON + timedelta(minutes=minutes))


def _store(session: Session, job_id: int, text: str, now: datetime) -> None:
    lines = "\n".join(STAMP + line for line in text.split("\n"))
    record = LogRecord(job_id, job_id, LogState.STORED, lines, len(lines))
    store_log(session, 1, record, now)


def search(
    engine: Engine, text: str, *, regex: bool = False, case: bool = False, seconds: float = 20, **more: Any
) -> tuple[list[LogMatch], LogSearch]:
    query = LogQuery(text, is_expression=regex, case_sensitive=case)
    request = LogSearchRequest(query, more.pop("scope", Scope()), more.pop("window", WINDOW), **more)
    with session_scope(engine) as session:
        page = LogSearch(session, request, seconds=seconds)
        return list(page.results()), page


def ids(engine: Engine, text: str, **more: Any) -> list[int]:
    return [match.job_id for match in search(engine, text, **more)[0]]


def count(engine: Engine, model: Any) -> int:
    with session_scope(engine) as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def make_segment(engine: Engine, logs: int) -> None:
    index.index_logs(engine, seconds=20)
    assert index.create_segment(engine, logs=logs)


def test_logs_are_in_the_results_before_and_after_they_are_indexed(engine: Engine) -> None:
    add_log(engine, 1, "npm install\nError: connect ECONNREFUSED 10.0.0.7:5432\nbye", hours=3)
    add_log(engine, 2, "\x1b[31mE\x1b[0mrror: connect ECONNREFUSED 10.0.0.8:5432", hours=2)
    add_log(engine, 3, "all is well", hours=1)
    found, page = search(engine, "econnrefused 10.0.0.")
    assert ([match.job_id for match in found], page.unindexed, page.read, page.excluded) == ([2, 1], 3, 3, 0)
    assert index.index_logs(engine, seconds=20) == 3
    found, page = search(engine, "Error: connect")
    assert ([match.job_id for match in found], page.unindexed, page.read, page.excluded) == ([2, 1], 0, 2, 1)
    assert index.create_segment(engine, logs=3)
    assert (count(engine, LogSearchEntry), count(engine, LogSearchSegment)) == (0, 1)
    found, page = search(engine, "Error: connect")
    assert ([match.job_id for match in found], page.read, page.excluded) == ([2, 1], 2, 1)
    line = found[1].matches.lines[0]
    assert (line.number, line.text, line.spans) == (2, "Error: connect ECONNREFUSED 10.0.0.7:5432", ((0, 14),))
    assert (line.before, line.after) == (("npm install",), ("bye",))
    assert ids(engine, STAMP.strip()) == []
    # A log that arrives later is a result at once.
    add_log(engine, 4, "Error: connect ETIMEDOUT", hours=0.5)
    assert ids(engine, "Error: connect") == [4, 2, 1]


def test_a_replaced_log_is_searched_as_it_is_now(engine: Engine) -> None:
    add_log(engine, 1, "first text")
    add_log(engine, 2, "other text")
    make_segment(engine, 2)
    store_text(engine, 1, "second text", minutes=5)
    assert (ids(engine, "first text"), ids(engine, "second text")) == ([], [1])
    index.index_logs(engine, seconds=20)
    assert (ids(engine, "first text"), ids(engine, "second text"), ids(engine, " text")) == ([], [1], [2, 1])
    store_text(engine, 1, "third text", minutes=6)
    assert (ids(engine, "second text"), ids(engine, "third text")) == ([], [1])


def test_a_text_that_changes_while_it_is_indexed_stays_in_the_queue(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_log(engine, 1, "old text")
    log_trigrams = index.log_trigrams

    def replaced_meanwhile(content: bytes) -> bytes:
        monkeypatch.setattr(index, "log_trigrams", log_trigrams)
        store_text(engine, 1, "new words", minutes=5)
        return log_trigrams(content)

    monkeypatch.setattr(index, "log_trigrams", replaced_meanwhile)
    index._index_batch(engine)
    assert (ids(engine, "new words"), search(engine, "new words")[1].unindexed) == ([1], 1)


def test_deleted_logs_leave_results_and_index(engine: Engine) -> None:
    add_logs(engine, *(Log(number, f"common text {number}", 24 * (5 - number)) for number in range(1, 5)))
    make_segment(engine, 4)
    with write_scope(engine) as session:
        session.execute(delete(LogSearchEntry))
    list(prune(engine, NOON - timedelta(days=2), NOON))
    assert ids(engine, "common text") == [4, 3]
    assert list(index.remove_outdated_segments(engine)) == []
    store_text(engine, 3, "common text 3", minutes=-90)
    list(prune_logs(engine, NOON - timedelta(minutes=60)))
    assert ids(engine, "common text") == [4]
    assert list(index.remove_outdated_segments(engine)) == [4]
    assert (count(engine, LogSearchPosting), count(engine, LogSearchSegment), ids(engine, "common")) == (0, 0, [4])
    index.index_logs(engine, seconds=20)
    with session_scope(engine) as session:
        assert index.index_state(session) == index.IndexState(0, 1, 0)


def test_the_upgrade_queues_the_stored_logs_for_the_index(engine: Engine) -> None:
    add_logs(engine, *(Log(number, f"common text {number}", number) for number in (1, 2, 3)))
    make_segment(engine, 3)
    store_text(engine, 2, "common text 2", minutes=-90)
    list(prune_logs(engine, NOON - timedelta(minutes=60)))
    downgrade(engine, "0015")
    upgrade(engine)
    found, page = search(engine, "common text")
    assert ([match.job_id for match in found], page.unindexed, page.read) == ([1, 3], 2, 2)
    make_segment(engine, 2)
    assert (ids(engine, "common text"), count(engine, LogSearchEntry)) == ([1, 3], 0)


def test_results_follow_the_filters_newest_run_first_in_pages(engine: Engine) -> None:
    logs = []
    for number in range(1, 41):
        branch, name = ("main", "dev")[number % 2], ("test (3.11, a)", "lint")[number % 3 == 0]
        logs.append(Log(number, f"the error {number}\n" * 5, number, name, branch))
    add_logs(engine, *logs)
    make_segment(engine, 30)
    assert ids(engine, "the error", limit=50) == list(range(1, 41))
    assert ids(engine, "the error", limit=50, scope=Scope(branches=("dev",))) == list(range(1, 41, 2))
    assert ids(engine, "the error", limit=50, jobs=("lint",)) == list(range(3, 41, 3))
    assert ids(engine, "the error", limit=2, jobs=("test",)) == [1, 2]
    assert ids(engine, "the error", window=Window(NOON - timedelta(hours=9), NOON)) == list(range(1, 10))
    assert ids(engine, "the error", scope=Scope(repos=("acme/web",), workflows=("none",))) == []
    first, page = search(engine, "the error", limit=15, lines=2)
    assert (page.unread, page.is_partial, len(first)) == (25, False, 15)
    assert [(match.matches.count, len(match.matches.lines)) for match in first] == [(5, 2)] * 15
    add_log(engine, 100, "the error 100")
    second, page = search(engine, "the error", limit=15, cursor=page.next)
    third, page = search(engine, "the error", limit=15, cursor=page.next)
    assert [match.job_id for match in (*first, *second, *third)] == list(range(1, 41))
    assert (page.next, page.unread) == (None, 0)


def test_the_texts_of_few_logs_are_read_at_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the filters excluded many logs before."""
    add_logs(
        engine,
        *(Log(number, f"text {number}", number, branch="main" if number > 40 else "b") for number in range(1, 101)),
    )
    monkeypatch.setattr(log_search, "_MAX_TEXTS", 8)
    monkeypatch.setattr(log_search, "_FIRST_BATCH", 8)
    sizes = []
    read = LogSearch._read

    def counted(self: LogSearch, where: Any, keys: Any) -> Any:
        sizes.append(len(keys))
        return read(self, where, keys)

    monkeypatch.setattr(LogSearch, "_read", counted)
    assert ids(engine, "text", limit=100, scope=Scope(branches=("main",))) == list(range(41, 101))
    assert max(sizes) == 8
    sizes.clear()
    assert ids(engine, "text", limit=100) == list(range(1, 101))
    assert ids(engine, "text", limit=100, scope=Scope(branches=("none",))) == []


def test_a_search_that_runs_out_of_time_says_so_and_goes_on(engine: Engine) -> None:
    filler = "\nfiller" * 2_000
    add_logs(engine, *(Log(number, f"line {number} ab{filler}", number) for number in range(1, 30)))
    cursor, unread = None, []
    for _ in range(3):
        matches, page = search(engine, "line 29 AB", seconds=0.0, cursor=cursor)
        cursor = page.next
        unread.append(page.unread)
        assert (matches, page.is_partial) == ([], True)
    # Each request reads at least one log.
    assert unread == [28, 27, 26]
    matches, page = search(engine, "line 29 ab", seconds=20, cursor=cursor)
    assert [match.job_id for match in matches] == [29]
    assert (page.is_partial, page.next) == (False, None)


def test_an_expression_reads_at_least_one_log_after_the_time_limit(engine: Engine) -> None:
    add_logs(engine, *(Log(number, f"the error {number}", number) for number in (1, 2)))
    cursor, found = None, []
    for _ in range(2):
        matches, page = search(engine, r"the err.r \d", regex=True, seconds=0.0, cursor=cursor)
        cursor = page.next
        found += [match.job_id for match in matches]
        assert page.read == 1
    assert (found, cursor) == ([1, 2], None)


@pytest.mark.parametrize("pattern", ["a.*b|a", r"\b(?:a.*z)?", "((a?){30}){30}b|a"])
def test_the_time_of_an_expression_is_limited(pattern: str) -> None:
    """Each match of these reads the rest of the line."""
    text = ("a " * 2_000 + "\n") * 500
    query = LogQuery(pattern, is_expression=True, case_sensitive=False)
    begun = time.monotonic()
    matches = query.matches(text, lines=1, context=0, deadline=begun + 0.1)
    assert time.monotonic() - begun < 5
    assert not matches.is_complete


def test_texts_that_are_too_short_for_the_index_are_read(engine: Engine) -> None:
    add_log(engine, 1, "x = ab")
    add_log(engine, 2, "y = CD 東")
    make_segment(engine, 2)
    found, page = search(engine, "cd")
    assert ([match.job_id for match in found], page.read, page.excluded) == ([2], 2, 0)
    # Three bytes of one character are a trigram.
    found, page = search(engine, "東")
    assert ([match.job_id for match in found], page.read, page.excluded) == ([2], 1, 1)
    assert (ids(engine, "cd", case=True), ids(engine, "CD", case=True)) == ([], [2])


def test_error_lines_with_tabs_are_searched_for(engine: Engine) -> None:
    add_log(engine, 1, "FAIL\tgithub.com/acme/web\t0.1s")
    add_log(engine, 2, "FAIL github.com/acme/web 0.1s")
    make_segment(engine, 2)
    assert ids(engine, "FAIL\tgithub.com/acme/web\t0.1s") == [1]


@pytest.mark.parametrize(
    ("pattern", "found", "read"),
    [
        (r"timeout after \d+ ?ms", [1, 2], 2),
        (r"(refused|reset) by peer", [3], 1),
        (r"^exit (code )?1(37|39)$", [4], 1),
        (r"[0-9]{3}$", [4], 5),
        (r"(?i)GRÜSSE|timeout after 5", [1, 5], 3),
        (r"after.by peer|refused$", [], 0),
        # A quantifier applies to what is before flags and empty quotations.
        (r"exit codes(?i)* 137", [4], 5),
        (r"(exit of )+\Q\E*code 137", [4], 5),
        # A brace after which no ASCII number follows is a character.
        (r"timeout{²}", [], 0),
    ],
)
def test_regular_expressions_use_the_index_where_they_have_literals(
    engine: Engine, pattern: str, found: list[int], read: int
) -> None:
    texts = ("timeout after 5000 ms", "timeout after 30ms", "connection reset by peer", "exit code 137", "Grüsse")
    logs = (Log(number, f"begin\n{text}\nend", number) for number, text in enumerate(texts, start=1))
    add_logs(engine, *logs)
    make_segment(engine, 5)
    results, page = search(engine, pattern, regex=True)
    assert [match.job_id for match in results] == found
    assert page.read == read
    assert all(match.matches.lines[0].number == 2 for match in results)


def test_what_could_not_be_searched_is_counted(engine: Engine) -> None:
    add_log(engine, 1, "stored")
    add_log(engine, 2, "stored, then deleted")
    store_text(engine, 2, "stored, then deleted", minutes=-90)
    list(prune_logs(engine, NOON - timedelta(minutes=60)))
    for number in range(3, 8):
        hours = 24 * 100 if number == 7 else number
        store_runs(engine, run(number, minutes=-hours * 60, conclusion="failure"))
        store_jobs(engine, number, job(number, conclusion="failure"))
    with write_scope(engine) as session:
        record = LogRecord(3, 3, LogState.EXPIRED)
        store_log(session, 1, record, NOON)
        record_failed_fetch(session, 1, 4, 4, NOON, max_attempts=1)
        record_failed_fetch(session, 1, 5, 5, NOON)
    everything = Window(NOON - timedelta(days=300), NOON + timedelta(days=1))
    with session_scope(engine) as session:
        expected = Coverage(stored=1, expired=1, pruned=1, missing=1, pending=1, not_requested=1)
        assert log_coverage(session, Scope(), WINDOW, (), NOON) == expected
        assert log_coverage(session, Scope(), everything, ("build",), NOON) == Coverage(1, 2, 1, 1, 1, 1)
        assert log_coverage(session, Scope(), WINDOW, ("lint",), NOON) == Coverage(0)
        assert expected.without_log == 5


def test_counting_ends_at_its_time_limit_and_the_session_goes_on(engine: Engine) -> None:
    numbers = select(func.count()).select_from(
        select(func.generate_series(1, 10**9)).subquery()
        if engine.dialect.name == "postgresql"
        else _numbers_of_sqlite()
    )
    with session_scope(engine) as session:
        begun = time.monotonic()
        with pytest.raises(TimeLimitExceeded), time_limit(session, 0.2):
            session.execute(numbers)
        assert time.monotonic() - begun < 5
        assert log_coverage(session, Scope(), WINDOW, (), NOON) == Coverage(0)


def _numbers_of_sqlite() -> Any:
    start = select(func.abs(1).label("n")).cte("numbers", recursive=True)
    return start.union_all(select(start.c.n + 1).where(start.c.n < 10**9))


def test_logs_without_a_trigram_become_a_segment(engine: Engine) -> None:
    add_logs(engine, Log(1, ""), Log(2, "ab", 1))
    make_segment(engine, 2)
    assert (count(engine, LogSearchSegment), count(engine, LogSearchPosting), count(engine, LogSearchEntry)) == (
        1,
        0,
        0,
    )
    assert (ids(engine, "ab"), ids(engine, "abc")) == ([2], [])


def test_segments_are_exact(engine: Engine) -> None:
    """Every word of many random logs is a result of exactly the logs that contain it."""
    dice = np.random.default_rng(7)
    words = ["".join(dice.choice(list("abcdefgß東é \\[]"), 5)) for _ in range(60)]
    texts = {}
    for number in range(1, 41):
        texts[number] = " ".join(dice.choice(words, 12))
    add_logs(engine, *(Log(number, text, number) for number, text in texts.items()))
    make_segment(engine, 40)
    for word in (word for word in words if word.strip()):
        expected = [number for number, text in texts.items() if word.lower() in text.lower()]
        assert ids(engine, word, limit=50) == expected


def damage(engine: Engine, job_id: int) -> None:
    with write_scope(engine) as session:
        session.execute(update(JobLog).where(JobLog.job_id == job_id).values(content=b"damaged"))


def test_candidates_come_in_parts_and_a_search_goes_on_with_the_next_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part is of one segment here. The second segment covers the time of the two others."""
    monkeypatch.setattr(candidates, "SEGMENTS_AT_ONCE", 1)
    logs = [Log(number, f"line {number} of text", number) for number in range(1, 31)]
    add_logs(engine, *logs[20:])
    make_segment(engine, 10)
    add_logs(engine, logs[0], *logs[12:20], logs[29])
    make_segment(engine, 10)
    add_logs(engine, *logs[1:12])
    make_segment(engine, 9)
    assert count(engine, LogSearchSegment) == 3
    assert ids(engine, "of text", limit=50) == list(range(1, 31))
    reads = []
    segment_candidates = CandidateSearch._segment_candidates

    def counted(self: CandidateSearch, segment_ids: Any) -> Any:
        reads.append(len(segment_ids))
        return segment_candidates(self, segment_ids)

    monkeypatch.setattr(CandidateSearch, "_segment_candidates", counted)
    cursor, results, pages = None, [], 0
    while pages == 0 or cursor is not None:
        matches, page = search(engine, "of text", seconds=0.0, limit=50, cursor=cursor)
        cursor, pages = page.next, pages + 1
        results += [match.job_id for match in matches]
        assert page.is_partial == (page.unread > 0)
        assert (page.next is None) == (page.unread == 0)
    assert results == list(range(1, 31))
    reads.clear()
    # No log has this text: the search ends after the first part, although nothing was read.
    matches, page = search(engine, "nowhere at all", seconds=0.0)
    assert (matches, page.read, page.is_partial, page.unread > 0, len(reads) < 3) == ([], 0, True, True, True)
    cursor, pages = page.next, 1
    while cursor is not None:
        matches, page = search(engine, "nowhere at all", seconds=0.0, cursor=cursor)
        cursor, pages = page.next, pages + 1
        assert matches == []
    assert pages <= 3


def test_another_version_of_the_index_excludes_nothing_until_it_is_built_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_logs(engine, *(Log(number, f"old line {number}", number) for number in (1, 2, 3)))
    make_segment(engine, 3)
    add_log(engine, 4, "old line 4")
    index.index_logs(engine, seconds=20)
    assert search(engine, "line 2")[1].excluded == 3
    for module in (trigrams, postings):
        monkeypatch.setattr(module, "INDEX_VERSION", 2)
    matches, page = search(engine, "line 2")
    assert ([match.job_id for match in matches], page.excluded, page.read) == ([2], 0, 4)
    assert list(index.remove_old_versions(engine)) == [3]
    assert (count(engine, LogSearchSegment), count(engine, LogSearchPosting)) == (0, 0)
    assert index.index_logs(engine, seconds=20) == 3
    # The entry of the old version goes back to the queue instead of into a segment.
    assert not index.create_segment(engine, logs=4)
    make_segment(engine, 4)
    assert (search(engine, "line 2")[1].excluded, ids(engine, "old line")) == (3, [4, 1, 2, 3])
    assert list(index.remove_old_versions(engine)) == []


def test_an_index_without_a_version_is_of_the_first_one(engine: Engine) -> None:
    content = trigrams.pack(np.array([5, 900, 70_000], np.uint32))
    for packed in (content, content[:-1]):
        unpacked = trigrams.unpack(packed)
        assert unpacked is not None
        assert unpacked.tolist() == [5, 900, 70_000]
    assert trigrams.unpack(content[:-1] + b"\x02") is None


@pytest.mark.parametrize("is_indexed", [False, True])
def test_a_damaged_log_is_skipped_and_named(engine: Engine, *, is_indexed: bool) -> None:
    add_logs(engine, *(Log(number, f"the error {number}", number) for number in (1, 2, 3)))
    if is_indexed:
        index.index_logs(engine, seconds=20)
    damage(engine, 2)
    matches, page = search(engine, "the error")
    assert [match.job_id for match in matches] == [1, 3]
    assert [(log.repo, log.run_id, log.job_id) for log in page.unreadable] == [("acme/web", 2, 2)]
    assert (page.read, page.is_partial, page.unread, page.unfinished) == (2, False, 0, [])


def test_a_damaged_log_does_not_stop_the_index(engine: Engine) -> None:
    add_logs(engine, *(Log(number, f"the error {number}", number) for number in (1, 2, 3)))
    damage(engine, 2)
    assert index.index_logs(engine, seconds=20) == 3
    assert index.create_segment(engine, logs=2)
    with session_scope(engine) as session:
        assert index.index_state(session) == index.IndexState(2, 0, 0, 1)
        assert index.unreadable_logs(session, limit=5) == [("acme/web", 2, 2)]
    assert [log.job_id for log in search(engine, "error 3")[1].unreadable] == [2]
    # A new text replaces the damaged one.
    store_text(engine, 2, "the error 2", minutes=5)
    assert (index.index_logs(engine, seconds=20), ids(engine, "the error")) == (1, [1, 2, 3])
    with session_scope(engine) as session:
        assert index.unreadable_logs(session, limit=5) == []


def test_a_log_that_takes_too_long_is_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_search, "TIME_LIMIT", 0.0)
    add_logs(engine, Log(1, "a b c\n" * 20_000, 1), Log(2, "z z", 2))
    matches, page = search(engine, r"\bz\b", regex=True, seconds=0.0)
    assert (matches, page.read, page.is_partial, page.unread) == ([], 0, True, 1)
    assert [(log.repo, log.run_id, log.job_id, log.job) for log in page.unfinished] == [("acme/web", 1, 1, "build")]
    assert ids(engine, r"\bz\b", regex=True, cursor=page.next) == [2]
