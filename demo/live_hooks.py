"""Webhooks of the account as it lives, to one place."""

import asyncio
import sys

from demo.hooks import deliveries, post
from demo.world import World

_EVERY_SECONDS = 1.0
# Fast enough never to fall behind, slow enough for a small receiver.
_RATE = 100


async def tell(world: World, url: str, secret: str, every_seconds: float = _EVERY_SECONDS) -> None:
    """Sends what happens from now on, for ever. Trouble is said once, not at every delivery."""
    since, trouble = world.clock(), ""
    while True:
        await asyncio.sleep(every_seconds)
        world.advance()
        until = world.clock()
        sent = await post(deliveries(world, since, until), url, secret, _RATE)
        since = until
        wrong = next((f"{each.status or each.error}" for each in sent if not 200 <= each.status < 300), "")
        if wrong and not trouble:
            print(f"--webhooks {url}: {wrong}; trying on.", file=sys.stderr, flush=True)
        trouble = wrong if sent else trouble
