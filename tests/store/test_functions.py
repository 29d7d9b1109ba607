"""What the server runs for a batch follows from the kinds of facts."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from clearing.store import functions, migrations
from clearing.store.database import Database
from clearing.store.session import transaction

FROZEN = Path(migrations.__file__).parent / "versions" / "0001_batch.sql"


def test_the_migration_has_them_as_they_are_made() -> None:
    """A kind of fact that changes changes the functions: python -m clearing.store.functions makes the file anew."""
    assert FROZEN.read_text(encoding="utf-8") == functions.sql()


async def test_reads_use_the_keys(books: Database) -> None:
    """No table is read whole, however new it is when the first plan is made."""
    async with transaction(books.engine) as conn:
        await conn.execute(text("SET LOCAL enable_seqscan = off"))
        for name, query in functions.QUERIES.items():
            asked = query.format(*["'2026-03-10'"] * 3).replace(":", "\\:")
            plan = "\n".join((await conn.execute(text(f"EXPLAIN SELECT {asked}"))).scalars())
            assert "Index" in plan or "Bitmap" in plan, (name, plan)
            assert "Seq Scan" not in plan, (name, plan)
