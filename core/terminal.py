"""Text that programs wrote for a terminal: escape sequences, overwritten lines, backspaces, UTF-16 remains. Pure.

Supported sequences are those of ECMA-48 and xterm (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html), with 7-bit
and 8-bit introducers, and forms in which the escape character is written out or lost. All regular expressions take time
linear in the length of the text: quantifiers are possessive, and no string extends beyond the next introducer."""

import re
from collections.abc import Callable, Sequence

from core.text import DIRECTION_MARKS

ESC = "\x1b"
_STRING_END = r"(?:\x07|\x1b\\|\x9c)"
_IN_STRING = r"[^\x07\x1b\x90\x98\x9c-\x9f\n\r]*+"
# Control sequence, control string with its terminator, character set designation, any other escape sequence.
ESCAPES = (
    r"\x1b\[[0-?]*+[ -/]*+[@-~]?"
    r"|\x1b\](?:P[0-9A-Fa-f]{7}|R)"
    rf"|\x1b[P\]X^_]{_IN_STRING}{_STRING_END}"
    r"|\x1b[()*+\-./][\"%&]?[0-9A-Za-z<=>@`]|\x1b#[3-68]|\x1b%[@G8]|\x1b [F-GL-N]"
    r"|\x1b[0-Z\\-_clmno|}~]"
)
ESCAPE = re.compile(ESCAPES)
# 8-bit introducers. After U+0080 they are parts of a character that was decoded wrongly, not controls. As a single byte
# they are invalid UTF-8 and arrive as U+FFFD.
_EIGHT_BIT = re.compile(
    rf"(?<!\x80)(?:(?P<csi>\x9b)(?=[0-?]*+[ -/]*+[@-~])|[\x90\x98\x9d-\x9f]{_IN_STRING}{_STRING_END})"
    r"|(?P<lost>\ufffd)(?=\d{1,3}(?:[;:]\d{1,3})*+m)"
)
# Written-out forms of the escape character: ^[, \033, \x1b, \e, U+241B.
_ESCAPED_ESCAPE = re.compile(
    r"(?:\^\[|\\(?:033|x1[bB]|e|u001[bB])|\u241b)(?:"
    r"(?P<sequence>\[(?:[0-9;:]*+m|[0-3]?[KJ]|\?[0-9;]++[hl]|[0-9]++(?:;[0-9]++)?[HfABCDG]))|\([0B]"
    r"|\][0-9]++;[^\^\\\x07\x1b\u241b\n\r]*+(?:\^G|\x07|(?:\^\[|\\(?:033|x1[bB]|e|u001[bB])|\u241b)\\))"
)
# Control characters except line breaks as str.splitlines counts them: removal must not change line numbers.
_INVISIBLE = re.compile(f"[\x00-\x07\x0e-\x1b\x1f\x7f-\x84\x86-\x9f{DIRECTION_MARKS}]")
_BREAKS = re.compile("[\n\x0b\x0c\r\x1c-\x1e\x85\u2028\u2029]")
# UTF-16 that was decoded as UTF-8: every other character is NUL, and the byte order mark is two invalid bytes.
_UTF16_MARK = re.compile("(?:\ufffd\ufffd|\ufeff)(?=\x00|[^\x00]\x00)")
_SPECIAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffd\u241b]" r"|\^\[|\\(?:033|x1[bB]|e|u001[bB])[\[\](]")
_BACKSPACED = re.compile(r"^[^\n\x08]*+\x08[^\n]*+", re.MULTILINE)
_ERASE_SEQUENCE = re.compile(r"\x1b\[[0-3]?[KJ]")


def without_nul(text: str) -> str:
    """Restores UTF-16 text that was decoded as UTF-8: removes its NUL characters and byte order mark."""
    return _UTF16_MARK.sub("", text).replace("\x00", "") if "\x00" in text else text


def normalize_escapes(text: str) -> str:
    """Rewrites or removes all forms of escape sequences except the 7-bit one, applies backspaces, and removes NUL."""
    if not _SPECIAL.search(text):
        return text
    text = _EIGHT_BIT.sub(_to_7bit, without_nul(text))
    text = _ESCAPED_ESCAPE.sub(lambda match: ESC + match["sequence"] if match["sequence"] else "", text)
    return _BACKSPACED.sub(lambda match: _apply_backspaces(match[0]), text) if "\x08" in text else text


def visible_text(text: str) -> str:
    """Removes escape sequences and invisible characters. The line breaks stay."""
    if not _SPECIAL.search(text):
        return text
    return _INVISIBLE.sub("", ESCAPE.sub("", normalize_escapes(text)))


def visible_fragment(text: str) -> str:
    """As `visible_text` for a part of one line: also removes line breaks."""
    return _BREAKS.sub("", visible_text(text))


def rendered_line(line: str) -> str:
    """The final state of one line on the screen: of a line that carriage returns overwrite, the last part with text."""
    line = line.rstrip("\r\n")
    if "\r" in line:
        parts = [visible_fragment(part) for part in line.split("\r")]
        return next((part for part in reversed(parts) if part.strip()), "")
    return visible_fragment(line)


def erases_line(fragment: str) -> bool:
    """Whether a fragment of a line erases what was written before it."""
    return _ERASE_SEQUENCE.search(fragment) is not None


def overwritten_indices(fragments: Sequence[str], step: Callable[[], None] | None = None) -> set[int]:
    """Indices of the fragments that later output overwrites: those that end with a carriage return and are followed by
    text or by an erasure of the line. Each fragment includes the line break that ends it. `step` is called before each
    fragment, so that long work can be interrupted."""
    overwritten: set[int] = set()
    covered = False
    for index in reversed(range(len(fragments))):
        if step is not None:
            step()
        covers = bool(_ERASE_SEQUENCE.search(fragments[index])) or visible_fragment(fragments[index]) != ""
        if fragments[index].endswith("\r"):
            if covered:
                overwritten.add(index)
            covered = covered or covers
        else:
            covered = covers
    return overwritten


def _to_7bit(match: re.Match[str]) -> str:
    return ESC + "[" if match["csi"] or match["lost"] else ""


def _apply_backspaces(line: str) -> str:
    """Each backspace removes the character before it, except at the end of the line, where no text overwrites it.
    Escape sequences in between stay."""
    line = line.rstrip("\x08")
    pieces: list[str] = []
    # Indices of the pieces that are characters, not escape sequences.
    characters: list[int] = []
    position = 0
    while position < len(line):
        if line[position] == "\x08":
            if characters:
                pieces[characters.pop()] = ""
            position += 1
            continue
        escape = ESCAPE.match(line, position) if line[position] == ESC else None
        if escape is None:
            characters.append(len(pieces))
        pieces.append(escape[0] if escape else line[position])
        position = escape.end() if escape else position + 1
    return "".join(pieces)
