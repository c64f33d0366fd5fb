"""The command table, loaded lazily, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import tempfile
import traceback
from typing import TYPE_CHECKING, Any

import click

from evalkit import __version__
from evalkit.cli.common import in_actions
from evalkit.errors import EvalkitError, Interrupted, Location, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "cli", "run"]

COMMANDS: dict[str, str] = {
    "run": "Evaluate an entry against its suites.",
    "check": "Validate every file of the project.",
    "power": "Say how many cases a suite needs to decide its own rule.",
    "resolve": "Show what an application gets: the config that serves now.",
    "plan": "Show which evaluations a change needs, as a CI matrix.",
    "replay": "Score the recordings that a change brings; call nobody.",
    "merge": "Merge the shards of a run, and judge it.",
    "record": "Write what CI measured into a pull request.",
    "approve": "Write who approved a merged promotion into the entry.",
    "bundle": "Compile the registry into one file that applications ship or fetch.",
    "verify": "Verify a bundle, or the evidence.",
    "publish": "Put a bundle where running applications fetch it.",
    "doctor": "Find what keeps promotion from working, and where to change it.",
    "promote": "Show what may move to staging or production, and move it.",
    "rollback": "Return production to the version before.",
    "pause": "Stop a live canary.",
    "split": "Set the weights of an A/B.",
    "retire": "Take one version out for good.",
    "hold": "Keep something from being promoted.",
    "unhold": "Lift a hold.",
    "log": "Show what happened to an entry: when, by whom, why.",
    "at": "Show what served at a moment.",
    "who": "Show who wrote, evaluated and approved a version.",
    "list": "Show the entries, and which of them serve.",
    "show": "Show one entry with everything it resolves to.",
    "diff": "Show what differs between two entries, prompt text too.",
    "new": "Scaffold the next version of an entry.",
    "report": "Show a finished run again, or write its report.",
    "schema": "Print or write the JSON Schemas for editors.",
}
"""Name and one line of help: `--help` prints them without importing a command. Each is `cli/commands/<name>.py`."""

EXIT_CODES = """\
Exit codes: 0 passed or well; 1 the gate failed or check found errors; 2 usage or configuration, nothing was run;
3 inconclusive (too few cases, provider errors, budget reached); 130 interrupted. All others are reserved."""


class LazyGroup(click.Group):
    """Imports a command when it is called, and no sooner."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table: the main job first."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import `cli/commands/<name>.py` and take its `command`."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"evalkit.cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """A mistyped command gets a suggestion."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            guess = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean '{guess[0]}'?" if guess else "see evalkit --help"
            ctx.fail(f"there is no command '{name}'; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table itself; nothing is imported for it."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.version_option(__version__, "--version", prog_name="evalkit", message="%(prog)s %(version)s")
@click.option(
    "--project", "project_dir", metavar="DIR", help="The project; found from the current directory upwards."
)
@click.pass_context
def cli(ctx: click.Context, project_dir: str | None) -> None:
    """Evaluate, promote and roll back the generation configs of LLM applications.

    \b
    Examples:
      evalkit run support-triage@v14        evaluate one version
      evalkit run support-triage            ... or its newest draft
      evalkit check                         is everything in this project valid?
      evalkit list                          what is there, what serves
    """  # noqa: D301 - click's \b keeps the lines as they are
    ctx.obj = project_dir


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code. No traceback ever reaches the user."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal that cannot show a character still works
    try:
        result = cli.main(args=list(arguments), prog_name="evalkit", standalone_mode=False)
    except EvalkitError as error:
        _say(error)
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        _say_usage(error)
        return 2
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("interrupted\n")
        return Interrupted.exit_code
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder that may not be written, a file where a folder is needed
        where = Location(str(error.filename)) if error.filename else None
        _say(EvalkitError(Problem("EK906", f"the system refuses: {error.strerror or error}", where)))
        return 2
    except Exception as error:  # noqa: BLE001 - the last resort is a message, never a traceback
        return _say_bug(error)
    return result if isinstance(result, int) else 0


def _say(error: EvalkitError) -> None:
    from evalkit.report.problems import problem_text

    for problem in error.problems:
        sys.stderr.write(problem_text(problem, in_actions=in_actions()))
    if len(error.problems) > 1:
        sys.stderr.write(f"{len(error.problems)} problems\n")


def _say_usage(error: click.ClickException) -> None:
    from evalkit.report.problems import problem_text

    context = getattr(error, "ctx", None)
    hint = f"{context.command_path} --help" if context is not None else None
    sys.stderr.write(
        problem_text(Problem("EK902", error.format_message(), hint=hint), in_actions=in_actions())
    )


def _say_bug(error: Exception) -> int:
    handle, path = tempfile.mkstemp(prefix="evalkit-", suffix=".log", text=True)
    with os.fdopen(handle, "w", encoding="utf-8") as log:
        log.write(f"evalkit {__version__}, Python {sys.version}, {sys.platform}\n")
        traceback.print_exception(error, file=log)
    sys.stderr.write(
        f"EK999 a bug in evalkit: {type(error).__name__}: {error}\n  help: the details are in {path}\n"
    )
    return 70
