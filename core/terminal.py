"""What a terminal shows of text that programs wrote for one: escape sequences, overwritten text, UTF-16. Pure.

Sequences are those of ECMA-48 and xterm (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html), with 7-bit and 8-bit
introducers, and as programs print them where the escape character itself got lost. All expressions are linear in the
length of the text: quantifiers are possessive, and no string goes beyond the next introducer."""

import re
from collections.abc import Callable, Sequence

ESC = "\x1b"
_STRING_END = r"(?:\x07|\x1b\\|\x9c)"
_IN_STRING = r"[^\x07\x1b\x90\x98\x9c-\x9f\n\r]*+"
# A control sequence, a control string with its terminator, a designation of characters, any other escape.
ESCAPES = (
    r"\x1b\[[0-?]*+[ -/]*+[@-~]?"
    r"|\x1b\](?:P[0-9A-Fa-f]{7}|R)"
    rf"|\x1b[P\]X^_]{_IN_STRING}{_STRING_END}"
    r"|\x1b[()*+\-./][\"%&]?[0-9A-Za-z<=>@`]|\x1b#[3-68]|\x1b%[@G8]|\x1b [F-GL-N]"
    r"|\x1b[0-Z\\-_clmno|}~]"
)
ESCAPE = re.compile(ESCAPES)
# 8-bit introducers. Behind U+0080 they are halves of a character that was decoded wrongly, not controls; a raw byte of
# theirs is no UTF-8 and arrives as U+FFFD.
_WIDE = re.compile(
    rf"(?<!\x80)(?:(?P<csi>\x9b)(?=[0-?]*+[ -/]*+[@-~])|[\x90\x98\x9d-\x9f]{_IN_STRING}{_STRING_END})"
    r"|(?P<lost>\ufffd)(?=\d{1,3}(?:[;:]\d{1,3})*+m)"
)
# The escape character as programs write it where they make it visible.
_ESCAPED_ESCAPE = re.compile(
    r"(?:\^\[|\\(?:033|x1[bB]|e|u001[bB])|\u241b)(?:"
    r"(?P<sequence>\[(?:[0-9;:]*+m|[0-3]?[KJ]|\?[0-9;]++[hl]|[0-9]++(?:;[0-9]++)?[HfABCDG]))|\([0B]"
    r"|\][0-9]++;[^\^\\\x07\x1b\u241b\n\r]*+(?:\^G|\x07|(?:\^\[|\\(?:033|x1[bB]|e|u001[bB])|\u241b)\\))"
)
# Besides characters without width that turn the direction of the text around them. Line breaks, as str.splitlines
# counts them, stay: whoever cleans a whole text keeps the numbers of its lines.
_INVISIBLE = re.compile("[\x00-\x07\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_BREAKS = re.compile("[\n\x0b\x0c\r\x1c-\x1e\x85\u2028\u2029]")
# UTF-16 that was read as UTF-8: every other character is NUL, and its byte order mark two that are no UTF-8.
_UTF16_MARK = re.compile("(?:\ufffd\ufffd|\ufeff)(?=\x00|[^\x00]\x00)")
_SPECIAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffd\u241b]" r"|\^\[|\\(?:033|x1[bB]|e|u001[bB])[\[\](]")
_BACKSPACED = re.compile(r"^[^\n\x08]*+\x08[^\n]*+", re.MULTILINE)
_ERASE_SEQUENCE = re.compile(r"\x1b\[[0-3]?[KJ]")


def without_nul(text: str) -> str:
    """Text of UTF-16 among UTF-8 as it was meant: NUL shows nothing."""
    return _UTF16_MARK.sub("", text).replace("\x00", "") if "\x00" in text else text


def normalize_escapes(text: str) -> str:
    """With 7-bit escape sequences alone: other forms of them rewritten or left out, backspaces applied, no NUL."""
    if not _SPECIAL.search(text):
        return text
    text = _WIDE.sub(_to_7bit, without_nul(text))
    text = _ESCAPED_ESCAPE.sub(lambda found: ESC + found["sequence"] if found["sequence"] else "", text)
    return _BACKSPACED.sub(lambda found: _apply_backspaces(found[0]), text) if "\x08" in text else text


def visible_text(text: str) -> str:
    """Text of any number of lines without what is not seen; its line breaks stay where they are."""
    if not _SPECIAL.search(text):
        return text
    return _INVISIBLE.sub("", ESCAPE.sub("", normalize_escapes(text)))


def visible_fragment(text: str) -> str:
    """The same of a piece of a line: without line breaks either."""
    return _BREAKS.sub("", visible_text(text))


def rendered_line(line: str) -> str:
    """One line as it stands on the screen at the end: of a line that was overwritten from its start (carriage return)
    what was written last."""
    line = line.rstrip("\r\n")
    if "\r" in line:
        written = [visible_fragment(part) for part in line.split("\r")]
        return next((part for part in reversed(written) if part.strip()), "")
    return visible_fragment(line)


def overwritten_indices(fragments: Sequence[str], step: Callable[[], None] | None = None) -> set[int]:
    """Which pieces, each with the break that ends it, do not stand on the screen at the end: those that end with a
    carriage return and are followed by text, or by the erasure of the line. `step` is called before each."""
    found: set[int] = set()
    covered = False
    for index in reversed(range(len(fragments))):
        if step is not None:
            step()
        covers = bool(_ERASE_SEQUENCE.search(fragments[index])) or visible_fragment(fragments[index]) != ""
        if fragments[index].endswith("\r"):
            if covered:
                found.add(index)
            covered = covered or covers
        else:
            covered = covers
    return found


def _to_7bit(found: re.Match[str]) -> str:
    return ESC + "[" if found["csi"] or found["lost"] else ""


def _apply_backspaces(line: str) -> str:
    """Every backspace takes back one character before it; at the end of a line nothing overwrites what it went back
    over. Escape sequences in between stay."""
    line = line.rstrip("\x08")
    kept: list[str] = []
    characters: list[int] = []
    place = 0
    while place < len(line):
        if line[place] == "\x08":
            if characters:
                kept[characters.pop()] = ""
            place += 1
            continue
        escape = ESCAPE.match(line, place) if line[place] == ESC else None
        if escape is None:
            characters.append(len(kept))
        kept.append(escape[0] if escape else line[place])
        place = escape.end() if escape else place + 1
    return "".join(kept)
