"""Text as every database takes it."""

import json
import re
from typing import Any

# The same as for what comes from GitHub: PostgreSQL takes neither NUL nor halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SUSPECT = re.compile(r"\\u(0000|[dD][89a-fA-F])|[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """With U+FFFD for what PostgreSQL refuses."""
    return _UNSTORABLE.sub("\ufffd", text) if _UNSTORABLE.search(text) else text


def storable_json(text: str) -> str:
    """The same for a JSON document, where such characters may be written as escapes."""
    if not _SUSPECT.search(text):
        return text
    document = json.loads(text, strict=False)
    cleaned = _cleaned(document)
    return text if cleaned == document else json.dumps(cleaned)


def ascii_json(text: str) -> str:
    """As SQLite's documents are written here, so that equal ones are equal text."""
    return text if text.isascii() else json.dumps(json.loads(text))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if isinstance(value, dict):
        return {storable(name): _cleaned(each) for name, each in value.items()}
    return value
