"""Bringing a database to the schema of this release. 迁移"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from clearing.errors import WorldFailed
from clearing.store.session import APP_ROLE

_CREATE_ROLE = text(
    f"""
    DO $$ BEGIN
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN
            CREATE ROLE {APP_ROLE} NOLOGIN;
        END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- made meanwhile, from another database
    END $$
    """  # noqa: S608 - a name of our own
)
_JOIN_ROLE = text(
    f"""
    DO $$ BEGIN
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            GRANT {APP_ROLE} TO CURRENT_USER;
        END IF;
    -- internal_error: "tuple concurrently updated", somebody else joins from another database
    EXCEPTION WHEN unique_violation OR internal_error OR insufficient_privilege THEN NULL;
    END $$
    """  # noqa: S608 - a name of our own
)


async def upgrade(engine: AsyncEngine) -> None:
    """Create the schema, or bring it to this release's, in one transaction. 建库与升级

    Writes:  every table, function, trigger and right; the role `clearing_app` of the whole server.
    Again:   nothing is left to do. Two processes at once: the second waits and finds it done.
    Raises:  WorldFailed when the role is missing and may not be made by this user.
    """
    async with engine.begin() as conn:
        await conn.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    # Alembic and its templates are half of what a command loads when it starts, and few commands migrate.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    connection.execute(text("SELECT pg_advisory_xact_lock(7203, 0)"))
    _role(connection)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _role(connection: Connection) -> None:
    """Make the application's role, and let this user work as it."""
    try:
        with connection.begin_nested():
            connection.execute(_CREATE_ROLE)
    except DBAPIError as error:
        raise WorldFailed(
            f"database: the role {APP_ROLE} is missing and this user may not make it. Next: let an "
            f"administrator run: CREATE ROLE {APP_ROLE} NOLOGIN; GRANT {APP_ROLE} TO this user"
        ) from error
    connection.execute(_JOIN_ROLE)
    try:
        with connection.begin_nested():
            connection.execute(text(f"SET LOCAL ROLE {APP_ROLE}"))
            connection.execute(text("RESET ROLE"))
    except DBAPIError as error:
        raise WorldFailed(
            f"database: this user may not work as {APP_ROLE}. "
            f"Next: let an administrator run: GRANT {APP_ROLE} TO this user"
        ) from error
