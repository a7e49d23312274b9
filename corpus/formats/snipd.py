"""Snipd: the Markdown that the podcast app exports, all snips in a file, and its Obsidian plugin, a file an episode.

After files that people published from 2023 to 2026, and the plugin's templates: a snip is a third-level heading with a
time or a link, below it notes (the app's or the person's), sometimes a quote, and a transcript.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path

from corpus.formats.markdown import markdown_with
from corpus.items import Item, Problem, located, made, of_text
from corpus.markdown import Section, front_matter, plain_text, sections
from corpus.prose import paragraphs
from corpus.rows import as_string

is_snipd = markdown_with(r"share\.snipd\.com/(?:snip|episode|show|embed)|^from_snipd:\s*true")

_TIME = r"\d{1,2}:\d\d(?::\d\d)?"
_SNIP = re.compile(rf"\[{_TIME}\]|\]\(https?://share\.snipd\.com/snip/")
_LINK = re.compile(r"https?://share\.snipd\.com/snip/([\w-]{1,80})")
_DETAIL = re.compile(r"\s*[-*]\s+([A-Z][\w /]{0,40}?)::?\s+(.*?)\s*$")
_SPEAKER = re.compile(r"\s*(?:>\s?)*(?:[—–]|--)\s*([^\s—–-].{0,80}?)\s*$")
_KNOWN = {  # the lines of "Episode metadata", and the properties that the plugin writes
    "episode title": "episode",
    "episode_title": "episode",
    "show": "show",
    "show_title": "show",
    "owner / host": "host",
    "show_author": "host",
    "guests": "guests",
    "episode link": "link",
    "episode_url": "link",
    "last_snip_date": "saved",
    "export date": "exported",
    "episode_export_date": "exported",
}


@of_text
def read_snipd(path: Path, text: str) -> Iterator[Item]:
    """Each snip is an insight: its notes, then its quote; the transcript if it has neither.

    Kept: the snip's title, its episode and time as title, the show as source, the guests or the host as author (who
    said the quote, where that is told), the address, the tags, and as date the last day on which something was snipped.
    """
    lines = text.split("\n")
    front, first = front_matter(lines)
    about = _known(front)
    snip: list[Section] = []
    found = False
    for section in [*sections(lines, first), Section(len(lines), 1, "", ())]:
        begins = section.level == 3 and _SNIP.search(section.heading)
        if snip and (begins or section.level < 3):
            found = True
            yield _insight(path, snip, about)
            snip = []
        if begins or snip:
            snip.append(section)
            continue
        if section.level == 1:
            about = _known(front) | ({"episode": plain_text([section.heading])} if section.heading else {})
        about |= _known({match[1]: match[2] for line in section.lines if (match := _DETAIL.match(line))})
    if not found:
        yield Problem(path, 0, "There are no snips in it. Export them from Snipd in its own form, without a template.")


def _known(details: Mapping[str, object]) -> dict[str, str]:
    """What is told of an episode, under our names."""
    told = {_KNOWN[key]: value for name, value in details.items() if (key := name.strip().casefold()) in _KNOWN}
    return {name: words for name, value in told.items() if (words := _shown(as_string(value)))}


def _shown(value: str) -> str:
    link = re.fullmatch(r"\[[^\]]*\]\((\S+)\)", value)
    return link[1] if link and "/episode/" in link[1] else plain_text([value])  # "open in Snipd" is not its name


def _insight(path: Path, snip: Sequence[Section], about: Mapping[str, str]) -> Item:
    heading = snip[0].heading
    lines: dict[str, list[str]] = {}
    for section in snip:
        named = (name for name in ("transcript", "quote") if name in section.heading.casefold())
        lines.setdefault("notes" if section is snip[0] else next(named, "notes"), []).extend(section.lines)
    player = [line for line in snip[0].lines if _is_player(line)]
    link = next(filter(None, map(_LINK.search, [heading, *player])), None)
    since = next(filter(None, (re.search(rf"({_TIME})\s*-\s*{_TIME}", line) for line in player)), None)
    since = since or re.match(rf"\[({_TIME})\]", heading)
    title, tags = _title(heading)
    notes, (quote, speaker) = _texts(lines.get("notes", ())), _quote(lines.get("quote", ()))
    if notes and notes[0].casefold() == title.casefold():
        notes = notes[1:]
    named_by = " – ".join(part for part in (title, about.get("episode", "")) if part)
    return made(
        path,
        snip[0].line,
        {
            "text": "\n\n".join([*notes, *quote] or _texts(_spoken(lines.get("transcript", ())))),
            "insight_id": f"snipd-{link[1]}" if link else "",
            "title": located(named_by, since[1] if since else ""),
            "source": about.get("show", ""),
            "author": speaker or about.get("guests") or about.get("host", ""),
            "url": link[0] if link else about.get("link", ""),
            "date": about.get("saved") or about.get("exported", ""),
            "tags": tags,
        },
    )


def _title(heading: str) -> tuple[str, list[str]]:
    """A snip's title without its time, star and tags; and its tags."""
    tags = re.findall(r"(?<!\S)#([\w/-]+)", heading)
    if re.search("[⭐★🌟]", heading):
        tags.insert(0, "favorite")
    bare = re.sub(rf"^\s*\[{_TIME}\]|(?<!\S)#[\w/-]+|[⭐★🌟\ufe0f]", "", heading)
    title = plain_text([bare.strip()])
    return "" if title.casefold() in ("untitled", "transcript", "📚 transcript") else title, tags


def _quote(lines: Sequence[str]) -> tuple[list[str], str]:
    """The paragraphs of a quote, and who said it; what stands below the name is a caption."""
    for at, line in enumerate(lines):
        if speaker := _SPEAKER.match(line):
            return _texts(lines[:at]), speaker[1]
    return _texts(lines), ""


def _spoken(lines: Sequence[str]) -> list[str]:
    """A transcript, with a colon after a speaker's name that stands alone."""
    return [re.sub(r"^(\s*(?:>\s?)*)\*\*([^*]{1,100})\*\*\s*$", r"\1\2:", line) for line in lines]


def _texts(lines: Sequence[str]) -> list[str]:
    """The paragraphs among these lines, without the player and without tags of HTML."""
    kept: list[str] = []
    for line in lines:
        if _is_player(line) or re.match(r"\s*(?:-{3,}|Click to expand|Created with \[Snipd\].*)\s*$", line):
            kept.append("")
            continue
        line = re.sub(r"^\s*(?:>\s?)+(?:\[!\w+\][+-]?.*)?", "", line)
        line = re.sub(r"<summary>[^<]{0,300}</summary>", "", line)
        line = re.sub(r"<b>([^<]{1,100})</b>(?:\s*<br\s*/?>)*", r"\1: ", line)  # a speaker's name
        line = re.sub(r"<br\s*/?>|</blockquote>", "\n", line)
        kept += unescape(re.sub(r"</?[a-z][^<>]{0,300}>", "", line)).split("\n")
    texts = [plain_text(block) for _, block in paragraphs(kept)]
    return [text for text in texts if any(map(str.isalnum, text))]


def _is_player(line: str) -> bool:
    return "🎧" in line or bool(re.match(r"\s*<(?:audio|iframe)\b", line))
