"""The lines that syncs write to the log: a demo polls every six seconds, an outage lasts for hours."""

import logging

import pytest

from collector.context import RepositoryResult, SyncLog, SyncResult

REPOSITORIES = [RepositoryResult(number, f"acme/{number}", 0) for number in range(6)]


def test_syncs_without_changes_are_summed_up(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    log = SyncLog(lambda: now)
    with caplog.at_level(logging.INFO):
        for _ in range(150):
            log.record(SyncResult(REPOSITORIES), seconds=0.2, requests=7)
            now += 6.0
    assert caplog.messages == [
        "6 repositories synced, 0 rows changed, 7 requests",
        "6 repositories synced, 0 rows changed, 700 requests, 100 syncs",
    ]


def test_changes_are_logged_at_most_once_a_minute_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    log = SyncLog(lambda: now)
    with caplog.at_level(logging.INFO):
        for number in range(12):
            log.record(SyncResult(REPOSITORIES[:1], changed=number % 2), seconds=0.2, requests=1)
            now += 6.0
        log.record(SyncResult(REPOSITORIES[:1], changed=1), seconds=0.2, requests=1)
        now += 300.0
        log.record(SyncResult(REPOSITORIES[:1], changed=1), seconds=0.2, requests=1)
    assert caplog.messages == [
        "1 repository synced, 0 rows changed, 1 request",
        "1 repository synced, 5 rows changed, 10 requests, 10 syncs",
        "1 repository synced, 3 rows changed, 3 requests, 3 syncs",
    ]


def test_a_failure_is_logged_once_until_it_changes_and_its_end_at_once(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    log = SyncLog(lambda: now)
    failing = SyncResult(failures={"acme/web": "GitHub refused the token (401)"})
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            log.record(failing, seconds=0.1, requests=1)
            now += 6.0
        log.record(SyncResult(failures={"acme/web": "cannot reach GitHub"}), seconds=0.1, requests=1)
        now += 6.0
        log.record(SyncResult(REPOSITORIES[:1]), seconds=0.1, requests=1)
    assert caplog.messages == [
        "acme/web: GitHub refused the token (401)",
        "0 repositories synced, 0 rows changed, 1 request",
        "acme/web: cannot reach GitHub",
        "1 repository synced, 0 rows changed, 51 requests, 51 syncs",
    ]
