"""The books: every table, what they promise by themselves, and the application's rights.

Revision: 0001. The SQL beside this file is frozen: a later change is a later revision.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

HERE = Path(__file__).parent


def upgrade() -> None:
    # The driver takes several statements at once only by its simple protocol.
    connection = op.get_bind().connection.dbapi_connection
    for part in ("0001_tables.sql", "0001_rules.sql"):
        connection.run_async(lambda raw, sql=(HERE / part).read_text(encoding="utf-8"): raw.execute(sql))


def downgrade() -> None:
    raise NotImplementedError("The books are never taken down; restore a backup instead.")
