"""Which rows agree in everything, and which must go through the passes. 快慢分流

The argument is that of `reconciliation.clean`, whose numbers stand beside the steps here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from clearing.reconciliation.clean import Clean, CleanLine, Token
from clearing.store.sides.our_rows import OURS_TOKENS, make_ours
from clearing.store.sides.tables import SideTables


def split(
    tables: SideTables,
    statements: Collection[str],
    exports: Collection[str],
    outside: Iterable[Token],
) -> Clean:
    """Tell the rows that agree in everything from all others, and add them up. 快慢分流

    In:      tables with one day's entries and files; whose files are given; `outside`: the tokens of every row
             that is not in the tables (open breaks, rows that waited, rows of ours without an entry).
    Out:     the sums of what is clean; `rest` gives the others.
    Writes:  scratch tables.
    """
    make_ours(tables)
    _given(tables, statements, exports)
    _candidates(tables)
    _whole_undos(tables)
    _taint(tables, outside)
    _until_nothing_changes(tables)
    return _added(tables)


# ---------------------------------------------------------------- what agrees


def _given(tables: SideTables, statements: Collection[str], exports: Collection[str]) -> None:
    tables.con.execute("CREATE TABLE given (side VARCHAR, partner VARCHAR)")
    for side, codes in (("B", statements), ("H", exports)):
        tables.con.execute("INSERT INTO given SELECT ?, unnest(?)", [side, sorted(codes)])
    tables.con.execute(
        """
        CREATE TABLE row_of_ours AS
        SELECT rowid AS o, partner IN (SELECT partner FROM given WHERE side = 'B') AS b_applies,
            institution IN (SELECT partner FROM given WHERE side = 'H') AS h_applies
        FROM ours WHERE plain
        """
    )


def _candidates(tables: SideTables) -> None:
    """Our rows with their one counterpart a side where all cells agree (3); what shares a key is seen later."""
    tables.con.execute(
        """
        CREATE TABLE met_b AS
            SELECT o.rowid AS o, b.rowid AS b FROM ours o JOIN bank b ON b.k = o.t_ref AND b.k2 = o.k2 WHERE o.plain;
        CREATE TABLE met_h AS
            SELECT o.rowid AS o, h.rowid AS h FROM ours o JOIN his h ON h.k = o.n1 AND h.k2 = o.n1_2 WHERE o.plain
            UNION ALL SELECT o.rowid, h.rowid FROM ours o JOIN his h ON h.k = o.n2 AND h.k2 = o.n2_2
                WHERE o.plain AND o.n2 IS NOT NULL AND o.n2 IS DISTINCT FROM o.n1
            UNION ALL SELECT o.rowid, h.rowid FROM ours o JOIN his h ON h.k = o.n3 AND h.k2 = o.n3_2
                WHERE o.plain AND o.n3 IS NOT NULL AND o.n3 IS DISTINCT FROM o.n1
                    AND o.n3 IS DISTINCT FROM o.n2;
        CREATE TABLE cand AS
        SELECT r.o, b.rowid AS b, h.rowid AS h, b.t_original AS t_b_original, h.t_original AS t_h_original
        FROM row_of_ours r JOIN ours o ON o.rowid = r.o
        LEFT JOIN met_b mb ON mb.o = r.o LEFT JOIN bank b ON b.rowid = mb.b
        LEFT JOIN met_h mh ON mh.o = r.o LEFT JOIN his h ON h.rowid = mh.h
        WHERE CASE WHEN b_applies
            THEN b.plain AND b.on_date = o.on_date AND b.fen = abs(o.worth) AND b.taken = (o.worth > 0)
                AND b.undo = o.undo AND (b.t_platform IS NULL OR b.t_platform = o.t_id)
                AND (b.card IS NULL OR o.card IS NULL OR b.card = o.card)
                AND (b.institution IS NULL OR o.institution_h IS NULL OR b.institution = o.institution_h)
                AND (b.fee IS NULL OR o.fee IS NULL OR b.fee = o.fee)
            ELSE b.rowid IS NULL END
        AND CASE WHEN h_applies
            THEN h.plain AND h.fen = abs(o.worth) AND h.taken = (o.worth > 0) AND h.undo = o.undo
                AND (h.t_platform IS NULL OR h.t_platform = o.t_id)
                AND (h.t_ref IS NULL OR h.t_ref = o.t_number_ref)
                AND (h.card IS NULL OR o.card IS NULL OR h.card = o.card)
                AND (h.bank IS NULL OR h.bank = o.bank OR h.bank = o.partner_h)
            ELSE h.rowid IS NULL END
        """
    )


def _whole_undos(tables: SideTables) -> None:
    """Undos that collapse with their original on some side (4): `pair` where on all of them, `uneven` else."""
    tables.con.execute(
        """
        CREATE TABLE undoing AS
            SELECT c.*, o.partner, o.t_original AS o_original, o.worth FROM cand c JOIN ours o ON o.rowid = c.o
            WHERE o.undo;
        CREATE TABLE named AS
            SELECT u.o, x.n AS ours_n, x.at AS ours_at, y.n AS bank_n, y.at AS bank_at, z.n AS his_n, z.at AS his_at
            FROM (SELECT DISTINCT o FROM undoing) u
            LEFT JOIN (SELECT v.o, count(*) AS n, max(x.rowid) AS at FROM undoing v JOIN ours x
                ON x.t_id = v.o_original AND x.partner = v.partner AND abs(x.worth) = abs(v.worth) GROUP BY v.o) x
                ON x.o = u.o
            LEFT JOIN (SELECT v.o, count(*) AS n, max(y.rowid) AS at FROM undoing v JOIN bank y
                ON y.k = v.t_b_original AND y.fen = abs(v.worth) GROUP BY v.o) y ON y.o = u.o
            LEFT JOIN (SELECT v.o, count(*) AS n, max(z.rowid) AS at FROM undoing v JOIN his z
                ON z.t_order = v.t_h_original AND z.fen = abs(v.worth) GROUP BY v.o) z ON z.o = u.o;
        CREATE TABLE often AS
            SELECT t FROM (SELECT hash('o', partner, o_original) AS t FROM undoing
                UNION ALL SELECT t_b_original FROM undoing UNION ALL SELECT t_h_original FROM undoing)
            WHERE t IS NOT NULL GROUP BY t HAVING count(*) > 1;
        CREATE TABLE pair AS
            SELECT u.o AS undo, c.o AS original
            FROM undoing u JOIN named n ON n.o = u.o JOIN cand c ON c.o = n.ours_at JOIN ours x ON x.rowid = c.o
            WHERE n.ours_n = 1 AND x.worth = -u.worth AND NOT x.undo
                AND CASE WHEN u.b IS NULL THEN c.b IS NULL ELSE n.bank_n = 1 AND n.bank_at = c.b END
                AND CASE WHEN u.h IS NULL THEN c.h IS NULL ELSE n.his_n = 1 AND n.his_at = c.h END
                AND hash('o', u.partner, u.o_original) NOT IN (SELECT t FROM often)
                AND coalesce(u.t_b_original NOT IN (SELECT t FROM often), true)
                AND coalesce(u.t_h_original NOT IN (SELECT t FROM often), true);
        CREATE TABLE uneven AS
            SELECT o FROM named
            WHERE (ours_n > 0 OR bank_n > 0 OR his_n > 0) AND o NOT IN (SELECT undo FROM pair);
        """
    )


# ---------------------------------------------------------------- what must not go the quick way


def _taint(tables: SideTables, outside: Iterable[Token]) -> None:
    """The tokens (1, 2) of all rows that are no candidates, of keys that two rows share, and of what lies outside."""
    kinds, scopes, texts = [], [], []
    for kind, scope, text in set(outside):
        kinds.append(kind)
        scopes.append(scope)
        texts.append(text)
    tables.con.execute("CREATE TABLE fresh (t UBIGINT)")
    tables.con.execute(
        "INSERT INTO fresh SELECT hash(k, s, t) FROM (SELECT unnest(?::VARCHAR[]) k, unnest(?::VARCHAR[]) s, "
        "unnest(?::VARCHAR[]) t)",
        [kinds, scopes, texts],
    )
    names = ", ".join(OURS_TOKENS)
    tables.con.execute(
        f"""
        CREATE TABLE gone AS SELECT o FROM uneven;
        CREATE TABLE not_ours AS
            SELECT rowid AS o FROM ours WHERE rowid NOT IN (SELECT o FROM cand)
            UNION ALL SELECT o FROM uneven;
        INSERT INTO fresh SELECT unnest([{names}]) FROM ours WHERE rowid IN (SELECT o FROM not_ours);
        INSERT INTO fresh SELECT unnest(more) FROM ours WHERE NOT plain;
        INSERT INTO fresh SELECT unnest([t_b_original, t_h_original]) FROM cand WHERE o IN (SELECT o FROM uneven);
        INSERT INTO fresh
            SELECT unnest([t_platform, k, t_original])
            FROM bank WHERE rowid NOT IN (SELECT b FROM cand WHERE b IS NOT NULL);
        INSERT INTO fresh
            SELECT unnest([t_platform, t_order, t_ref, t_original])
            FROM his WHERE rowid NOT IN (SELECT h FROM cand WHERE h IS NOT NULL);
        """  # noqa: S608 - our own words
    )
    _taint_shared(tables)


def _taint_shared(tables: SideTables) -> None:
    """The tokens of rows that meet more than one row under a strict key."""
    rows = {"o": "SELECT t_id FROM ours WHERE rowid IN", "b": "SELECT k FROM bank WHERE rowid IN"}
    rows["h"] = "SELECT unnest([t_order, t_ref]) FROM his WHERE rowid IN"
    for met, sides in (("met_b", "ob"), ("met_h", "oh")):
        for side in sides:
            counted = f"SELECT count(*) > count(DISTINCT {side}) FROM {met}"  # noqa: S608 - our own names
            if tables.one(counted):
                often = f"SELECT {side} FROM {met} GROUP BY {side} HAVING count(*) > 1"  # noqa: S608 - the same
                tables.con.execute(f"INSERT INTO fresh {rows[side]} ({often})")
    tables.con.execute(
        """INSERT INTO fresh SELECT o.t_ref FROM row_of_ours r JOIN ours o ON o.rowid = r.o
        WHERE NOT r.b_applies GROUP BY o.t_ref HAVING count(*) > 1"""
    )


def _until_nothing_changes(tables: SideTables) -> None:
    """Send every candidate to the passes that shares a token with what goes there, and so on (2)."""
    own = " OR ".join(f"o.{name} IN (SELECT t FROM fresh)" for name in OURS_TOKENS)  # noqa: S608 - our own words
    names = ", ".join(f"o.{name}" for name in OURS_TOKENS)
    tables.con.execute("CREATE OR REPLACE TABLE fresh AS SELECT DISTINCT t FROM fresh WHERE t IS NOT NULL")
    while True:
        tables.con.execute(
            f"""
            CREATE OR REPLACE TABLE hit AS
                SELECT c.o, unnest([{names}, c.t_b_original, c.t_h_original]) AS t
                FROM cand c JOIN ours o ON o.rowid = c.o
                WHERE ({own} OR c.t_b_original IN (SELECT t FROM fresh) OR c.t_h_original IN (SELECT t FROM fresh))
                    AND c.o NOT IN (SELECT o FROM gone);
            CREATE OR REPLACE TABLE fresh AS SELECT DISTINCT t FROM hit WHERE t IS NOT NULL;
            INSERT INTO gone SELECT DISTINCT o FROM hit;
            """  # noqa: S608 - our own words
        )
        if not tables.one("SELECT count(*) FROM hit"):
            break
    tables.con.execute(
        """
        CREATE TABLE kept AS SELECT o, b, h FROM cand WHERE o NOT IN (SELECT o FROM gone);
        DROP TABLE cand; DROP TABLE fresh; DROP TABLE hit; DROP TABLE met_b; DROP TABLE met_h;
        """
    )


# ---------------------------------------------------------------- what is clean


def _added(tables: SideTables) -> Clean:
    """The sums of the clean rows, each side from its own rows (5)."""
    lines = tables.all(
        """SELECT o.institution, o.partner, count(*), sum(abs(o.worth))::BIGINT
        FROM kept k JOIN ours o ON o.rowid = k.o
        WHERE k.o NOT IN (SELECT undo FROM pair UNION ALL SELECT original FROM pair)
        GROUP BY ALL ORDER BY ALL"""
    )
    ledger = tables.all(
        """SELECT partner, sum(worth)::BIGINT FROM (
            SELECT o.partner, o.worth FROM kept k JOIN ours o ON o.rowid = k.o
            UNION ALL
            SELECT o.institution, o.worth FROM kept k JOIN ours o ON o.rowid = k.o WHERE o.institution <> '')
        GROUP BY ALL"""
    )
    other = tables.all(
        """SELECT file, sum(worth)::BIGINT FROM (
            SELECT file, CASE WHEN b.taken THEN b.fen ELSE -b.fen END AS worth
            FROM kept k JOIN bank b ON b.rowid = k.b
            UNION ALL
            SELECT file, CASE WHEN h.taken THEN h.fen ELSE -h.fen END
            FROM kept k JOIN his h ON h.rowid = k.h)
        GROUP BY ALL"""
    )
    other_fen: dict[str, int] = {}
    for file, fen in other:
        partner = tables.files[file].partner
        other_fen[partner] = other_fen.get(partner, 0) + fen
    lacking = tables.all(
        """SELECT DISTINCT institution FROM ours
        WHERE plain AND partner NOT IN (SELECT partner FROM given WHERE side = 'B')"""
    )
    return Clean(
        lines=tuple(CleanLine(*line) for line in lines),
        ledger_fen=dict(ledger),
        other_fen=other_fen,
        lacking=frozenset(code for (code,) in lacking),
    )
