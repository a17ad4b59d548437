"""The list of references: the entries of paper/references.bib, and those that a text cites.

In: BibTeX with one `field = {value},` a line. Out: References. Touches: nothing.
"""

import re
from collections.abc import Mapping
from typing import Any

from bench.registry import unknown
from bench.report.document import Reference
from bench.report.tables.markdown import Markdown, escaped
from bench.report.wording.format import listed
from bench.schema import UserError

ENTRY = re.compile(r"^@\w+\{(?P<key>[^,\s]+),\n(?P<fields>.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^\s*(\w+)\s*=\s*\{(.*)\},?$", re.MULTILINE)
NEEDED = ("author", "title", "year")
NAMED = 8  # authors; of more, the first three


class Bibliography:
    """The entries of a .bib, and which of them have been cited so far."""

    def __init__(self, text: str) -> None:
        """Raises UserError for an entry without author, title or year, or a text that is not read to its end."""
        self._entries = {found["key"]: dict(FIELD.findall(found["fields"])) for found in ENTRY.finditer(text)}
        self._cited: set[str] = set()
        for key, entry in self._entries.items():
            if lacking := [field for field in NEEDED if field not in entry]:
                raise UserError(f"references.bib: {key} has no {' and no '.join(lacking)}")
        if len(self._entries) != text.count("\n@") + text.startswith("@"):
            raise UserError("references.bib: an entry does not end with } on a line of its own, or stands twice")

    def cite(self, *keys: str) -> Markdown:
        """A citation in parentheses, `(He et al. 2015; Taki 2017)`. Raises UserError for an unknown key."""
        return Markdown(f"({'; '.join(self._linked(key, '{}') for key in keys)})")

    def author(self, key: str) -> Markdown:
        """A citation that is part of its sentence, `He et al. (2015)`. Raises UserError for an unknown key."""
        return self._linked(key, "({})")

    def cite_named(self, text: str) -> list[Markdown]:
        """A citation of each entry that the text names as `He et al. 2015`, in the order of the list."""
        named = [key for key, entry in self._entries.items() if label(entry, "{}") in text]
        return [self.author(key) for key in sorted(named, key=self._order)]

    def cited(self) -> tuple[Reference, ...]:
        """What has been cited, by author and year."""
        return tuple(Reference(key, shown(self._entries[key])) for key in sorted(self._cited, key=self._order))

    def _linked(self, key: str, year: str) -> Markdown:
        if key not in self._entries:
            raise UserError(unknown("reference", key, self._entries))
        self._cited.add(key)
        return Markdown(f"[{escaped(label(self._entries[key], year))}](#ref-{key})")

    def _order(self, key: str) -> tuple[str, str]:
        return self._entries[key]["author"].casefold(), self._entries[key]["year"]


def label(entry: Mapping[str, str], year: str) -> str:
    """One name, two names, three names, or the first `et al.`; `year` says how the year stands: `{}` or `({})`."""
    names = [author.partition(",")[0] for author in entry["author"].split(" and ")]
    authors = f"{names[0]} et al." if len(names) > 2 else " & ".join(names)  # as conf/ writes its sources
    return f"{entry.get('shorthand') or authors} {year.format(entry['year'])}"


def shown(entry: Mapping[str, Any]) -> str:
    """The entry as it stands in the list, as Markdown."""
    names = [" ".join(reversed(author.split(", "))) for author in entry["author"].split(" and ")]
    who = listed(names) if len(names) <= NAMED else f"{', '.join(names[:3])} et al."
    where = entry.get("journal") or entry.get("booktitle") or entry.get("publisher")
    eprint = entry.get("eprint")
    parts = [f"{escaped(who)} ({escaped(entry['year'])}). {escaped(entry['title'])}."]
    parts += [f"*{escaped(where)}*."] if where else []
    parts += [f"[arXiv:{eprint}](https://arxiv.org/abs/{eprint})."] if eprint else []
    return " ".join(parts)
