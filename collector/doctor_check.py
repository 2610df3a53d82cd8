"""What the doctor says of one thing."""

from dataclasses import dataclass

from db.telemetry.foreign import clean

# Several repositories and what is wrong with them fit.
_LONGEST = 4_000


@dataclass(frozen=True)
class Check:
    """`ok` is null where there is nothing to check, or nothing that somebody must do. `name` and `detail` may repeat
    what servers say: they are cleaned."""

    name: str
    ok: bool | None
    detail: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", clean(self.name, 200))
        object.__setattr__(self, "detail", clean(self.detail, _LONGEST))
