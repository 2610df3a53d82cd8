"""Text in CSV files that people open in a spreadsheet."""

import unicodedata

# https://owasp.org/www-community/attacks/CSV_Injection; also behind what a spreadsheet does not show.
_FORMULA = ("=", "+", "-", "@")


def as_text(value: str) -> str:
    """The value, with an apostrophe in front where a spreadsheet would take it for a formula: also after spaces and
    invisible characters, and in the full-width forms, which some turn into the usual ones."""
    for character in value:
        if unicodedata.category(character)[0] not in "ZC":
            return f"'{value}" if unicodedata.normalize("NFKC", character).startswith(_FORMULA) else value
    return value
