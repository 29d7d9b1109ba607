"""What the server runs for a batch follows from the kinds of facts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clearing.store import functions, lookups, migrations
from clearing.store.database import Database, connect
from clearing.store.session import driver, transaction

FROZEN = Path(migrations.__file__).parent / "versions" / "0001_batch.sql"


def test_the_migration_has_them_as_they_are_made() -> None:
    """A kind of fact that changes changes the functions: python -m clearing.store.functions makes the file anew."""
    assert FROZEN.read_text(encoding="utf-8") == functions.sql()


@pytest.mark.parametrize("statistics", ["SELECT", "ANALYZE", "VACUUM ANALYZE"])
async def test_reads_use_the_keys(books: Database, statistics: str) -> None:
    """Each key is looked up by itself, whatever is known of the tables when the first plan is made.

    Of a table that was empty then all rows were compared with all keys, for as long as the connection lived.
    """
    alone = await connect(books.dsn)
    await alone.execute(statistics)
    await alone.close()
    async with transaction(books.engine) as conn:
        raw = await driver(conn)
        for setting in re.findall(r"SET (\w+) = (\w+)", functions._PLANS):
            await raw.execute("SELECT set_config($1, $2, true)", *setting)
        for name, query in lookups.QUERIES.items():
            asked = query.format(*(f"($1)[{number}]" for number in (1, 2, 3)))
            await raw.execute(f"PREPARE asked(text[]) AS SELECT {asked}")
            plan = "\n".join(row[0] for row in await raw.fetch("EXPLAIN EXECUTE asked(ARRAY['a', 'b', 'c'])"))
            await raw.execute("DEALLOCATE asked")
            assert "Index Cond" in plan, (name, plan)
            assert "Seq Scan" not in plan, (name, plan)
            assert "Filter" not in plan.replace("One-Time Filter", ""), (name, plan)
