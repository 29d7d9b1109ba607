"""The real services the tests run on. A missing one fails its tests and says what to install.

database_url         a fresh, empty database of one test, on the embedded PostgreSQL
module_database_url  the same for all tests of a module
database_server      that server itself: `create()` a database, or a `template()` to copy, in milliseconds
plain_server         the same on an ordinary server reached by URL, host, port and password
broker               a Kafka for the whole run: give topics names of your own
own_broker           a Kafka of one test, to stop, kill and start again
own_database         a PostgreSQL of one test, to stop, kill and start again
golden               whether `make golden` asked to rewrite the expected files of a day
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import hypothesis
import pytest
from asyncpg import ObjectInUseError
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from sqlalchemy.engine import make_url

from clearing.jobs.broker import IMAGE, Broker, JarBroker, NoBroker, kafka
from clearing.jobs.kafka_jars import free_port
from clearing.store import embedded
from clearing.store.database import connect, open_database
from tests import soaking

Result = TypeVar("Result")

PLAIN_URL = "CLEARING_TEST_DATABASE_URL"
PLAIN_PROGRAMS = [
    *(Path(f"/usr/lib/postgresql/{major}/bin") for major in (15, 16, 17, 18)),
    *(Path(f"/usr/pgsql-{major}/bin") for major in (15, 16, 17, 18)),
    *(Path(f"/opt/homebrew/opt/postgresql@{major}/bin") for major in (15, 16, 17, 18)),
]
SERVICES = ("database_server", "plain_server", "own_database", "broker", "own_broker")
IN_USE_TRIES = 12
"""How often a database that is still in use is asked for again; the server itself waits five seconds each time."""
OURS: Final = {"CLEARING_SOAK", "CLEARING_SOAK_SECONDS", "CLEARING_TEST_SEED", PLAIN_URL}
"""Variables that speak to the tests; all other settings of the product a test gives itself."""
NARROW: Final = {
    "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "JUPYTER_COLUMNS", "LINES", "NO_COLOR",
    "PY_COLORS", "TERMINAL_WIDTH", "TTY_COMPATIBLE", "TTY_INTERACTIVE",
}  # fmt: skip
"""Variables by which a terminal or a build server changes how wide and how coloured programs print."""
ran: dict[str, set[str]] = {service: set() for service in SERVICES}
how: dict[str, str] = {}


@dataclass
class DatabaseServer:
    """A running PostgreSQL on which tests make databases of their own.

    `admin_url`  a URL of a role that may create databases
    `how`        what it is, for people
    """

    admin_url: str
    how: str
    templates: dict[str, str] = field(default_factory=dict)

    def create(self, template: str = "template1") -> str:
        """Make a database, a copy of another one if wanted, and give its URL."""
        name = f"test_{secrets.token_hex(6)}"
        _finish(self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
        return make_url(self.admin_url).set(database=name).render_as_string(hide_password=False)

    def template(self, name: str, prepare: Callable[[str], Awaitable[None]]) -> str:
        """Prepare a database once a run and give its name, to `create` copies from.

        `prepare` gets its URL, and must have closed its connections when it returns.
        """
        if name not in self.templates:
            url = self.create()
            _finish(_awaiting(prepare, url))
            self.templates[name] = str(make_url(url).database)
        return self.templates[name]

    def drop(self, url: str) -> None:
        """Remove a database; what a failed test left connected is cut off."""
        _finish(self._run(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)'))

    async def _run(self, statement: str) -> None:
        """On a busy disk whoever had the database, or its template, open may take long to go."""
        connection = await connect(self.admin_url)
        try:
            for left in reversed(range(IN_USE_TRIES)):
                try:
                    await connection.execute(statement)
                except ObjectInUseError:
                    if not left:
                        raise
                else:
                    return
        finally:
            await connection.close()

    async def version(self) -> str:
        """What the server says it is, in the words the product shows."""
        async with open_database(self.admin_url) as database:
            return database.how


async def _awaiting(prepare: Callable[[str], Awaitable[None]], url: str) -> None:
    await prepare(url)


def _finish(work: Coroutine[Any, Any, Result]) -> Result:
    """Run something to its end, apart from the loop of the tests, which these fixtures must not disturb."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()


