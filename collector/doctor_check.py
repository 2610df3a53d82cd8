"""What the doctor says of one thing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """`ok` is null where there is nothing to check, or nothing that somebody must do."""

    name: str
    ok: bool | None
    detail: str
