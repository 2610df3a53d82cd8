"""Results of a search over stored logs."""

from typing import Any, Self

from pydantic import Field

from api.schemas.base import Schema, Time, example
from health.log_search.coverage import Coverage
from health.log_search.query import MatchingLine
from health.log_search.search import LogMatch, LogSearch

_LINE: dict[str, Any] = {
    "line": 412, "text": "Error: connect ECONNREFUSED 10.0.0.7:5432", "offset": 0, "positions": [[15, 27]],
    "before": ["$ npm test"], "after": ["    at TCPConnectWrap.afterConnect"],
}  # fmt: skip
_MATCH: dict[str, Any] = {
    "run": {
        "id": 7398123456, "repo": "acme/web-app", "workflow": "CI", "workflow_id": 90001001, "run_number": 1750,
        "attempt": 1, "title": "fix(cart): round half to even", "event": "push", "branch": "main",
        "conclusion": "failure", "created_at": "2026-11-20T09:14:02Z",
    },
    "job": {"id": 20877123001, "name": "test (3.11)", "conclusion": "failure"},
    "matching_lines": 3, "all_lines_read": True, "lines": [_LINE],
}  # fmt: skip
_SUMMARY: dict[str, Any] = {
    "next": None, "partial": False, "window": {"since": "2026-10-21T09:00:00Z", "until": "2026-11-20T09:00:00Z"},
    "logs": {
        "stored": 14210, "excluded_by_index": 14190, "read": 20, "unread": 0, "unindexed": 2, "unreadable": [],
        "unfinished": [], "unclassified": None,
    },
    "failed_jobs_without_log": {"expired": 12, "pruned": 0, "missing": 3, "pending": 1, "not_requested": 0},
}  # fmt: skip


class SearchedRun(Schema):
    id: int
    repo: str
    workflow: str
    workflow_id: int
    run_number: int
    attempt: int = Field(description="The attempt of the job")
    title: str
    event: str
    branch: str | None
    conclusion: str | None = Field(description="Conclusion of the run, by its latest attempt")
    created_at: Time


class SearchedJob(Schema):
    id: int
    name: str
    conclusion: str | None


class SearchLine(Schema):
    line: int = Field(description="Number of the line, from 1")
    text: str = Field(description="The line without time and colours; of a long line, 400 characters")
    offset: int = Field(description="Characters of the line before `text`")
    positions: list[tuple[int, int]] = Field(description="Start and end of each match, in characters of `text`")
    before: list[str]
    after: list[str]

    @classmethod
    def from_line(cls, line: MatchingLine) -> Self:
        return cls(
            line=line.number,
            text=line.text,
            offset=line.offset,
            positions=list(line.spans),
            before=list(line.before),
            after=list(line.after),
        )


class SearchMatch(Schema):
    """A log with matches."""

    model_config = example(_MATCH)
    run: SearchedRun
    job: SearchedJob
    matching_lines: int = Field(description="At most 1,000 are counted")
    all_lines_read: bool = Field(description="False: the log can have more matching lines than were counted")
    lines: list[SearchLine] = Field(description="The first matching lines")

    @classmethod
    def from_match(cls, match: LogMatch) -> Self:
        return cls(
            run=SearchedRun.from_row(match, id=match.run_id),
            job=SearchedJob(id=match.job_id, name=match.job, conclusion=match.job_conclusion),
            matching_lines=match.matches.count,
            all_lines_read=match.matches.is_complete,
            lines=[SearchLine.from_line(line) for line in match.matches.lines],
        )


class SearchWindow(Schema):
    since: Time
    until: Time


class SearchSkippedLog(Schema):
    repo: str
    run_id: int
    job_id: int
    job: str


class SearchedLogs(Schema):
    stored: int | None = Field(description="Stored logs that match the filters; null if counting them takes too long")
    excluded_by_index: int = Field(description="Logs that cannot match by the index, before all filters of runs")
    read: int = Field(description="Logs that this request read")
    unread: int = Field(description="At most so many further logs can match; `next` continues with them")
    unindexed: int = Field(description="Logs that are not in the index yet; they are read")
    unreadable: list[SearchSkippedLog] = Field(description="Logs whose stored text is damaged")
    unfinished: list[SearchSkippedLog] = Field(
        description="A log that takes longer than the time limit of a request: a part was searched, without a match"
    )
    unclassified: int | None = Field(
        description="With `class`: logs of failed jobs whose causes are not extracted yet, which are not searched; "
        "null without `class`, and if counting takes too long"
    )


class JobsWithoutLog(Schema):
    """Failed jobs that match the filters and have no stored log: a search cannot find them."""

    expired: int = Field(description="GitHub deleted the log before it was fetched")
    pruned: int = Field(description="The log was deleted after LOG_RETENTION_DAYS")
    missing: int = Field(description="GitHub has no log, or it could not be fetched")
    pending: int = Field(description="The log will be fetched")
    not_requested: int = Field(description="The log was not fetched, for example because of COLLECT_LOGS")


class SearchSummary(Schema):
    model_config = example(_SUMMARY)
    next: str | None = Field(description="Cursor of the next page; null if all logs were searched")
    partial: bool = Field(description="The time limit ended the search before `limit` logs with matches were read")
    window: SearchWindow
    logs: SearchedLogs
    failed_jobs_without_log: JobsWithoutLog | None = Field(description="Null if counting them takes too long")

    @classmethod
    def from_search(cls, search: LogSearch, coverage: Coverage | None) -> Self:
        window = search.request.window
        return cls(
            next=search.next,
            partial=search.is_partial,
            window=SearchWindow(since=window.since, until=window.until),
            logs=SearchedLogs(
                stored=coverage.stored if coverage else None,
                excluded_by_index=search.excluded,
                read=search.read,
                unread=search.unread,
                unindexed=search.unindexed,
                unreadable=[SearchSkippedLog.model_validate(log) for log in search.unreadable],
                unfinished=[SearchSkippedLog.model_validate(log) for log in search.unfinished],
                unclassified=coverage.unclassified if coverage else None,
            ),
            failed_jobs_without_log=JobsWithoutLog.model_validate(coverage) if coverage else None,
        )


class SearchPage(SearchSummary):
    model_config = example({"items": [_MATCH], **_SUMMARY})
    items: list[SearchMatch]
