"""Weekly digests."""

from datetime import date
from typing import Any

from pydantic import Field

from api.schemas.base import Schema, Time, example
from health.digest.content import WeeklyDigest
from health.digest.message import digest_json

_DIGEST: dict[str, Any] = {
    "team": "Payments", "week": "2026-11-16", "since": "2026-11-15T23:00:00Z", "until": "2026-11-22T23:00:00Z",
    "figures": [{
        "name": "success_rate", "label": "Success rate", "current": "91.3%", "previous": "94.0%", "change": "-2.7 pp",
        "is_improvement": False,
    }],
    "worse": ["Success rate: 91.3% (94.0% the week before, -2.7 pp)"],
    "better": ["3 alerts resolved"],
    "tasks": [{
        "headline": "acme/ledger / CI has been failing on main", "why": "5 failures in a row", "run_id": 7398123456,
        "alert_id": 12,
    }],
    "new_causes": [{"cause_id": "4f1c9ad02b6e8d73", "line": "FAILED tests/test_cart.py::test_total", "runs": 6,
                    "known": None}],
    "known_causes": [], "completeness": "The data of both weeks is complete.", "is_complete": True,
}  # fmt: skip


class DigestFigure(Schema):
    name: str = Field(description="Name of the figure, as in `changes` of /api/metrics/compare")
    label: str
    current: str = Field(description="The figure of the week, as the dashboard writes it")
    previous: str = Field(description="The figure of the week before")
    change: str | None = Field(description="Null where the two weeks cannot be compared")
    is_improvement: bool | None = Field(description="Null where the difference may be chance or neither is better")


class DigestTask(Schema):
    headline: str
    why: str
    run_id: int | None
    alert_id: int | None


class DigestCause(Schema):
    cause_id: str
    line: str
    runs: int
    known: str | None = Field(description="The mark of a known cause, with its ticket and owner")


class Digest(Schema):
    model_config = example(_DIGEST)
    team: str | None = Field(description="Null for the digest of all teams")
    week: date = Field(description="The Monday of the week")
    since: Time
    until: Time
    figures: list[DigestFigure]
    worse: list[str]
    better: list[str]
    tasks: list[DigestTask] = Field(description="The three things most worth doing, of /api/insights/attention")
    new_causes: list[DigestCause] | None = Field(
        description="Causes first seen in the week; null if the week before is not completely stored"
    )
    known_causes: list[DigestCause]
    completeness: str
    is_complete: bool = Field(description="Whether the data of both weeks is complete")

    @classmethod
    def from_digest(cls, digest: WeeklyDigest) -> "Digest":
        return cls.model_validate(digest_json(digest))


class DigestSent(Schema):
    model_config = example({"channels": ["payments-slack"]})
    channels: list[str] = Field(description="The channels to which the collector sends it")
