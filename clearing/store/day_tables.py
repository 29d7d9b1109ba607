"""What became of a day and when, and what was said of it: its states, banks over their cap. 日状态表"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Date, Index, Integer, Table, text

from clearing.store.tables import _column, _now, _number, _text, metadata

day_step: Final = Table(
    "day_step",
    metadata,
    _number("Running number: the order in which days moved."),
    _column("clearing_date", Date, "The day."),
    _text("state", "The state that it reached."),
    _now("at", "When, by the database's clock."),
    _column("announced", Boolean, "Whether members were told."),
    Index("ix_day_step_once", "clearing_date", "state", unique=True),
    Index("ix_day_step_untold", "id", postgresql_where=text("NOT announced")),
    comment="Every state that a day has passed, written by a trigger on `day` (日状态历史)",
)

crossing: Final = Table(
    "crossing",
    metadata,
    _column("clearing_date", Date, "The day.", key=True),
    _text("bank", "The bank.", key=True),
    _column("no", Integer, "Its number for this bank and day, from 1.", key=True),
    _column("over", Boolean, "True: its net has risen over the cap; false: it is within it again."),
    _column("net_fen", BigInteger, "The running net when that was seen, positive pays."),
    _column("cap_fen", BigInteger, "The cap; null where it was lifted.", null=True),
    _now("at", "When that was seen, by the database's clock."),
    _column("announced", Boolean, "Whether members were told."),
    Index("ix_crossing_untold", "at", postgresql_where=text("NOT announced")),
    comment="When a bank's running net went over its net cap or back (日间敞口预警)",
)
