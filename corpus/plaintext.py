"""A file's bytes -> its text: the encodings people's files have, and a sentence for each that can't be read."""

import codecs
import re
from pathlib import Path

MAX_BYTES = 50_000_000
BEGINNING = 8000  # characters that tell a format

_MARKS = (  # byte order marks; UTF-32's begins with UTF-16's, so it comes first
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_OTHER_KINDS = {
    b"%PDF-": "a PDF",
    b"PK\x03\x04": "a Word, EPUB or ZIP",
    b"{\\rtf": "an RTF",
    b"SQLite format 3": "a database",
}
_SAVE_AS = "Save it as UTF-8 text."


class Unreadable(Exception):
    """A file has no text that can be read; the message is a sentence for the user."""


def load_text(path: Path) -> str:
    """The text of a file, with line breaks as `\\n`.

    UTF-8, UTF-16 or UTF-32 with a mark, or Windows-1252 where the result reads like words. Bytes that are not UTF-8
    in a file that otherwise is stay recognisable (`holds_broken_bytes`), so that only the items with them are lost.
    Raises Unreadable if the file is missing, empty, over MAX_BYTES, not text, or in an encoding that can't be told.
    """
    text = decoded(load_bytes(path)).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise Unreadable("It is empty.")
    return text


def load_bytes(path: Path) -> bytes:
    """The bytes of a file. Raises Unreadable if it is missing, not a file, over MAX_BYTES or may not be read."""
    try:
        if not path.exists():
            raise Unreadable("There is no such file.")
        if not path.is_file():
            raise Unreadable("This is not a file.")
        if (size := path.stat().st_size) > MAX_BYTES:
            raise Unreadable(
                f"It has {size / 1e6:.0f} MB, more than {MAX_BYTES / 1e6:.0f}. Split it into smaller files."
            )
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"It can't be read: {error.strerror or error}.") from None
    except ValueError:  # a NUL character in the name
        raise Unreadable("There is no such file.") from None


def beginning(path: Path) -> str:
    """The first 8,000 characters of a file, as `beginning_of` reads them; "" if it isn't a file that can be read."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        with path.open("rb") as file:
            return beginning_of(file.read(4 * BEGINNING))
    except (OSError, ValueError):
        return ""


def beginning_of(data: bytes) -> str:
    """The first 8,000 characters of bytes, to see what they are, with `\\n` for line breaks; never raises."""
    whole = len(data) < 4 * BEGINNING
    data = data[: 4 * BEGINNING]
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data, whole)  # else it may end within a character
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")[:BEGINNING]


def decoded(data: bytes) -> str:
    """Bytes -> text; see `load_text`. Raises Unreadable."""
    for mark, encoding in _MARKS:
        if data.startswith(mark) and encoding != "utf-8-sig":
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                raise Unreadable(f"It is damaged {encoding.upper()} text. {_SAVE_AS}") from None
    for start, kind in _OTHER_KINDS.items():
        if data.startswith(start):
            raise Unreadable(f"It is {kind} file, not text. {_SAVE_AS}")
    if b"\0" in data:
        raise Unreadable(f"It is not a text file: it holds NUL bytes. {_SAVE_AS}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        cut_off = error.reason == "unexpected end of data"  # half-written UTF-8
    text = data.decode("utf-8-sig", "surrogateescape")
    broken = sum(map(holds_broken_bytes, text))
    if not cut_off and text.isascii() | (broken == sum(not c.isascii() for c in text)):
        try:
            western = data.decode("cp1252")
        except UnicodeDecodeError:
            western = ""
        if _reads_like_words(western):
            return western
    if broken > len(text) / 20 and not cut_off:
        raise Unreadable(f"It is not a text file, or its encoding can't be told. {_SAVE_AS}")
    return text


def holds_broken_bytes(text: str) -> bool:
    """Whether the text holds bytes that were not UTF-8."""
    return any("\udc80" <= character <= "\udcff" for character in text)


def _reads_like_words(text: str) -> bool:
    """Whether text decoded as Windows-1252 is that.

    In a Western language letters beyond ASCII seldom stand three in a row. Text in another 8-bit encoding
    comes out as long runs of them, as capitals inside a word ("itÕs"), or as odd signs ("caf‡").
    """
    high = [character for character in text if not character.isascii()]
    return (
        bool(high)
        and all(character.isalpha() or character in "‘’“”‚„–—…•€£¥©®™°§«»¿¡·½¼¾²³¹×±\xa0‹›´¨" for character in high)
        and not re.search(r"[^\W\d_a-zA-Z]{3}", text)
        and not re.search(r"[a-zà-öø-ÿ][À-ÖØ-ÞŽŠŒŸ]", text)
    )
