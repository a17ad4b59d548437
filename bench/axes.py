"""The axes of a study in Hydra's override grammar, in which an option may have arguments: he_leaky(slope=0.1|0.2).

In: overrides, as text. Out: keys, each with its values. Touches: nothing.
"""

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra._internal.grammar.functions import FunctionCall, Functions
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions
from hydra.core.override_parser.types import Override, Sweep
from hydra.errors import OverrideParseException
from omegaconf import OmegaConf

from bench import catalogue
from bench.bounds import checked
from bench.schema import WORDS, UserError

MOST_RUNS = 1_000_000  # rows that a store is made for
CALL = re.compile(r"([\w-]+)\s*\(([^()]*)\)")
ONE_OF = "one_of"  # in place of |, which joins texts in Hydra's grammar
FORM = "NAME(ARGUMENT=VALUE|VALUE, ...), as variance_scaling(scale=0.5|1|2)"


@dataclass(frozen=True)
class Option:
    """An option of a word, with a value of each argument that it has in parentheses, by the argument's whole key."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def choices(self, word: str) -> dict[str, Any]:
        """What the option decides of a run, where it is one of `word`."""
        return {word: self.name, **self.arguments}


class OptionsToo(Functions):
    """Hydra's functions, such as range; a call of any other name stays as it is: it is an option with arguments."""

    def eval(self, func: FunctionCall) -> Any:
        """The value of a call."""
        return super().eval(func) if func.name in self.definitions else func


def parse(overrides: Sequence[str]) -> dict[str, list[Any]]:
    """Hydra's override grammar -> key: values. A single value is an axis of one; the values of a word are Options."""
    axes: dict[str, list[Any]] = {}
    for override in map(read, overrides):
        key, values = override.key_or_group, values_of(override)
        if key in axes:
            raise UserError(f"{key} is given twice; name it once, with its values separated by commas")
        counts = Counter(repr(value) for value in values if not isinstance(value, FunctionCall))
        if twice := [value for value, count in counts.items() if count > 1]:
            raise UserError(f"{key} is given the value {', '.join(sorted(twice))} twice")
        axes[key] = [one for value in values for one in (options(key, value) if key in WORDS else [named(key, value)])]
    return axes


def read(text: str) -> Override:
    """One override. Raises UserError where the parentheses of an option cannot be read, or name an argument twice."""
    word, equals, value = text.partition("=")
    hydra, functions = GlobalHydra.instance(), create_functions()
    loader = hydra.config_loader() if hydra.is_initialized() else None  # finds the names of glob(...)
    if word not in WORDS:
        return OverridesParser(functions, loader).parse_overrides([text])[0]
    legible = word + equals + CALL.sub(with_alternatives, value)
    try:
        return OverridesParser(OptionsToo(**vars(functions)), loader).parse_overrides([legible])[0]
    except OverrideParseException as refused:
        if {*"()"}.isdisjoint(value):
            raise
        raise UserError(f"cannot read {text!r}; an option with arguments is written {FORM}") from refused


def with_alternatives(call: re.Match[str]) -> str:
    """a(x=1|2) as a(x=one_of(1,2)), which Hydra can read; quoted text stays."""
    name, arguments = call[1], re.split(r",\s*(?=\w+\s*=)", call[2])
    counts = Counter(argument.partition("=")[0].strip() for argument in arguments if "=" in argument)
    if twice := [key for key, count in counts.items() if count > 1]:
        raise UserError(f"{call[0]} has {twice[0]} twice; write {name}({twice[0]}=VALUE|VALUE)")
    listed = [
        re.sub(r"=([^'\"]*\|[^'\"]*)$", lambda found: f"={ONE_OF}({found[1].replace('|', ',')})", argument)
        for argument in arguments
    ]
    return f"{name}({','.join(listed)})"


