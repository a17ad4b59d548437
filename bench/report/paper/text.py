"""The template filled in: every number by its key, none typed.

In: a template (Markdown by Jinja2), names to fill in, tables and figures by name. Out: Prose, Tables and Figures.
Touches: nothing.
"""

import re
import traceback
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateError, UndefinedError, nodes

from bench.report.document import Block, Prose
from bench.report.paper.keys import UnknownKey, unknown
from bench.report.tables.markdown import Markdown, escaped
from bench.report.tables.tree import FORMULA
from bench.report.wording.format import listed
from bench.schema import UserError

PLACE = "\ue000"  # of the private use area: marks where a table or a figure stands; removed from every value
CODE = r"(`+)(?!`).*?(?<!`)\1(?!`)"
LINK = r"\]\([^)\s]*\)"
HOLE = "\ue001"  # stands for an expression while the prose around it is searched


def fill(source: str, values: Mapping[str, Any], placed: Mapping[str, Sequence[Block]]) -> list[Block]:
    """The template's prose with its tables and figures in their places; `{{ place("NAME") }}` on a line of its own.

    A name under which nothing is placed prints nothing. Raises UserError for a bare digit in the prose, with its
    sentence; for an unknown key, with its sentence and the nearest known ones; for what Jinja cannot read.
    """
    environment = Environment(
        undefined=StrictUndefined, finalize=_finalized, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.filters |= {"listed": _listed, "code": _code}
    try:
        refuse_typed_numbers(environment, source)
        template = environment.from_string(source, {"place": _place(placed)})
        text = template.render(values)
    except UnknownKey as mistake:
        raise UserError(_in_its_sentence(str(mistake), source, mistake)) from mistake
    except UndefinedError as mistake:
        raise UserError(_in_its_sentence(_undefined(mistake, values), source, mistake)) from mistake
    except TemplateError as mistake:
        raise UserError(f"the template cannot be read, line {getattr(mistake, 'lineno', '?')}: {mistake}") from mistake
    return list(_split(text, placed))


def refuse_typed_numbers(environment: Environment, source: str) -> None:
    """Raises UserError for a digit in the prose, outside code, formulas, the targets of links and expressions."""
    prose = "".join(
        value if kind == "data" else HOLE * (kind == "variable_begin") for _, kind, value in environment.lex(source)
    )
    bare = re.sub(f"{CODE}|{LINK}|{FORMULA.pattern}", HOLE, prose, flags=re.DOTALL)
    if found := re.search(r"[0-9]", bare):
        raise UserError(
            f"a number is typed in the template: {_sentence(bare, found.start()).replace(HOLE, '...')!r}; "
            "take it from the rows by its key, {{ key }}"
        )
    for output in environment.parse(source).find_all(nodes.Output):
        for node in output.nodes:
            if isinstance(node, nodes.Const) and re.search(r"[0-9]", str(node.value)):
                raise UserError(
                    f"a number is typed in the template, line {node.lineno}: {node.value!r}; "
                    "take it from the rows by its key"
                )


def _finalized(value: Any) -> str:
    if isinstance(value, float):
        raise UserError(f"the template prints {value!r} in full precision; print its key's text instead")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value if isinstance(value, Markdown) else _read_as_prose(str(value).replace(PLACE, "").replace(HOLE, ""))


def _read_as_prose(text: str) -> Markdown:
    """The text as it reads, but for what stands between two backticks, which is code."""
    code = re.compile(r"(`[^`]+`)")
    return Markdown("".join(one if code.fullmatch(one) else _spaced(one) for one in code.split(" ".join(text.split()))))


def _spaced(text: str) -> str:
    """The text escaped, with the spaces at its ends."""
    inner = text.strip()
    return text.replace(inner, escaped(inner), 1) if inner else text


def _listed(names: Any, last: str = "and") -> Markdown:
    return Markdown(listed([escaped(name) for name in names], last))


def _code(value: Any) -> Markdown:
    text = " ".join(str(value).split())
    fence = "`" * (max((len(ticks) for ticks in re.findall("`+", text)), default=0) + 1)
    inner = f" {text} " if "`" in text else text
    return Markdown(f"{fence}{inner}{fence}")


def _place(placed: Container[str]) -> Callable[[str], Markdown]:
    return lambda name: Markdown(f"\n{PLACE}{name}{PLACE}\n" if name in placed else "")


def _split(text: str, placed: Mapping[str, Sequence[Block]]) -> Iterator[Block]:
    for index, part in enumerate(text.split(PLACE)):
        if index % 2:
            yield from placed[part]
        else:
            sections = re.split(r"^(?=## )", part, flags=re.MULTILINE)  # each begins a Prose of its own
            yield from (Prose(re.sub(r"\n{3,}", "\n\n", one.strip()) + "\n") for one in sections if one.strip())


def _undefined(mistake: UndefinedError, values: Mapping[str, Any]) -> str:
    found = re.match(r"'([^']+)' is undefined", str(mistake))
    if not found:
        return str(mistake)
    return unknown(found[1], [*values, "place"])


def _in_its_sentence(mistake: str, source: str, error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    if not frames or frames[-1].lineno is None:
        return mistake
    lines = source.splitlines(keepends=True)
    line = sum(map(len, lines[: frames[-1].lineno - 1]))
    key = re.search(r"'(?:[^']*\.)?([^'.]+)'", mistake)  # its last segment stands in the template
    position = source.find(key[1], line) if key else line
    return f"{mistake}; template line {frames[-1].lineno}: {_sentence(source, max(position, line))!r}"


def _sentence(text: str, position: int) -> str:
    """The sentence around a position: it ends with a full stop and a space, or with its paragraph."""
    ends = [found.end() for found in re.finditer(r"[.!?](?=\s)|\n\s*\n|\n(?=#|-)", text)]
    start = max([end for end in ends if end <= position], default=0)
    end = min([end for end in ends if end > position], default=len(text))
    return " ".join(text[start:end].split())
