"""Opening the database: a PostgreSQL URL, or a directory with a server of its own. 数据库"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from sqlalchemy import URL, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from clearing.errors import UsageError, WorldFailed
from clearing.store import embedded

VERSION_MIN = 15  # security-barrier views, MERGE and NULLS NOT DISTINCT keys
CONNECT_SECONDS_MAX = 15
_POOL_CONNECTIONS = (
    10  # a worker takes eight partitions at once; a kept connection keeps its prepared statements
)
_POOL_OVERFLOW = 4
_EMBEDDED = "embedded:"
_SCHEMES = {"postgres", "postgresql", "postgresql+asyncpg"}


@dataclass(frozen=True)
class Database:
    """An open database."""

    engine: AsyncEngine
    """SQLAlchemy's, on asyncpg; the driver's connection underneath does COPY."""
    dsn: str = field(repr=False)
    """A URL any PostgreSQL client takes; it may hold a password, so never show it."""
    how: str
    """For people: "embedded PostgreSQL 18.4 in .clearing", "PostgreSQL 15.12 at host:5432/books"."""
    server_version: tuple[int, int]
    """Major and minor."""


@contextlib.asynccontextmanager
async def open_database(url: str, *, make: bool = True) -> AsyncIterator[Database]:
    """Open the database a setting names and close it at the end.

    In:      `postgresql://…` or `postgresql+asyncpg://…` with libpq's parameters, or `embedded:DIR`; whether to
             `make` an embedded one that is not there.
    Writes:  an embedded directory the first time: a cluster, and in it the database `clearing`. No tables.
    Again:   several processes may have the same one open; the last to leave stops an embedded server.
    Raises:  UsageError for a URL that is none, or an embedded database that is not there and not to be made;
             WorldFailed if it cannot be reached, is not ours, or is older than PostgreSQL 15.
    """
    if url.startswith(_EMBEDDED):
        directory = Path(url.removeprefix(_EMBEDDED) or ".clearing")
        server = await asyncio.to_thread(embedded.acquire, directory, make=make)
        try:
            await _ensure_database(server)
            dsn = server.dsn()
            connecting = functools.partial(_connect_embedded, server)
            async with _opened(dsn, connecting, f"in {directory}", kind="embedded PostgreSQL") as database:
                yield database
        finally:
            await asyncio.to_thread(embedded.release, directory)
    else:
        dsn, where = _parse(url)
        connecting = functools.partial(connect, dsn)
        async with _opened(dsn, connecting, f"at {where}", kind="PostgreSQL") as database:
            yield database


@contextlib.asynccontextmanager
async def _opened(
    dsn: str, connecting: Callable[[], Awaitable[asyncpg.Connection]], where: str, *, kind: str
) -> AsyncIterator[Database]:
    major, minor = await _version(dsn, where)
    if major < VERSION_MIN:
        raise WorldFailed(
            f"database {where}: PostgreSQL {VERSION_MIN} or later expected, {major}.{minor} found. "
            "Next: upgrade that server"
        )
    engine = create_async_engine(
        "postgresql+asyncpg://",
        # The driver reads the URL itself: sslmode, PGPASSWORD and the password file then work as in psql.
        async_creator=connecting,
        pool_size=_POOL_CONNECTIONS,
        max_overflow=_POOL_OVERFLOW,
        json_serializer=functools.partial(
            json.dumps, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        ),
        json_deserializer=json.loads,
    )
    event.listen(engine.sync_engine, "checkout", _still_open)
    try:
        yield Database(engine, dsn, f"{kind} {major}.{minor} {where}", (major, minor))
    finally:
        await engine.dispose()


def _still_open(connection: DBAPIConnection, *_: object) -> None:
    """A server that was restarted costs a new connection, not a failed batch; asking it first costs three trips.

    Raises:  DisconnectionError, on which the pool takes another connection.
    """
    driver: asyncpg.Connection = getattr(connection, "driver_connection")  # noqa: B009 - of the async adapter only
    if driver.is_closed():
        raise DisconnectionError


async def connect(dsn: str) -> asyncpg.Connection:
    """One bare connection of the driver, with the session settings every connection of ours has."""
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_SECONDS_MAX,
        server_settings={"application_name": "clearing", "timezone": "UTC"},
    )


async def _connect_embedded(server: embedded.Embedded) -> asyncpg.Connection:
    """As `connect`; a server of ours that has died is started again, since nobody else watches over it.

    Raises:  WorldFailed while it does not start.
    """
    try:
        return await connect(server.dsn())
    except (FileNotFoundError, ConnectionRefusedError):
        await asyncio.to_thread(embedded.revive, server)
        return await connect(server.dsn())


async def _version(dsn: str, where: str) -> tuple[int, int]:
    """The server's version, and the proof that it answers."""
    try:
        connection = await connect(dsn)
        try:
            version = connection.get_server_version()
        finally:
            await connection.close()
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # ValueError: a parameter of the URL that the driver does not know or cannot read
        why = str(error) or type(error).__name__
        raise WorldFailed(
            f"database {where}: cannot connect: {why}. Next: check CLEARING_DATABASE_URL"
        ) from error
    return version.major, version.micro  # the driver counts "15.12" as 15, 0, 12


async def _ensure_database(server: embedded.Embedded) -> None:
    """Create our database in a new cluster. Again: it is there."""
    connection = await connect(server.dsn("postgres"))
    try:
        known = await connection.fetchval(
            "SELECT true FROM pg_database WHERE datname = $1", embedded.DATABASE
        )
        if not known:
            # Two processes may open a new directory at the same time: the second finds it made.
            with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                await connection.execute(f"CREATE DATABASE {embedded.DATABASE}")
    finally:
        await connection.close()


def _parse(url: str) -> tuple[str, str]:
    """A URL as the driver takes it, and where it leads, without the password."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UsageError(
            "CLEARING_DATABASE_URL: expected postgresql://user@host:port/name or embedded:DIR, got no URL"
        ) from error
    if parsed.drivername not in _SCHEMES:
        raise UsageError(
            f"CLEARING_DATABASE_URL: expected postgresql://… or embedded:DIR, got {parsed.drivername}:…"
        )
    return parsed.set(drivername="postgresql").render_as_string(hide_password=False), _where(parsed)


def _where(parsed: URL) -> str:
    host = parsed.host or str(parsed.query.get("host", "localhost"))
    port = f":{parsed.port or 5432}" if parsed.host else ""
    return f"{host}{port}/{parsed.database or parsed.username or ''}"
