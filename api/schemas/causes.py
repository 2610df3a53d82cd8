"""Own rules for failure causes, their preview, and known causes."""

from datetime import datetime
from typing import Any, Self

from pydantic import AliasChoices, ConfigDict, Field

from api.schemas.base import MultiLineText, Schema, SingleLineText, Time, Window, example
from health.insights.causes import preview, rules, triage
from health.insights.causes.model import CauseClass

_BODY: dict[str, Any] = {
    "name": "Registry unavailable", "pattern": r"registry .*\b50[234]\b", "is_expression": True, "repos": ["acme/*"],
    "jobs": ["publish*"], "steps": [], "class": "infrastructure", "enabled": True,
}  # fmt: skip
_RULE: dict[str, Any] = {
    "id": 3, **_BODY, "cause_id": "5b0c6e1f7a3d9e428c5e0f1b", "created_at": "2026-11-23T11:52:10Z",
    "created_by": "ann", "updated_at": "2026-11-23T11:52:10Z", "applied_at": None,
}  # fmt: skip
_LINE: dict[str, Any] = {
    "repo": "acme/web-app", "workflow": "CI", "run_id": 7398123456, "run_number": 1750, "attempt": 1,
    "job_id": 20877123001, "job": "publish", "created_at": "2026-11-20T09:14:02Z",
    "line": "push: registry ghcr.io returned 503", "line_number": 412, "before": "unknown",
}  # fmt: skip
_PREVIEW: dict[str, Any] = {
    "window": {"since": "2026-10-24T11:52:10Z", "until": "2026-11-23T11:52:11Z"}, "jobs": 14, "runs": 12,
    "older_rules": 0,
    "causes": [{"cause_id": "8c5e0f1b7a3d9e428c5e0f1b", "class": "unknown", "line": "push failed", "jobs": 14}],
    "total_causes": 1, "classes": [{"before": "unknown", "after": "infrastructure", "jobs": 14}], "lines": [_LINE],
    "searched": 310, "excerpts": 0, "without_log": 4, "unread": 0, "partial": False,
}  # fmt: skip
_KNOWN: dict[str, Any] = {
    "ticket": "OPS-123", "owner": "platform team", "comment": "The registry is moved in week 49.",
    "until": "2026-12-07T00:00:00Z",
}  # fmt: skip
_KNOWN_CAUSE: dict[str, Any] = _KNOWN | {"cause_id": "8c5e0f1b7a3d9e428c5e0f1b"}


class CauseRuleBody(Schema):
    """A failed job whose failed step prints a line with `pattern` gets this cause. The oldest rule that matches
    applies. Case is ignored."""

    model_config = ConfigDict(
        extra="forbid", populate_by_name=True, serialize_by_alias=True, json_schema_extra={"example": _BODY}
    )
    name: SingleLineText
    pattern: str = Field(description="A text, or a regular expression (RE2), that matches within a line")
    is_expression: bool = False
    repos: list[str] = Field([], description="Shell-style patterns of owner/name; empty: all repositories")
    jobs: list[str] = Field(
        [], description="Shell-style patterns of names, with or without matrix values; empty: all jobs"
    )
    steps: list[str] = Field([], description="Shell-style patterns of names of the failed step; empty: all steps")
    kind: CauseClass = Field(alias="class")
    enabled: bool = True

    def to_rule(self, rule_id: int | None = None) -> rules.CauseRule:
        """Raises InvalidCauseRule for the first field that is invalid."""
        return rules.validate_rule(
            rules.CauseRule(
                name=self.name,
                pattern=self.pattern,
                kind=self.kind,
                is_expression=self.is_expression,
                repositories=tuple(self.repos),
                jobs=tuple(self.jobs),
                steps=tuple(self.steps),
                enabled=self.enabled,
                id=rule_id,
            )
        )


class NewCauseRule(CauseRuleBody):
    author: SingleLineText = Field("API", description="`created_by` of the rule")


