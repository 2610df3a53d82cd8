"""Roles: what a user or an API key may do."""

from enum import IntEnum


class Role(IntEnum):
    """Each role includes those before it. VIEWER reads, and saves views of their own. EDITOR acknowledges and assigns
    alerts, silences, and triages failure causes. ADMIN changes rules, channels, teams, keys and settings, and sends
    tests and digests."""

    VIEWER = 1
    EDITOR = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        """The name in settings and on pages: viewer, editor, admin."""
        return self.name.lower()
