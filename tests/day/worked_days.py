"""The three worked days as figures, yuan, and their members."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path

from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members

MEMBERS = Path(__file__).parents[2] / "fixtures" / "files" / "members.toml"


def members() -> Members:
    """The worked day's members."""
    return load_members(tomllib.loads(MEMBERS.read_text(encoding="utf-8")))


def fen(yuan: str) -> int:
    """Fen of signed yuan text."""
    return int(Decimal(yuan) * 100)


def table(text: str) -> list[list[str]]:
    """Rows and cells of an aligned table."""
    return [line.split() for line in text.strip().splitlines()]


def sums(text: str) -> dict[str, int]:
    """`account yuan` pairs, in any number a line, as fen by account."""
    cells = text.split()
    return {name: fen(value) for name, value in zip(cells[::2], cells[1::2], strict=True)}


# day → (sums before roll-up, bank nets, roll-up: account bank side yuan, inter-bank: debtor creditor yuan)
DAYS: dict[date, tuple[dict[str, int], dict[str, int], list[list[str]], list[list[str]]]] = {
    date(2026, 3, 9): (
        sums("""
            1010.B1 -1900.00   1010.B2  5180.00   1020.F1    2820.00   2010.H1 -6100.00
            9010.H1  6000.00   9011.H1.A42 -6000.00
        """),
        sums("B1 -8000.00  B2 8000.00"),
        table("""
            1020.F1  B2  D  2820.00
            2010.H1  B1  C  6100.00
        """),
        table("B2  B1  8000.00"),
    ),
    date(2026, 3, 10): (
        sums("""
            1010.B1 -6159.44   1010.B2 -4460.00   1020.F1   15079.20   1030.I1  6850.00   1040.T1   500.00
            2010.H1  1430.00   2010.H2 -11994.16  2011.R1     -45.48   2040.F1 -1200.00   2060.B2    -0.12
            9010.H1 -6000.00   9011.H1.A42 6000.00
            9020.F1.H1 5390.00 9021.F1.H1 -5390.00  9030.F1.H2 760.00  9031.F1.H2 -760.00
        """),
        sums("B1 2120.56  B2 -2120.56"),
        table("""
            1020.F1  B2  D  15079.20
            1030.I1  B1  D   6850.00
            1040.T1  B2  D    500.00
            2010.H1  B1  D   1430.00
            2010.H2  B2  C  11994.16
            2011.R1  B2  C     45.48
            2040.F1  B2  C   1200.00
            2060.B2  B2  C      0.12
        """),
        table("B1  B2  2120.56"),
    ),
    date(2026, 3, 11): (
        sums("""
            1010.B1  1794.90   1010.B2   -20.00   1020.F1    640.00    1050.CUP  30.00
            2010.H1    15.10   2010.H2 -1630.00   2010.H3     15.00    2011.R1  -99.62
            2019.H1   -30.00   2035.F1  -640.00   2050.H1    -70.00    2060.B2   -5.38
            9040.H2   200.00   9041.H2.A50 -200.00
        """),
        sums("B1 1755.00  B2 -1755.00"),
        table("""
            1020.F1  B2  D   640.00
            2010.H1  B1  D    15.10
            2010.H2  B2  C  1630.00
            2010.H3  B1  D    15.00
            2011.R1  B2  C    99.62
            2060.B2  B2  C     5.38
            3020.F1  B2  C   640.00
            3020.H1  B1  C    70.00
        """),
        table("B1  B2  1755.00"),
    ),
}
