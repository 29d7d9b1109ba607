"""Which events of a day were refused, and why."""

from __future__ import annotations

import json

from tests.console.conftest import Clearing, day_folder


def test_what_a_day_refused_is_listed_with_its_reason(three_days: Clearing) -> None:
    """The list comes to the reasons that the intake told, and each row is an event that trace finds refused."""
    told = three_days("rejected", "2026-03-10", "--json").json
    assert told["reasons"] == {
        "card_not_allowed": 1,
        "exceeds_original": 1,
        "order_already_paid": 1,
        "original_spent": 1,
        "unknown_source": 1,
    }
    assert told["count"] == len(told["rejected"]) == 5
    first = told["rejected"][0]
    assert "rejected" in three_days("trace", first["event"]).out
    shown = three_days("rejected", "2026-03-10")
    assert all(one["event"] in shown.out for one in told["rejected"])


def test_one_sender_and_one_reason_can_be_asked_for(three_days: Clearing) -> None:
    """A sender without rejections has none; one that is no member, or a reason there is not, is refused."""
    some = three_days("rejected", "2026-03-10", "--reason", "exceeds_original", "--json").json
    assert [one["reason"] for one in some["rejected"]] == ["exceeds_original"]
    sender = some["rejected"][0]["event"].split("/")[0]
    assert three_days("rejected", "2026-03-10", "--source", sender, "--json").json["count"] >= 1
    assert ": none" in three_days("rejected", "2026-03-10", "--source", "B2").out
    for words in (("--source", "B99"), ("--reason", "no_such")):
        said = three_days("rejected", "2026-03-10", *words)
        assert (said.code, said.out) == (2, "")


def test_an_id_used_again_with_other_content_is_listed_on_the_day_that_was_open(worked: Clearing) -> None:
    """It is no event of its own, and is shown all the same; the next day does not list it again."""
    events = (day_folder("2026-03-09") / "events.jsonl").read_bytes().splitlines(keepends=True)
    worked("ingest", "-", stdin=b"".join(events))
    again = json.loads(events[0])
    again["time"] = again["time"].replace(":00+", ":01+")
    assert worked("ingest", "-", "--json", stdin=json.dumps(again).encode()).json["reasons"] == {
        "id_reused": 1
    }
    (one,) = worked("rejected", "2026-03-09", "--json").json["rejected"]
    assert (one["event"], one["reason"]) == (f"{again['source']}/{again['id']}", "id_reused")
    worked("close", "2026-03-09")
    assert worked("rejected", "2026-03-09", "--json").json["count"] == 1
    assert worked("rejected", "2026-03-10", "--json").json["count"] == 0
