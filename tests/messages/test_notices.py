"""What the engine says back."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from messages.notices import (
    DayNotice,
    DayStep,
    Exposure,
    ExposureNotice,
    Notice,
    Quarantined,
    QuarantineNotice,
    Result,
    ResultNotice,
    Swipe,
    SwipeNotice,
    notice_id,
    topic_name,
    yuan_text,
)
from messages.schemas import notice_schema

NOW = datetime(2026, 3, 10, 0, 31, tzinfo=UTC)
DAY = date(2026, 3, 10)
FRAME: dict[str, Any] = {"source": "PLAT", "time": NOW}

RESULT = ResultNotice(
    **FRAME,
    id=notice_id("H1", "H1-0029"),
    data=Result(
        source="H1", id="H1-0029", type="payment.made", outcome="posted", entry_id="E-1", clearing_date=DAY
    ),
)
SWIPE = SwipeNotice(
    **FRAME,
    id=notice_id("H1", "H1-0029", 2),
    data=Swipe(
        source="H1",
        id="H1-0029",
        type="payment.made",
        outcome="posted",
        card="tok_P1_B1_0001",
        institution="H1",
        app_area="MEDICAL",
        amount=12850,
        direction="DEBIT",
        time=NOW,
    ),
)
STEP = DayNotice(
    **FRAME, id="day/2026-03-10/cut", data=DayStep(clearing_date=DAY, state="netted", amount=212056)
)
QUARANTINE = QuarantineNotice(
    **FRAME,
    id="quarantine/00",
    data=Quarantined(where="data.pin", what="named like a PIN", sm3="0" * 64, length=9, kept=False),
)
WARNING = ExposureNotice(
    **FRAME,
    id="exposure/2026-03-10/B1/1",
    data=Exposure(clearing_date=DAY, bank="B1", level="OVER", net=212056, cap=200000, over=12056, no=1),
)
RELIEF = ExposureNotice(
    **FRAME,
    id="exposure/2026-03-10/B1/2",
    data=Exposure(clearing_date=DAY, bank="B1", level="WITHIN", net=-5, cap=200000, no=2),
)
NOTICES = [RESULT, SWIPE, STEP, WARNING, RELIEF, QUARANTINE]


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: notice.type)
def test_a_notice_is_written_as_its_schema_says_and_reads_back(notice: Notice) -> None:
    """The bytes of a notice validate against its schema and read back as the same notice."""
    raw = notice.to_bytes()
    Draft202012Validator(notice_schema(type(notice))).validate(json.loads(raw))
    assert type(notice).model_validate_json(raw) == notice


def test_a_notice_leaves_out_what_is_absent() -> None:
    """A result says what there is to say and no more."""
    assert json.loads(RESULT.to_bytes()) == {
        "specversion": "1.0",
        "id": "H1/H1-0029/1",
        "source": "PLAT",
        "time": "2026-03-10T00:31:00Z",
        "type": "notice.result",
        "data": {
            "source": "H1",
            "id": "H1-0029",
            "type": "payment.made",
            "outcome": "posted",
            "entry_id": "E-1",
            "clearing_date": "2026-03-10",
        },
    }


@pytest.mark.parametrize(
    ("fen", "text"), [(0, "0.00"), (5, "0.05"), (12850, "128.50"), (999_999_999_999_999, "9999999999999.99")]
)
def test_money_leaves_as_yuan_text(fen: int, text: str) -> None:
    """Fen leave as decimal text in yuan, exact at any size."""
    assert yuan_text(fen) == text
    swipe = SWIPE.data.model_copy(update={"amount": fen})
    assert json.loads(swipe.model_dump_json())["amount"] == text


def test_topics_take_their_prefix() -> None:
    """A topic's name is the prefix and the family."""
    assert topic_name("results") == "clearing.results"
    assert topic_name(SwipeNotice.topic, "north") == "north.swipes"


@pytest.mark.parametrize("part", [1, 2, "1ab21d83"])
def test_the_id_of_a_notice_tells_a_repeat(part: int | str) -> None:
    """An id is the event's source and id with a counter, or with part of the digest of an id used again."""
    assert RESULT.model_copy(update={"id": notice_id("H1", "H1-0029", part)}).id == f"H1/H1-0029/{part}"


def test_a_result_is_one_of_the_outcomes() -> None:
    """What is no outcome is no notice."""
    with pytest.raises(ValidationError):
        Result(source="H1", id="H1-0029", type="payment.made", outcome="lost")  # type: ignore[arg-type]
