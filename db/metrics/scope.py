"""Which runs a figure is about."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scope:
    """Values of one field are alternatives, fields narrow each other; an empty field does not filter.
    A repository is owner/name; a workflow is its name or its id."""

    repos: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    conclusions: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    def whole_sequence(self) -> "Scope":
        """Without what would hide the other side of a failure and its recovery."""
        return replace(self, conclusions=(), statuses=())
