"""The front door: names the commands, hands over, exits.

In: the command line. Out: an exit code: 0 done, 1 a run failed, 2 a mistake in the command or the data,
130 interrupted. Touches: nothing. Neither torch nor Hydra is imported before a command needs it.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.schema import UserError

COMMANDS = {
    "sweep": ("sweep.train", "train what a study lacks, then print its table"),
    "run": ("sweep.train", "train one run"),
    "plan": ("sweep.train", "what a sweep would do, and how long it would take; trains nothing"),
    "status": ("status.status", "how far a study is and what runs where, also from a second shell"),
    "doctor": ("doctor.doctor", "what the machine is, what a sweep would use of it and why, and its measured ceilings"),
    "report": ("report.report", "the table of a study and what it says, and its paper as PDF and page"),
    "throughput": (
        "throughput.throughput",
        "how fast each law fills weights, next to torch.nn.init, timm, Keras, JAX",
    ),
    "speed": ("speed.speed", "how fast runs train, next to what a user of torch writes by default"),
    "coverage": ("coverage.coverage", "how often each kind of interval covers, by simulation"),
    "scale": ("scale.scale", "how long the commands take on a store of so many synthetic rows"),
    "list": ("list.list_names", "the initializers, activations, models, datasets, studies ... with law and source"),
    "why": ("sweep.train", "why a run is done, or would be done: which ingredient changed"),
    "verify": ("sweep.train", "whether a study's rows can be believed, by a path of its own over them"),
    "merge": ("merge.merge", "bring the rows of other machines into results/"),
    "seal": ("rows.seal", "the rows of a study as one sorted file, to be committed"),
    "sync": ("rows.sync", "replay to W&B the rows that it has not seen"),
}
# these go through the sweeper in hydra_plugins/, the others straight to a function
PLANNED = ("sweep", "run", "plan", "why", "verify")
POSITIONAL = {"merge": "folders", "why": "runs"}  # the key of what is said without one

HELP = """Which weight initializer to use: train ResNets across initializers, activations and seeds, and put
intervals on the answer.

usage: python -m bench COMMAND [key=value[,value...]] ...

{commands}

examples:
  python -m bench sweep
  python -m bench sweep study=mine model=resnet8,plain8 initializer=he_normal,glorot_uniform 'seed=range(5)' epochs=2
  python -m bench list kind=initializer
  python -m bench report study=mine format=markdown

A value with commas is an axis of the study; the rest is as in conf/. `python -m bench COMMAND --help` shows every key,
`--cfg job` the composed configuration. The same sweep again does only what is missing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    command, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    try:
        if command in ("-h", "--help", "help"):
            print(
                HELP.format(commands="\n".join(f"  {name:<10} {text}" for name, (_, text) in COMMANDS.items())),
                flush=True,
            )
            return 0
        return invoke(command, rest)
    except UserError as mistake:
        return told(mistake)
    except BrokenPipeError:
        return unread()
    except KeyboardInterrupt:
        print("bench: interrupted; finished runs are kept, the same command goes on from here", file=sys.stderr)
        return 130
    except Exception as error:
        return too_large(error)


def invoke(command: str, argv: list[str]) -> int:
    """Hand the command over to Hydra, and hand Hydra's errors back as sentences."""
    from bench import catalogue, registry

    if command not in COMMANDS:
        raise UserError(registry.unknown("command", command, COMMANDS))
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    module, _, name = COMMANDS[command][0].partition(".")
    function = getattr(import_module(f"bench.commands.{module}"), name)
    if command not in PLANNED:
        function = carried_out(command, function)
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # else Hydra prints errors itself and exits with 1
    sys.argv = [f"python -m bench {command}", *for_hydra(command, argv)]
    try:
        hydra.main(version_base="1.3", config_path=str(catalogue.CONF), config_name=command)(function)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explained(command, error)) from error
    except SystemExit as ended:  # the sweeper's way to say a code, since Hydra returns nothing
        return int(ended.code or 0)
    return 0


def carried_out(command: str, function: Callable[[Any], int]) -> Callable[[Any], None]:
    """The function of a command, whose exit code Hydra would drop and whose mistakes it would dress up."""
    from hydra.errors import HydraException

    def job(config: Any) -> None:
        try:
            sys.exit(function(config))
        except UserError as mistake:
            sys.exit(told(mistake))
        except HydraException as error:  # of what the command itself composes
            sys.exit(told(UserError(explained(command, error))))
        except BrokenPipeError:
            sys.exit(unread())
        except Exception as error:
            sys.exit(too_large(error))

    return job