def options(word: str, value: Any) -> list[Option]:
    """The options that a value of a word stands for: of NAME(ARGUMENT=VALUE|VALUE, ...) one for each combination.

    Raises UserError for a value that is no name, and for parentheses without an argument.
    """
    call = read(f"{word}={value}").value() if isinstance(value, str) and "(" in value else value  # it was quoted
    if not isinstance(call, FunctionCall):
        return [Option(named(word, as_word(word, value)))]
    if call.args or not call.kwargs:
        raise UserError(f"{call.name}(...) has no ARGUMENT=VALUE in its parentheses; write {call.name}, or {FORM}")
    if word == "task":
        keys = " ".join(f"{name}=VALUE" for name in call.kwargs)
        raise UserError(f"the arguments of a task are keys of their own: write task={call.name} {keys}")
    axes = {f"{word}.{name}": alternatives(f"{word}.{name}", one) for name, one in call.kwargs.items()}
    if math.prod(map(len, axes.values())) > MOST_RUNS:
        raise UserError(f"{call.name}(...) stands for more than {MOST_RUNS:,} combinations, the most runs of a study")
    combinations = itertools.product(*axes.values())
    return [Option(named(word, call.name), dict(zip(axes, one, strict=True))) for one in combinations]


def alternatives(key: str, value: Any) -> list[Any]:
    """The values of an argument in parentheses. Raises UserError for a function among them."""
    values = value.args if isinstance(value, FunctionCall) and value.name == ONE_OF else [value]
    if any(isinstance(one, FunctionCall | Sweep) for one in values):
        raise UserError(f"{key} takes no function in parentheses; an option with arguments is written {FORM}")
    return [named(key, plain(one)) for one in values]


def as_word(word: str, name: Any) -> str:
    """The name of an option. Raises UserError for a value that is no text."""
    if not isinstance(name, str):
        raise UserError(f"{word} takes a name, not {name!r}; `python -m bench list {word}` lists them")
    return name


def named(key: str, value: Any) -> Any:
    """The value of a key; the name that an alias stands for, such as he_normal for kaiming_normal.

    An option that a user's --config-dir has under that name comes first.
    """
    word, hydra = key.partition(".")[0], GlobalHydra.instance()
    meant = catalogue.canonical(word, value) if word in WORDS else value
    if meant == value:  # so for all but aliases, and Hydra would list a folder each time
        return value
    own = hydra.is_initialized() and value in hydra.config_loader().get_group_options(word)
    return value if own else meant


def values_of(override: Override) -> list[Any]:
    """The values of one override, as Python values."""
    if override.is_add() or override.is_delete() or override.is_force_add() or override.package is not None:
        raise UserError(f"{override.input_line}: a run has fixed keys; write {override.key_or_group}=VALUE")
    if not override.is_sweep_override():
        values = [plain(override.value())]
    elif override.is_discrete_sweep():
        values = [plain(value) for value in swept(override)]
    else:
        raise UserError(f"{override.input_line}: list the values (a,b,c) or write range(start,stop,step)")
    if not values or any(value == "" for value in values):
        raise UserError(f"{override.key_or_group} has no value; write {override.key_or_group}=VALUE[,VALUE...]")
    return values


def swept(override: Override) -> Iterable[Any]:
    """The values of a list, a range or a glob. Raises UserError for a range of step 0, or of too many values."""
    if override.is_range_sweep():
        found: Any = override.value()
        start, stop, step = (
            checked(override.key_or_group, one, float) for one in (found.start, found.stop, found.step)
        )
        if step == 0 or abs(stop - start) > MOST_RUNS * abs(step):
            raise UserError(
                f"{override.input_line}: a range takes a step other than 0 and {MOST_RUNS:,} values at most"
            )
    return override.sweep_iterator()


def plain(value: Any) -> Any:
    """OmegaConf's and Hydra's containers and quoted strings as Python's own."""
    if OmegaConf.is_config(value):
        return OmegaConf.to_container(value, resolve=True)
    if isinstance(value, list):
        return [plain(one) for one in value]
    return getattr(value, "text", value)


def as_text(value: Any) -> str:
    """A yaml value in the syntax of the command line; a yaml list is an axis."""
    if isinstance(value, list):
        return ",".join(map(as_text, value))
    return value if isinstance(value, str) else json.dumps(value)
