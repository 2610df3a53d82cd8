"""Why a message did not go out."""

from datetime import timedelta

from notify.text import clean


class DeliveryFailed(Exception):
    """One line without secrets, whatever the channel said. `retry_after` is set where the channel named a time;
    `permanent` where trying again cannot help (the webhook is gone, the recipient refused)."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None, permanent: bool = False) -> None:
        super().__init__(clean(message))
        self.retry_after = retry_after
        self.permanent = permanent
