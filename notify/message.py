"""A message as people will read it. Plain text throughout: each channel escapes for itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Message:
    """`fields` are pairs of label and value, `links` of label and URL; `resolved` marks good news. `whole` is its
    headline for people who did not hear of the beginning. `data` is for programs: JSON, as docs/alerts.md says."""

    subject: str
    headline: str
    fields: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    resolved: bool = False
    whole: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "headline": self.headline,
            "fields": [list(pair) for pair in self.fields],
            "lines": list(self.lines),
            "links": [list(pair) for pair in self.links],
            "resolved": self.resolved,
            "whole": self.whole,
            "data": dict(self.data),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Message":
        return cls(
            subject=str(data.get("subject", "")),
            headline=str(data.get("headline", "")),
            fields=tuple((str(label), str(value)) for label, value in data.get("fields", ())),
            lines=tuple(str(line) for line in data.get("lines", ())),
            links=tuple((str(label), str(url)) for label, url in data.get("links", ())),
            resolved=bool(data.get("resolved", False)),
            whole=str(data.get("whole", "")),
            data=dict(data.get("data") or {}),
        )
