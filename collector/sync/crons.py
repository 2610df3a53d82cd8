"""The schedule that a workflow file asks for. Pure."""

import yaml

# GitHub takes no larger file.
MOST_BYTES = 512 * 1024
_MOST = 50


class UnreadableFile(ValueError):
    """It is no workflow file; one line for people."""


def crons_of(text: str) -> list[str]:
    """The cron lines of `on.schedule`; none where it has no schedule."""
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
    lines = [each.get("cron") for each in schedule if isinstance(each, dict)]
    return [" ".join(line.split())[:100] for line in lines if isinstance(line, str)][:_MOST]