def _the_same_surroundings() -> None:
    """Forget what the shell, the terminal or the build server says: a run means the same on every machine."""
    for name in list(os.environ):
        product = name.startswith("CLEARING_") and name not in OURS
        # A server that was named may need PGPASSWORD and its like; the ones that we start need none.
        client = name.startswith("PG") and not os.environ.get(PLAIN_URL)
        if product or client or name in NARROW:
            del os.environ[name]


_the_same_surroundings()

# The same examples each time, so that a red run says something about the change and a green one stays green;
# `make soak` looks for new ones. How long a machine takes to draw them is no fault.
SLOW: Final = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile(
    "every day", deadline=None, print_blob=True, derandomize=True, suppress_health_check=SLOW
)
hypothesis.settings.register_profile(
    "soak", deadline=None, print_blob=True, max_examples=5_000, suppress_health_check=SLOW
)
hypothesis.settings.load_profile("every day")

ALL_CONSTANTS: Final = providers._get_local_constants


def _constants() -> Constants:
    """Constants of the code under test that are tried as examples: none every day, all of them in a soak.

    Which there are depends on the modules that other tests of this process have loaded and on where the code lies,
    so the examples would be others with each way of sharing the tests out, for all that they are derandomized.
    """
    same = hypothesis.settings.default.derandomize  # type: ignore[union-attr]  # a profile is loaded
    return Constants() if same else ALL_CONSTANTS()


