"""Which runs a figure is about."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scope:
    """Values of one field are alternatives, fields narrow each other; an empty field does not filter.
    A repository is owner/name; a workflow is its name or its id. `own_branches` leaves out runs on a branch that has
    the name of the repository's default branch and is another one, as a fork's `main`: of `main`, the default branch of
    its repository, what is left are the runs on the default branch."""

    repos: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    conclusions: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    own_branches: bool = False

    def whole_sequence(self) -> "Scope":
        """Without what would hide the other side of a failure and its recovery."""
        return replace(self, conclusions=(), statuses=())
