"""The entry point: finds the command, runs it, exits.

In: the command line. Out: an exit code: 0 done, 1 a run failed, 2 a mistake in the command or the data,
130 interrupted. Touches: nothing. Neither torch nor Hydra is imported before a command needs it.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

from bench import __version__, catalogue, registry
from bench.commands import COMMANDS
from bench.commands.errors import DONE, MISTAKE, exit_code, from_hydra, interruptible
from bench.machine import streams
from bench.schema import UserError

HELP, VERSION = ("-h", "--help"), "--version"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    streams.make_safe()
    command, *words = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if command == "help" and words:
        command, *words = [*words, "--help"]
    code = DONE
    try:
        if VERSION in (command, *words):
            print(f"initbench {__version__}")
        elif command in (*HELP, "help") or not {*HELP}.isdisjoint(words):
            print(help_for(command, words))
        else:
            code = invoke(command, words)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        return exit_code(command, error)
    return code


def help_for(command: str, words: Sequence[str]) -> str:
    """The help of a command, or the list of commands."""
    from bench.commands import help

    return help.overview() if command in (*HELP, "help") else help.command_help(known(command), help.folders_of(words))


def known(command: str) -> str:
    """The command. Raises UserError, with the nearest names, for an unknown one."""
    if command not in COMMANDS:
        raise UserError(registry.unknown("command", command, COMMANDS))
    return command


def invoke(command: str, words: list[str]) -> int:
    """Hand the command over to Hydra; the exit code."""
    planned = COMMANDS[known(command)].planned
    import hydra

    from bench.commands.dispatch import carry_out, train_job
    from bench.commands.overrides import for_hydra

    def exiting(config: Any) -> None:  # Hydra drops what a function returns, and adds to what it raises
        try:
            sys.exit(carry_out(command, config))
        except Exception as error:
            sys.exit(exit_code(command, error))

    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # else Hydra prints errors itself and exits with 1
    sys.argv = [f"python -m bench {command}"]  # in a sentence on a flag
    function = train_job if planned else exiting  # a planned command is carried out by the sweeper
    try:
        sys.argv += for_hydra(command, words)
        hydra.main(version_base="1.3", config_path=str(catalogue.CONF), config_name=command)(function)()
    except SystemExit as ended:
        return MISTAKE if ended.code == 1 and from_hydra(ended) else int(ended.code or 0)
    return DONE


if __name__ == "__main__":
    interruptible()
    sys.exit(main())