providers._get_local_constants = _constants


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make golden` ask for the expected files to be written instead of compared."""
    parser.addoption("--golden", action="store_true", help="rewrite the expected/ folders of fixtures/days")


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest) -> bool:
    """Whether a test of a day folder writes what it found instead of comparing."""
    return bool(request.config.getoption("--golden"))


# ---------------------------------------------------------------- databases


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    """The embedded PostgreSQL, one for the whole run."""
    directory = tmp_path_factory.mktemp("embedded")
    server = embedded.acquire(directory)
    try:
        found = DatabaseServer(server.dsn("postgres"), "the embedded PostgreSQL")
        found.how = how["database_server"] = _finish(found.version()).replace(
            "PostgreSQL", "embedded PostgreSQL", 1
        )
        yield found
    finally:
        embedded.release(directory)


@pytest.fixture
def database_url(database_server: DatabaseServer) -> Iterator[str]:
    """A fresh, empty database of one test."""
    url = database_server.create()
    yield url
    database_server.drop(url)


@pytest.fixture(scope="module")
def module_database_url(database_server: DatabaseServer) -> Iterator[str]:
    """A fresh, empty database that the tests of one module share."""
    url = database_server.create()
    yield url
    database_server.drop(url)


@pytest.fixture(scope="session")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    """An ordinary PostgreSQL reached by host, port and password: the one named, or one we start."""
    named = os.environ.get(PLAIN_URL)
    if named:
        found = DatabaseServer(named, "")
        found.how = how["plain_server"] = _finish(found.version())
        yield found
        return
    programs = _plain_programs()
    directory = tmp_path_factory.mktemp("plain") / "postgres"
    directory.mkdir(mode=0o700)
    embedded.give_to_server_account(directory)
    password, port = secrets.token_urlsafe(12), free_port()
    (directory.parent / "password").write_text(password)
    (directory.parent / "password").chmod(0o644)

    def run(program: str, *arguments: str) -> None:
        done = embedded.run_as_owner(
            directory, [str(programs / program), "--pgdata", str(directory), *arguments]
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    password_file = f"--pwfile={directory.parent / 'password'}"
    run(
        "initdb",
        "--username=clearing",
        "--auth=scram-sha-256",
        password_file,
        "--encoding=UTF8",
        "--locale=C",
    )
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=on"
    run("pg_ctl", "-w", "-l", str(directory / "server.log"), "-o", options, "start")
    try:
        found = DatabaseServer(f"postgresql://clearing:{password}@127.0.0.1:{port}/postgres", "")
        found.how = how["plain_server"] = _finish(found.version())
        yield found
    finally:
        run("pg_ctl", "-m", "immediate", "-w", "stop")


@dataclass
class OwnDatabase:
    """An embedded PostgreSQL of one test, with an empty database in it."""

    server: embedded.Embedded

    @property
    def url(self) -> str:
        """Of its database, whether it runs or not."""
        return self.server.dsn("postgres")

    async def create(self, name: str) -> str:
        """Make one more database, and give its URL."""
        connection = await connect(self.url)
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return self.server.dsn(name)

    def start(self) -> None:
        """Start it; after a kill it replays its log first. Again: it runs."""
        embedded._run_server(self.server)

    def kill(self) -> None:
        """End it at once, as a crash would: nothing is flushed. Again: it is down."""
        embedded._pg_ctl(self.server.cluster, "-m", "immediate", "-w", "stop")


@pytest.fixture
def own_database(tmp_path: Path) -> Iterator[OwnDatabase]:
    """A PostgreSQL of one test, that may be killed and started again."""
    directory = tmp_path / "database"
    found = OwnDatabase(embedded.acquire(directory))
    how["own_database"] = "an embedded PostgreSQL, one a test"
    try:
        yield found
    finally:
        found.kill()
        embedded.release(directory)


def _plain_programs() -> Path:
    on_path = shutil.which("pg_ctl")
    for place in [*PLAIN_PROGRAMS, *([Path(on_path).resolve().parent] if on_path else [])]:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    pytest.fail(
        f"no PostgreSQL server programs found. Install them (Debian: apt-get install postgresql-15), "
        f"or name in {PLAIN_URL} a server whose role may create databases",
        pytrace=False,
    )


# ---------------------------------------------------------------- brokers


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """An Apache Kafka for the whole run: the one named in KAFKA_BOOTSTRAP, a container, or the jars."""
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(
                kafka(
                    tmp_path_factory.mktemp("kafka"),
                    bootstrap=os.environ.get("KAFKA_BOOTSTRAP"),
                    image=os.environ.get("KAFKA_IMAGE", IMAGE),
                )
            )
        except NoBroker as refused:
            pytest.fail(str(refused), pytrace=False)
        how["broker"] = found.how
        yield found


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[JarBroker]:
    """An Apache Kafka of one test, started from the jars, that may be stopped, killed and started again."""
    try:
        # Its next start waits for that; with less a broker on a busy machine is taken for dead while it lives.
        found = JarBroker(tmp_path / "kafka", session_seconds=6)
        found.start()
    except NoBroker as refused:
        pytest.fail(f"{refused}: a broker to kill needs Java 17 and Maven", pytrace=False)
    how["own_broker"] = "Apache Kafka from its jars, one a test"
    yield found
    found.kill()


# ---------------------------------------------------------------- what ran on what


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Count a test for each service it is given, when its body runs."""
    for service in SERVICES:
        if service in getattr(item, "fixturenames", ()):
            ran[service].add(item.nodeid)
    yield


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what ran in this process to the one that tells it, when the suite runs in several."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["services"] = {service: sorted(nodes) for service, nodes in ran.items()}
        output["how"], output["did"], output["notes"] = how, dict(soaking.done), soaking.notes


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - pytest-xdist names no type
    """Add what ran in another process."""
    output = getattr(node, "workeroutput", {})
    for service, nodes in output.get("services", {}).items():
        ran[service].update(nodes)
    how.update(output.get("how", {}))
    soaking.done.update(output.get("did", {}))
    soaking.notes.extend(output.get("notes", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests ran on which real service, and what the faults' tests did."""
    counted = [f"{len(ran[service])} on {how.get(service, service)}" for service in SERVICES if ran[service]]
    if counted:
        terminalreporter.write_sep("-", "real services")
        terminalreporter.write_line("ran " + ", ".join(counted))
    if soaking.done:
        said = ", ".join(f"{count:,} {what}" for what, count in sorted(soaking.done.items()))
        terminalreporter.write_sep("-", f"faults, seed {soaking.SEED}")
        for line in [f"survived {said}", *soaking.notes]:
            terminalreporter.write_line(line)