class CauseRule(Schema):
    model_config = ConfigDict(
        from_attributes=True, populate_by_name=True, serialize_by_alias=True, json_schema_extra={"example": _RULE}
    )
    id: int
    name: str
    pattern: str
    is_expression: bool
    repos: list[str]
    jobs: list[str]
    steps: list[str]
    kind: CauseClass = Field(alias="class")
    enabled: bool
    cause_id: str = Field(description="Fingerprint of the causes that the rule names")
    created_at: Time
    created_by: str | None
    updated_at: Time
    applied_at: Time | None = Field(
        description="When the collector had applied the last change to the stored failures; null until then"
    )

    @classmethod
    def from_rule(cls, rule: rules.CauseRule) -> Self:
        return cls.from_row(rule, repos=rule.repositories, cause_id=rules.rule_fingerprint(rule.id or 0))


class CauseRules(Schema):
    model_config = example({"items": [_RULE]})
    items: list[CauseRule]


class PreviewedCause(Schema):
    model_config = ConfigDict(from_attributes=True, populate_by_name=True, serialize_by_alias=True)
    cause_id: str | None = Field(description="Null: no cause, or one that two failures cannot share")
    kind: CauseClass | None = Field(alias="class")
    line: str | None
    jobs: int


class ClassChange(Schema):
    before: CauseClass | None = Field(description="Class of the cause now; null: no cause")
    after: CauseClass = Field(description="Class with the rule; that of an older rule that matches, too")
    jobs: int


class PreviewedLine(Schema):
    repo: str
    workflow: str
    run_id: int
    run_number: int
    attempt: int
    job_id: int
    job: str
    created_at: Time = Field(description="created_at of the run")
    line: str
    line_number: int | None = Field(description="Number of the line in the log, from 1; null for an annotation")
    before: CauseClass | None


class CausePreview(Schema):
    model_config = example(_PREVIEW)
    window: Window
    jobs: int = Field(description="Failed jobs that match")
    runs: int = Field(description="Runs with such a job")
    older_rules: int = Field(description="Jobs among them that an older rule matches, so that their cause stays")
    causes: list[PreviewedCause] = Field(description="Causes of these jobs now, the 10 most frequent ones")
    total_causes: int
    classes: list[ClassChange] = Field(description="The most frequent change first")
    lines: list[PreviewedLine] = Field(description="First matching line of each of the 10 newest jobs")
    searched: int | None = Field(
        description="Failed jobs that the rule covers, whose log was searched; null if counting takes too long"
    )
    excerpts: int | None = Field(description="Failed jobs of which only the excerpt or the error line is stored")
    without_log: int | None = Field(description="Failed jobs without a stored log: they may match or not")
    unread: int = Field(description="At most so many logs were not searched because the time was up")
    partial: bool = Field(description="The time limit ended the search")

    @classmethod
    def from_preview(cls, result: preview.RulePreview) -> Self:
        causes = [PreviewedCause.from_row(cause, cause_id=cause.fingerprint) for cause in result.causes]
        return cls.from_row(result, causes=causes, partial=result.is_partial)


class KnownCause(Schema):
    """Ticket, owner, comment and end of the mark of a known cause."""

    model_config = example(_KNOWN_CAUSE)
    ticket: str | None
    owner: str | None
    comment: str | None
    until: Time | None = Field(description="Null: no end")
    cause_id: str = Field(
        validation_alias=AliasChoices("cause_id", "fingerprint"),
        description="Fingerprint that is marked, for `DELETE …/triage`. A cause whose lines have several fingerprints "
        "has the mark of any of them",
    )


class TriageBody(Schema):
    """Every field may be null or left out. `until` must be in the future; a time without an offset is UTC."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _KNOWN | {"until": None, "author": "ann"}})
    ticket: str | None = Field(None, description="An http or https address, or a key such as OPS-123")
    owner: str | None = None
    comment: MultiLineText | None = None
    until: datetime | None = Field(None, description="End of the mark; null: no end")
    author: SingleLineText = Field("API", description="`created_by` of a new mark")


class StoredTriage(KnownCause):
    model_config = example(
        {
            **_KNOWN_CAUSE,
            "created_at": "2026-11-23T11:52:10Z",
            "created_by": "ann",
            "updated_at": "2026-11-23T11:52:10Z",
        }
    )
    cause_id: str = Field(description="Current fingerprint of the cause")
    created_at: Time
    created_by: str | None
    updated_at: Time

    @classmethod
    def from_triage(cls, mark: triage.Triage, cause_id: str) -> Self:
        return cls.from_row(mark, cause_id=cause_id)
