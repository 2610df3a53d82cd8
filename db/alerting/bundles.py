"""Which news go out in one message: a storm is one message, not one for each place it hits. Pure."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from db.alerting.transitions import Reason

# More than these of one rule in one evaluation are one message.
STORM = 4


@dataclass(frozen=True)
class News:
    """Of the alert `alert_id`. `group_id`: it was told together with others before; `cause`: what the failing jobs
    have in common with those of other places, where that is known."""

    alert_id: int
    rule_id: int
    reason: Reason
    group_id: int | None = None
    cause: str | None = None


def bundle(news: Sequence[News]) -> list[list[News]]:
    """What was told together stays together; what opens from one cause, and more than STORM of one rule and reason, is
    told together. In the order of their first."""
    bundles: dict[Hashable, list[News]] = {}
    many = Counter((each.rule_id, each.reason) for each in news)
    causes = Counter((each.rule_id, each.reason, each.cause) for each in news)
    for each in news:
        place: Hashable = ("alone", each.alert_id)
        if each.group_id is not None:
            place = ("group", each.reason, each.group_id)
        elif many[each.rule_id, each.reason] > STORM:
            place = ("storm", each.reason, each.rule_id)
        elif each.cause and causes[each.rule_id, each.reason, each.cause] > 1:
            place = ("cause", each.reason, each.rule_id, each.cause)
        bundles.setdefault(place, []).append(each)
    return list(bundles.values())
