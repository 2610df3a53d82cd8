"""The channels that send: those of the environment variables and the stored ones, read again while the program runs."""

from collections.abc import Mapping

from sqlalchemy import Engine

from db.engine import session_scope
from health.alerts.channels.base import Channel
from health.alerts.channels.definitions import ChannelDefinition
from health.alerts.channels.registry import ChannelSettings, UnusableChannel, build_channel
from health.alerts.storage.stored_channels import list_definitions


class ChannelLoader:
    """Returns the current channels by name. A channel is built again when its definition changes; an unusable one each
    time, because its reference may have a value meanwhile."""

    def __init__(self, engine: Engine, settings: ChannelSettings, environment: Mapping[str, Channel]) -> None:
        self._engine, self._settings, self._environment = engine, settings, dict(environment)
        self._built: dict[str, tuple[ChannelDefinition, Channel]] = {}

    def __call__(self) -> dict[str, Channel]:
        """Raises SQLAlchemyError."""
        with session_scope(self._engine) as session:
            definitions = [item for item in list_definitions(session) if item.enabled]
        self._built = {item.name: (item, self._build(item)) for item in definitions}
        return {**self._environment, **{name: channel for name, (_, channel) in self._built.items()}}

    def _build(self, definition: ChannelDefinition) -> Channel:
        known = self._built.get(definition.name)
        if known is not None and known[0] == definition and not isinstance(known[1], UnusableChannel):
            return known[1]
        return build_channel(self._settings, definition)
