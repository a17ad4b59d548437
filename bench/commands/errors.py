"""How a command ends with an error: a sentence on standard error, and an exit code.

In: an exception. Out: an exit code. Touches: signal handlers; standard error; standard output,
once it takes nothing more.
"""

import re
import signal
import sys
import traceback

from bench import catalogue, registry
from bench.machine import streams
from bench.machine.files import os_reason
from bench.schema import WORDS, UserError
from bench.train.stop import SIGNALS

DONE, MISTAKE, INTERRUPTED = 0, 2, 130
THEIRS = ("hydra", "omegaconf", "yaml")  # the libraries that read a command line and conf/


def interruptible() -> None:
    """From now on every signal to stop interrupts this process as Ctrl-C does, which ends what it has started."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup or a script's & has left it
            signal.signal(number, signal.default_int_handler)


def exit_code(command: str, error: BaseException) -> int:
    """Print a sentence for a mistake, for what the system refuses or for an interrupt; raise any other error again."""
    if isinstance(error, OSError):
        streams.discard_output()  # its remainder would be refused again at the end
    if isinstance(error, BrokenPipeError):  # the reader of the output, such as `head`, has enough
        return DONE
    if isinstance(error, KeyboardInterrupt):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)  # another one does not interrupt the end itself
        print("bench: interrupted; finished runs are kept, the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    print(f"bench: {sentence(command, error)}", file=sys.stderr)
    return MISTAKE


def sentence(command: str, error: BaseException) -> str:
    """A mistake, or what the system refuses, in one sentence. Raises any other error again."""
    if isinstance(error, UserError):
        return str(error)
    from bench.launch.failure import OUT_OF_MEMORY, failure_class, first_line

    if isinstance(error, Exception) and failure_class(error) == OUT_OF_MEMORY:
        cause = first_line(str(error)) or type(error).__name__
        return f"not enough memory ({cause}). Finished runs are kept; with more, the same command goes on"
    if isinstance(error, OSError) and error.errno:
        used = error.filename or "the current folder" * isinstance(error, FileNotFoundError)  # which has been deleted
        return f"cannot {f'use {used}' if used else 'write the output'}: {os_reason(error)}"
    if from_hydra(error):
        return explained(command, error)
    raise error


def from_hydra(error: BaseException) -> bool:
    """Whether Hydra, OmegaConf or the reader of yaml raised the error, of whatever kind it is."""
    kinds = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    callers = [one for one in (name.partition(".")[0] for name in frames) if one in (*THEIRS, "bench", "hydra_plugins")]
    return not {*kinds, *callers[-1:]}.isdisjoint(THEIRS)  # which may have called the standard library


def explained(command: str, error: BaseException) -> str:
    """An error of Hydra or OmegaConf in one sentence that names what there is instead."""
    from hydra.errors import MissingConfigException, OverrideParseException

    first = str(error).partition("\n")[0]
    if place := getattr(error, "problem_mark", None):  # of yaml
        return f"{place.name}, line {place.line + 1}: {getattr(error, 'problem', first)}"
    if isinstance(error, MissingConfigException) and error.options:
        word, _, name = (error.missing_cfg_file or "").rpartition("/")
        own = f"; one of your own is {word}=MODULE:NAME" if word in registry.OPEN else ""
        return registry.unknown(word, name, error.options) + own
    if isinstance(error, OverrideParseException):
        key, _, value = str(error.override).partition("=")
        if key in WORDS and "(" in value:
            return f"one configuration takes the arguments of an option as keys: {key}=NAME {key}.ARGUMENT=VALUE"
        inside = f'["{value[1:-1]}"]' if value[:1] + value[-1:] == "[]" else f'"{value}"'
        legible = value and re.fullmatch("[a-z_./@+~-]+", key)
        quoted = f"; quote a value with other signs than letters and digits: '{key}={inside}'" if legible else ""
        return f"cannot read {error.override!r} ({first}); write key=value or key=value,value{quoted}"
    if first.startswith("Config group override"):
        return f"an option is chosen by its name, as initializer=he_normal or tracking=off ({first})"
    if found := re.match(r"Could not override '([^']+)'", first):
        known = catalogue.keys(command) - (catalogue.settings() - catalogue.written(command))
        if found[1] in known:
            return f"{found[1]} is set in a yaml of conf/, not on the command line"
        return registry.unknown("key", found[1], known)
    if found := re.match(r"Ambiguous value for argument '([^=]+)=", first):
        return one_value(command, found[1])
    if first.endswith(":"):
        return " ".join(str(error).split())
    kind = type(error)
    named = f"{kind.__name__}: " if kind.__module__ == "builtins" else ""
    cause = str(error.__cause__ or "").partition("\n")[0]
    return f"{named}{first} {cause}".strip(": ") + ("" if first else ", which Hydra gives no reason for")


def one_value(command: str, key: str) -> str:
    """The sentence for several values of a key that is no choice of a run."""
    return f"{command} takes one value of {key}; where a key takes a list, write {key}=[VALUE,VALUE]"
