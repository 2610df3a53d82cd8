"""Deliveries as they reach a receiver in the worst case: in another order, twice, lost, forged, with nulls."""

import asyncio
import json
import uuid
from collections.abc import Sequence
from dataclasses import replace

from demo.webhooks.delivery import Delivery, Sent, post
from demo.webhooks.events import encode_body
from demo.world.seeded_random import seeded_random

_FORGER_SECRET = "somebody else's"
# Fields that are null in webhooks of GitHub at times.
_NULLABLE = {
    "workflow_run": ("head_branch", "head_commit", "head_repository", "actor", "triggering_actor", "name"),
    "workflow_job": ("head_branch", "runner_id", "runner_name", "runner_group_name", "workflow_name"),
}


def send(
    deliveries: Sequence[Delivery], url: str, secret: str, rate_per_second: float, *, connections: int = 32,
    timeout: float = 10,
) -> list[Sent]:  # fmt: skip
    """Run post() of demo.webhooks.delivery to its end."""
    return asyncio.run(post(deliveries, url, secret, rate_per_second, connections=connections, timeout=timeout))


def shuffled(deliveries: Sequence[Delivery], seed: str = "shuffle") -> list[Delivery]:
    result = list(deliveries)
    seeded_random(seed).shuffle(result)
    return result


def duplicated(deliveries: Sequence[Delivery], share: float = 0.1, seed: str = "duplicate") -> list[Delivery]:
    """Repeat a share of the deliveries later in the list, with the same id."""
    rng, result = seeded_random(seed), list(deliveries)
    for delivery in [delivery for delivery in deliveries if rng.random() < share]:
        result.insert(rng.randint(result.index(delivery) + 1, len(result)), delivery)
    return result


def dropped(deliveries: Sequence[Delivery], share: float = 0.1, seed: str = "drop") -> list[Delivery]:
    """Leave out a share of the deliveries."""
    rng = seeded_random(seed)
    return [delivery for delivery in deliveries if rng.random() >= share]


def forged(deliveries: Sequence[Delivery], share: float = 0.1, seed: str = "forge") -> list[Delivery]:
    """Add after a share of the deliveries another one with false content and a wrong signature."""
    rng, result = seeded_random(seed), list[Delivery]()
    for delivery in deliveries:
        result.append(delivery)
        if rng.random() < share:
            body = json.loads(delivery.body)
            body[delivery.event] |= {"status": "completed", "conclusion": "failure", "head_branch": "forged"}
            number = str(uuid.UUID(int=rng.getrandbits(128), version=4))
            result.append(replace(delivery, id=number, body=encode_body(body), signing_secret=_FORGER_SECRET))
    return result


def is_forged(delivery: Delivery) -> bool:
    return delivery.signing_secret is not None


def nulled(deliveries: Sequence[Delivery], share: float = 0.1, seed: str = "null") -> list[Delivery]:
    """Set fields of a share of the deliveries to null."""
    rng, result = seeded_random(seed), list[Delivery]()
    for delivery in deliveries:
        if rng.random() < share:
            body, names = json.loads(delivery.body), _NULLABLE[delivery.event]
            body[delivery.event] |= dict.fromkeys(rng.sample(names, rng.randint(1, len(names))))
            body |= dict.fromkeys(name for name in ("sender", "organization") if rng.random() < 0.5)
            result.append(replace(delivery, body=encode_body(body)))
        else:
            result.append(delivery)
    return result
