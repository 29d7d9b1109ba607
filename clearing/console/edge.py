"""Where the program meets the shell: settings, the database, exit codes, one object of JSON. 程序边界

Exit codes: 0 done · 1 books or a proof do not come out · 2 asked for what cannot be · 3 the world failed, try
again · 4 a promise of ours is broken. Messages, logs and progress go to stderr; stdout has the answer only, with
`--json` also where there is none: an object with `error`.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import asyncpg
import structlog
import typer
import uvloop
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from clearing import settings as settings_table
from clearing.errors import ClearingError, UsageError, WorldFailed
from clearing.jobs.patience import patiently
from clearing.jobs.setup import members_in_force, with_settings
from clearing.ledger.accounts import CHART
from clearing.ledger.members import Members
from clearing.settings import Settings
from clearing.store.database import open_database
from clearing.store.refusals import database_failed, state_of

T = TypeVar("T")

DEBUG: Final = "CLEARING_DEBUG"
STOPPED: Final = 130
"""What a shell expects of a program that Ctrl-C ended."""
_OTHER_TABLES: Final = UsageError(
    "database: its tables are not those of this release. Next: clearing init with the same members and day"
)
_NO_BOOKS: Final = UsageError(
    "database: there are no books in it. Next: clearing init --members FILE --open-day DATE"
)
_NOT_OURS: Final = {
    "42703": _OTHER_TABLES,  # no such column
    "42P01": _NO_BOOKS,  # no such table, schema or role: nobody has run `init` on this database
    "3F000": _NO_BOOKS,
    "22023": _NO_BOOKS,
    "42704": _NO_BOOKS,
}
"""What the database says, by its code, of books that are not there or of another release."""

for_machine: Final = ContextVar("for_machine", default=False)
"""Whether this command was given `--json`."""

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout and nothing else.")]


def a_date(text: str) -> date:
    """A date as the command line takes it."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"expected a date such as 2026-03-10, got {text!r}") from error


Day = Annotated[date, typer.Argument(parser=a_date, metavar="DATE", help="Clearing date, YYYY-MM-DD.")]


@dataclass(frozen=True, slots=True)
class Books:
    """What nearly every command works on."""

    engine: AsyncEngine
    settings: Settings
    members: Members
    how: str
    """The database, for people."""


def settings_now() -> Settings:
    """The settings of this run, from the environment and the working directory."""
    return settings_table.load(os.environ, Path.cwd())


@contextlib.asynccontextmanager
async def books(*, patient: bool = False) -> AsyncIterator[Books]:
    """Open the books that the settings name, with the members in force.

    In:      `patient` waits for a database that is down or cannot take another connection just now.
    Raises:  UsageError when nobody has run `init` there.
    """
    settings = settings_now()

    async def opened() -> Books:
        async with contextlib.AsyncExitStack() as opening:
            database = await opening.enter_async_context(open_database(settings.database_url, make=False))
            members = with_settings(await members_in_force(database.engine), settings)
            stack.push_async_callback(opening.pop_all().aclose)
        return Books(database.engine, settings, members, database.how)

    async with contextlib.AsyncExitStack() as stack:
        yield await (patiently(opened) if patient else opened())


def perform(
    work: Callable[[], Coroutine[Any, Any, T]], *, fast: bool = False, level: int = logging.WARNING
) -> T:
    """Run a command's work to its end and turn what goes wrong into a message and an exit code.

    In:      `fast` for work that moves many records: it gets the quicker event loop; from which level on logs
             are written.
    Raises:  typer.Exit with the code of the table above.
    """
    logs(level)
    try:
        return uvloop.run(work()) if fast else asyncio.run(work())
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        say("stopped. What is committed stays; run the same command again to go on")
        raise typer.Exit(STOPPED) from None
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(WorldFailed.exit_code) from None
    except Exception as error:
        raise typer.Exit(failed(error)) from error


