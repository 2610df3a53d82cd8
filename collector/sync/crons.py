"""The schedule that a workflow file asks for. Pure."""

from typing import Any

import yaml

# GitHub takes no larger file.
MOST_BYTES = 512 * 1024
_MOST = 50


class UnreadableFile(ValueError):
    """It is no workflow file; one line for people."""


def crons_of(text: str) -> list[Any]:
    """The lines of `on.schedule`; none where it has no schedule. One that names a time zone is a mapping of `cron` and
    `timezone`, the others are their `cron` alone. A time zone that is no text is kept as what it is written like."""
    if len(text) > MOST_BYTES:
        raise UnreadableFile("the file is larger than GitHub takes")
    try:
        # Aliases are references to what stands once: a small file stays small.
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableFile(f"the file is no YAML ({type(error).__name__})") from None
    if not isinstance(found, dict):
        raise UnreadableFile("the file is no workflow")
    # YAML 1.1 reads the word `on` as true.
    events = found.get("on", found.get(True))
    schedule = events.get("schedule") if isinstance(events, dict) else None
    if not isinstance(schedule, list):
        return []
    lines = [each for each in schedule if isinstance(each, dict) and isinstance(each.get("cron"), str)]
    return [_line(each) for each in lines[:_MOST]]


def _line(given: dict[str, Any]) -> Any:
    cron = " ".join(given["cron"].split())[:100]
    if "timezone" not in given:
        return cron
    zone = given["timezone"]
    return {"cron": cron, "timezone": "" if zone is None else str(zone)[:100]}
