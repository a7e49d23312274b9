"""Cards for Anki: the text file that its File > Import reads, a card an insight.

After Anki's manual on text files: the lines at the top tell it the separator, that fields are HTML, and which columns
are the note's own id and its tags. Imported again, a card is updated, not doubled.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape

from corpus.insight import first_words

HEAD = "#separator:tab\n#html:true\n#guid column:1\n#tags column:4\n#columns:guid\tFront\tBack\ttags\n"


def anki_card(fields: Mapping[str, str], tags: Sequence[str]) -> str:
    """The line of a card: the title in front, with where it is from; the text, the note and the address behind."""
    title = fields["title"] or first_words(fields["text"])
    about = " · ".join(filter(None, (fields["author"], fields["source"], fields["date"])))
    front = _html(title) + (f"<br><small>{_html(about)}</small>" if about else "")
    back = _html(fields["text"]) + (f"<br><br><i>{_html(fields['note'])}</i>" if fields["note"] else "")
    if re.match(r"https?://", fields["url"]):
        back += f'<br><br><a href="{_html(fields["url"])}">{_html(fields["url"])}</a>'
    marks = " ".join(re.sub(r"\s+", "_", tag) for tag in tags)  # Anki parts tags by spaces
    return "\t".join(_quoted(value) for value in (fields["insight_id"], front, back, marks)) + "\n"


def _html(text: str) -> str:
    """Text in which nothing works: no tag, and none of Anki's own in brackets, such as [sound:…] and [latex]."""
    return escape(text).replace("[", "&#91;").replace("{{", "{&#123;").replace("\n", "<br>").replace("\t", " ")


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