def failed(error: Exception) -> int:
    """Say what went wrong and give the exit code. No traceback, unless CLEARING_DEBUG is set."""
    known = _known(error) or ClearingError(
        f"unexpected: {type(error).__name__}. This is a fault of ours; nothing is retried. "
        f"Next: run again with {DEBUG}=1 to see where, and: clearing verify"
    )
    if os.environ.get(DEBUG):
        Console(stderr=True).print_exception()
    say(str(known))
    no_answer(str(known), known.exit_code, retriable=known.retriable)
    return known.exit_code


def no_answer(message: str, exit_code: int, *, retriable: bool = False) -> None:
    """Where a machine waits for one object of JSON, say in one that there is no answer and why."""
    if for_machine.get():
        answer({"error": message, "exit_code": exit_code, "retriable": retriable})


def _known(error: Exception) -> ClearingError | None:
    """The error as one of ours, None when nobody expected it."""
    if isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        return _known(error.exceptions[0])
    if isinstance(error, ClearingError):
        return error
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | DBAPIError):
        return _NOT_OURS.get(state_of(error)) or database_failed(error)
    if isinstance(error, KafkaError):
        return WorldFailed(f"Kafka: {type(error).__name__}: {error}. Next: see that it runs, then try again")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return WorldFailed(f"{where}{error.strerror or type(error).__name__}. Next: mend it and run again")
    return None


def whoami() -> str:
    """Who does it where `--as` says nobody: the account's name, its number where it has none. 操作人"""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's account need not have a name
        return f"uid{os.geteuid()}"


def say(message: str) -> None:
    """A line for people, on stderr."""
    print(message, file=sys.stderr)


def answer(found: object) -> None:
    """The one JSON object of a command, on stdout."""
    print(json.dumps(found, ensure_ascii=False, indent=1 if sys.stdout.isatty() else None, default=_text))


def _text(value: object) -> str:
    """What JSON has no form for: dates and instants as ISO 8601, all else as it says itself."""
    return value.isoformat() if isinstance(value, date) else str(value)


def logs(level: int) -> None:
    """Logs go to stderr, one line each."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, force=True)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it meets, our own errors say
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        # Asked anew for each line: whoever replaces stderr (a test, a supervisor) gets what is said from then on.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


@contextlib.contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere; gives a function that hears of each step forward."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.update(task, advance=count)


def expect_known(members: Members, **named: str | None) -> None:
    """Refuse a misspelt code or account where nothing was found: "none" would be taken for an answer.

    In:      what was asked for by option: `account` as it begins, all others codes of members.
    Raises:  UsageError.
    """
    codes = members.codes()
    for option, asked in named.items():
        if not asked:
            continue
        if option == "account":
            known = (f"{code}.{owner}" for code in CHART for owner in codes)
            if not any(one.startswith(asked) or asked.startswith(f"{one}.") for one in known):
                raise UsageError(
                    f"--account {asked}: expected an account or how it begins, such as 2010 or 2010.H1; there is "
                    "no account of that code, or no member. See: clearing members show"
                )
        elif asked not in codes:
            raise UsageError(
                f"--{option} {asked}: expected the code of a member, got none of that name. "
                "See: clearing members show"
            )


def read_file(path: Path) -> bytes:
    """A file that somebody named.

    Raises:  UsageError when it cannot be read: naming another one is what helps.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or 'cannot be read'}. Next: name a file that is there"
        ) from error


def named_files(pairs: Sequence[str], option: str) -> dict[str, list[Path]]:
    """`B1=FILE` pairs as files by member code; a code may come several times.

    Raises:  UsageError for another form, or a file that is not there.
    """
    found: dict[str, list[Path]] = {}
    for pair in pairs:
        code, equals, name = pair.partition("=")
        if not code or not equals or not name:
            raise UsageError(f"{option} {pair}: expected CODE=FILE such as {option} B1=STM_B1.csv")
        path = Path(name)
        found.setdefault(code, []).append(path)
        if not path.is_file():
            raise UsageError(f"{option} {code}: {name}: no such file. Next: name a file that is there")
    return found
