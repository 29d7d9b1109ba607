"""The books: every table, what they promise by themselves, and the application's rights.

Revision: 0001. The SQL beside this file is frozen: a later change is a later revision.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

HERE = Path(__file__).parent


def upgrade() -> None:
    for part in (
        "0001_tables.sql",
        "0001_rules.sql",
        "0001_batch.sql",
        "0001_days.sql",
        "0001_delivery.sql",
        "0001_breaks.sql",
        "0001_signing.sql",
        "0001_quarantine.sql",
    ):
        _run((HERE / part).read_text(encoding="utf-8"))


def _run(sql: str) -> None:
    """Run a file of statements, which the driver takes only by its simple protocol."""
    raw: Any = op.get_bind().connection.dbapi_connection
    raw.run_async(lambda driver: driver.execute(sql))


def downgrade() -> None:
    raise NotImplementedError("The books are never taken down; restore a backup instead.")
