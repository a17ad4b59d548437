"""Text escaped for Markdown, so that no letter of it is read as markup.

In: text. Out: Markdown. Touches: nothing.
"""

import re


class Markdown(str):
    """Text that is Markdown already and is not escaped again."""


def escaped(text: object) -> Markdown:
    """The text as CommonMark that reads as it does, on one line; Markdown stays as it is."""
    if isinstance(text, Markdown):
        return text
    line = " ".join(str(text).split())
    line = re.sub(r"([\\`*_\[\]<>&!#~|$])", r"\\\1", line)
    return Markdown(re.sub(r"^([0-9]+)([.)])(?!\S)|^([-+=:])", r"\1\\\2\3", line))  # no list and no rule