def unread() -> int:
    """The reader of our output, such as `head`, has seen enough: nothing is wrong, and nothing more is said."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def too_large(error: Exception) -> int:
    """Say that this process may not have as much memory as it needs; raises any other error again."""
    from bench.launch.failure import OUT_OF_MEMORY, failure_class, first_line

    if failure_class(error) != OUT_OF_MEMORY:
        raise error
    cause = first_line(str(error)) or type(error).__name__
    return told(UserError(f"not enough memory ({cause}). Finished runs are kept; with more, the same command goes on"))


def told(mistake: UserError) -> int:
    """Say a mistake on standard error; its exit code."""
    print(f"bench: {mistake}", file=sys.stderr)
    return 2


def for_hydra(command: str, argv: list[str]) -> list[str]:
    """The command line as Hydra takes it.

    Of a command that goes through the sweeper, what is said of a run's choices travels as one list: Hydra would apply
    it to a single configuration, which has no place for an argument of the second option of an axis.
    """
    from hydra._internal.utils import get_args_parser

    from bench import catalogue

    argv = with_retry(argv)
    asked = get_args_parser().parse_intermixed_args(argv)
    flags = [word for word in argv if word not in asked.overrides]
    said = for_report(asked.overrides, asked.config_dir) if command == "report" else keyed(command, asked.overrides)
    overrides = [part for word in said for part in named_study(word, asked.config_dir)]
    if command not in PLANNED or asked.cfg or asked.info or asked.help or asked.hydra_help or asked.shell_completion:
        return [*flags, *overrides]
    ours = [word for word in overrides if re.split(r"[.=/@]", word)[0] in {"hydra", *catalogue.settings()}]
    choices = [word for word in overrides if word not in ours]
    return [*flags, "--multirun", *ours, "overrides=" + json.dumps(choices, ensure_ascii=False)]


def with_retry(argv: list[str]) -> list[str]:
    """--retry CLASS, as other tools have it, in the form of every other setting: retry=CLASS."""
    words = [word.replace("--retry=", "retry=", 1) if word.startswith("--retry=") else word for word in argv]
    if "--retry" in words:
        place = words.index("--retry")
        words[place : place + 2] = ["retry=" + "".join(words[place + 1 : place + 2])]
    return words


def keyed(command: str, words: list[str]) -> list[str]:
    """The words as overrides: of `merge` and `why`, those without a key as the list that the command is about."""
    bare = [word for word in words if "=" not in word] if command in POSITIONAL else []
    listed = [f"{POSITIONAL[command]}={json.dumps(bare, ensure_ascii=False)}"] if bare else []
    return [*(word for word in words if word not in bare), *listed]


def for_report(overrides: list[str], config_dir: str | None) -> list[str]:
    """What is said to a report of several studies and of conditions on runs, each as one list: no run is composed."""
    several = [word for word in overrides if word.startswith("study=") and "," in word]
    where = [word.removeprefix("where.") for word in overrides if word.startswith("where.")]
    rest = [word for word in overrides if word not in several and not word.startswith("where.")]
    names = [name for word in several for name in word.partition("=")[2].split(",")]
    studies = [named_study(f"study={name}", config_dir) for name in names]
    listed = {"studies": studies, "where": where}
    return rest + [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in listed.items() if value]


def named_study(override: str, config_dir: str | None) -> list[str]:
    """study=NAME as it stands where conf/ declares a study NAME; else the study `own`, under that name."""
    from bench import catalogue

    key, _, name = override.partition("=")
    folders = [catalogue.CONF, *([Path(config_dir)] if config_dir else [])]
    if key != "study" or any((folder / "study" / f"{name}.yaml").is_file() for folder in folders):
        return [override]
    return ["study=own", f"study.name={json.dumps(name)}"]


def explained(command: str, error: Exception) -> str:
    """Hydra's and OmegaConf's errors in one sentence that names what there is instead."""
    from hydra.errors import MissingConfigException, OverrideParseException

    from bench import catalogue, registry

    first = str(error).partition("\n")[0]
    if isinstance(error, MissingConfigException) and error.options:
        word, _, name = (error.missing_cfg_file or "").rpartition("/")
        return registry.unknown(word, name, error.options)
    if isinstance(error, OverrideParseException):
        return f"cannot read {error.override!r} ({first}); write key=value or key=value,value"
    if found := re.match(r"Could not override '([^']+)'", first):
        return registry.unknown("key", found[1], catalogue.keys(command))
    return f"{first} {error.__cause__ or ''}".strip()


if __name__ == "__main__":
    sys.exit(main())
