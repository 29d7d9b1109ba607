"""Run the migrations on the connection that `upgrade` hands over."""

from __future__ import annotations

from alembic import context

from clearing.store import (
    break_tables,
    day_tables,
    delivery_tables,
    job_tables,
    quarantine,
    seal_tables,
    sign_tables,
)
from clearing.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()

__all__ = [
    "break_tables",
    "day_tables",
    "delivery_tables",
    "job_tables",
    "quarantine",
    "seal_tables",
    "sign_tables",
]
