"""One row a malformation: which field is named, and which words say why."""

from __future__ import annotations

import hashlib
import json
import time
from copy import deepcopy
from typing import Any

import pytest

from messages import Event, Malformed, decode
from messages.schemas import examples

GOOD = examples()
GONE = object()
PAN = "0000101301000010"


def changed(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Take the good event of a type and set (or take out) fields by their path."""
    event = deepcopy(GOOD[name])
    for path, value in changes.items():
        *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
        at: Any = event
        for step in steps:
            at = at[step]
        if value is GONE:
            del at[last]
        else:
            at[last] = value
    return event


def fault_of(name: str, changes: dict[str, Any]) -> Malformed:
    """Decode a good event with changes that must make it malformed."""
    found = decode(json.dumps(changed(name, changes)).encode())
    assert isinstance(found, Malformed), found
    return found


PAY, VOID, REFUND, OUT = "payment.made", "payment.voided", "payment.refunded", "payment.timed_out"
DISCHARGE, RECALL, SUBMIT = "discharge.settled", "discharge.cancelled", "reimbursement.submitted"
REGISTER, RESULT, RETURNED = "card.registered", "payout.result", "payout.returned"
NO_BANK = {"data/bank_ref": GONE, "data/bank_date": GONE}

ROWS = [
    # the envelope
    (PAY, {"specversion": "0.3"}, "specversion", "expected '1.0'"),
    (PAY, {"specversion": GONE}, "specversion", "is missing"),
    (PAY, {"id": "a b"}, "id", "expected text of the form"),
    (PAY, {"id": "x" * 65}, "id", "expected text of the form"),
    (PAY, {"id": 7}, "id", "expected text, got a number"),
    (PAY, {"source": "h1"}, "source", "expected text of the form"),
    (PAY, {"source": "H" * 13}, "source", "expected text of the form"),
    (PAY, {"type": "payment.forgotten"}, "type", "expected a type of the catalogue"),
    (PAY, {"type": ["payment.made"]}, "type", "expected a type of the catalogue"),
    (PAY, {"type": GONE}, "type", "is missing"),
    (PAY, {"time": "2026-03-10T08:31:00"}, "time", "expected an instant with its offset"),
    (PAY, {"time": "2026-02-30T08:31:00Z"}, "time", "expected an instant of the calendar"),
    (PAY, {"time": "2026-03-10T08:31:00+24:00"}, "time", "expected an instant of the calendar"),
    (PAY, {"time": "2026-03-10T23:59:60Z"}, "time", "expected an instant of the calendar"),
    (PAY, {"time": 1773102660}, "time", "expected text, got a number"),
    (PAY, {"env": "DEV"}, "env", "expected 'PROD' or 'TEST'"),
    (PAY, {"env": None}, "env", "null"),
    (PAY, {"producerseq": "7"}, "producerseq", "expected a whole number"),
    (PAY, {"producerseq": -1}, "producerseq", "at least 0"),
    (PAY, {"data": GONE}, "data", "is missing"),
    (PAY, {"data": []}, "data", "expected an object, got a list of 0"),
    (PAY, {"traceParent": "x"}, "traceParent", "unknown field"),
    (PAY, {"trace": {"id": 1}}, "trace", "in an extension"),
    # shapes of fields
    (PAY, {"data/colour": "red"}, "data.colour", "unknown field in payment.made"),
    (PAY, {"data/amount": 128.5}, "data.amount", "expected text, got a number"),
    (PAY, {"data/amount": 128}, "data.amount", "expected text, got a number"),
    (PAY, {"data/amount": "128.5"}, "data.amount", "expected yuan text such as 128.50"),
    (PAY, {"data/amount": "-128.50"}, "data.amount", "expected yuan text such as 128.50"),
    (PAY, {"data/amount": "١٢٨.٥٠"}, "data.amount", "expected yuan text such as 128.50"),
    (PAY, {"data/amount": "10000000000000.00"}, "data.amount", "expected yuan text such as 128.50"),
    (PAY, {"data/amount": "0.00"}, "data.amount", "expected an amount above 0.00"),
    (PAY, {"data/amount": GONE}, "data.amount", "is missing"),
    (PAY, {"data/currency": "cny"}, "data.currency", "expected text of the form"),
    (PAY, {"data/card": "short"}, "data.card", "expected text of the form"),
    (PAY, {"data/bank": GONE}, "data.bank", "is missing"),
    (PAY, {"data/card_last4": 10}, "data.card_last4", "expected text, got a number"),
    (PAY, {"data/read_method": "SWIPE"}, "data.read_method", "expected 'CONTACT'"),
    (PAY, {"data/terminal": "99010000000G"}, "data.terminal", "expected text of the form"),
    (PAY, {"data/terminal": None}, "data.terminal", "leave the field out"),
    (PAY, {"data/operator": "x" * 33}, "data.operator", "expected at most 32 characters, got text of 33"),
    (PAY, {"data/operator": ""}, "data.operator", "expected at least 1 characters"),
    (PAY, {"data/operator": "a\u0000b"}, "data.operator", "expected text without control characters"),
    (PAY, {"data/operator": "\ud800"}, "data.operator", "expected text in Unicode"),
    (PAY, {"data/access": "DOOR"}, "data.access", "expected 'COUNTER'"),
    (PAY, {"data/app_area": "OTHER"}, "data.app_area", "expected 'MEDICAL'"),
    (PAY, {"data/origin": {"institution": "H2"}}, "data.origin.visit_id", "is missing"),
    (PAY, {"data/bank_date": "2026-02-30"}, "data.bank_date", "expected a date of the calendar"),
    (PAY, {"data/bank_date": "2026-03-10T00:00:00"}, "data.bank_date", "expected a date such as"),
    (PAY, {"data/bank_date": 20260310}, "data.bank_date", "expected text, got a number"),
    (PAY, {"data/items/1/category": "x" * 17}, "data.items[1].category", "expected at most 16"),
    (PAY, {"data/purpose": GONE}, "data.purpose", "is missing"),
    (REFUND, {"data/original/id": ""}, "data.original.id", "expected text of the form"),
    (REFUND, {"data/approval/reason": "x" * 201}, "data.approval.reason", "expected at most 200"),
    ("payment.reversed", {"data/attempt": "1"}, "data.attempt", "expected a whole number"),
    ("payment.reversed", {"data/attempt": 0}, "data.attempt", "at least 1"),
    ("payment.reversed", {"data/attempt": True}, "data.attempt", "expected a whole number"),
    ("terminal.registered", {"data/sam": "123"}, "data.sam", "expected text of the form"),
    ("terminal.locked", {"data/card": "tok_P1_B1_0001"}, "data.card", "unknown field in terminal.locked"),
    ("premium.paid", {"data/scheme_year": 2026}, "data.scheme_year", "expected text, got a number"),
    ("claim.settled", {"data/month": "2026-13"}, "data.month", "expected text of the form"),
    ("claim.settled", {"data/claims": []}, "data.claims", "expected a list of at least 1"),
    ("crossregion.settled", {"data/through": "true"}, "data.through", "expected true or false"),
    ("reimbursement.batch_submitted", {"data/digest": "ab"}, "data.digest", "expected text of the form"),
    ("reimbursement.batch_submitted", {"data/rows": 0}, "data.rows", "at least 1"),
    ("correction.approved", {"data/legs/0/side": "X"}, "data.legs[0].side", "expected 'D' or 'C'"),
    # fields against each other
    (PAY, {"data/network": "UP"}, "data.network", "expected none on route DIRECT"),
    (PAY, {"data/items/1/amount": "28.51"}, "data.items", "128.51, amount is 128.50 (0.01 too much)"),
    (VOID, {"data/items": []}, "data.items", "0.00, amount is 128.50 (128.50 too little)"),
    (VOID, {"data/bank_date": GONE}, "data.bank_date", "is missing"),
    (REFUND, {"data/approval/checker": "op-01"}, "data.approval.checker", "another person than the maker"),
    (OUT, {"data/bank_ref": "BR1"}, "data.bank_date", "expected it beside bank_ref"),
    (OUT, {"data/bank_date": "2026-03-10"}, "data.bank_ref", "expected it beside bank_date"),
    (OUT, {"data/route": GONE}, "data.network", "only UNIONPAY has a network"),
    (OUT, {"data/route": "CHANNEL"}, "data.route", "expected 'DIRECT' or 'UNIONPAY'"),
    ("payment.confirmed", {"data/route": "CHANNEL"}, "data.route", "expected 'DIRECT' or 'UNIONPAY'"),
    ("deposit.paid", {"data/route": "CHANNEL"}, "data.route", "expected 'DIRECT' or 'UNIONPAY'"),
    ("arrears.paid", {"data/route": "CHANNEL"}, "data.route", "expected 'DIRECT' or 'UNIONPAY'"),
    ("topup.made", {"data/payer_bank": "B2"}, "data.payer_bank", "expected none with method CHANNEL"),
    ("topup.made", {"data/method": "COUNTER", "data/payer_bank": "B2"}, "data.payer_bank", "COUNTER"),
    ("topup.made", {"data/method": "NETBANK"}, "data.payer_bank", "expected it with method NETBANK"),
    (
        "premium.paid",
        {"data/members/1/person": "per_fam_00001"},
        "data.members",
        "expected each person once, got 1 repeated",
    ),
    ("premium.paid", {"data/members": []}, "data.members", "got none"),
    ("premium.refunded", {"data/persons": ["per_fam_00002"] * 2}, "data.persons", "each person once"),
    (REGISTER, {"data/account_class": GONE}, "data.account_class", "expected it at stage BANK"),
    (REGISTER, {"data/institution": "H1"}, "data.institution", "expected none at stage BANK"),
    (REGISTER, {"data/stage": "PLATFORM"}, "data.card_class", "expected none at stage PLATFORM"),
    (
        REGISTER,
        dict.fromkeys(
            ("data/card_class", "data/account_class", "data/issue_mode", "data/area", "data/aliases"), GONE
        )
        | {"data/stage": "HOSPITAL"},
        "data.institution",
        "expected it at stage HOSPITAL",
    ),
    ("card.changed", {"data/account_class": GONE}, "data.person", "expected one or more of person"),
    ("card.duplicate_found", {"data/kept_card": "tok_P1_B1_0001"}, "data.kept_card", "another card"),
    ("card.frozen", {"data/reason": GONE}, "data.reason", "is missing"),
    ("deposit.transferred", {"data/to_admission": "A42"}, "data.to_admission", "another stay"),
    (DISCHARGE, NO_BANK, "data.bank_ref", "top_up or refund is above 0.00"),
    (DISCHARGE, {"data/top_up": "0.00"}, "data.bank_ref", "no money moved"),
    (DISCHARGE, {"data/top_up": "0.00", "data/route": "DIRECT"} | NO_BANK, "data.route", "no money moved"),
    (DISCHARGE, {"data/claim/advanced": False}, "data.claim.advanced", "expected true"),
    (DISCHARGE, {"data/claim/advanced": GONE}, "data.claim.advanced", "expected true"),
    (DISCHARGE, {"data/claim/total": "1800.01"}, "data.claim.total", "(0.01 too little)"),
    (DISCHARGE, {"data/items": [{"category": "BED", "amount": "1.00"}]}, "data.items", "total is 1800.00"),
    (RECALL, {"data/card": GONE}, "data.card", "expected it beside bank"),
    (RECALL, {"data/bank_date": GONE}, "data.bank_date", "expected it beside bank_ref"),
    (RECALL, {"data/route": "DIRECT"} | NO_BANK, "data.route", "expected none without bank_ref"),
    (
        RECALL,
        {"data/card": GONE, "data/bank": GONE, "data/card_last4": "0010"},
        "data.card_last4",
        "expected none without card",
    ),
    (SUBMIT, {"data/amount": "820.01"}, "data.claim.fund_amount", "(0.01 too little)"),
    (SUBMIT, {"data/claim/patient_amount": "180.01"}, "data.claim.total", "(0.01 too much)"),
    (SUBMIT, {"data/row_no": GONE}, "data.row_no", "expected it beside batch_id"),
    (SUBMIT, {"data/batch_id": GONE}, "data.batch_id", "expected it beside row_no"),
    (RESULT, {"data/reason_code": GONE}, "data.reason_code", "expected it with result REJECTED"),
    (RESULT, {"data/result": "PAID"}, "data.reason_code", "expected none with result PAID"),
    (RESULT, {"data/reason_code": "R15"}, "data.reason_code", "expected 'R01'"),
    (RETURNED, {"data/text": GONE}, "data.text", "expected it with reason_code R99"),
    ("payout.repaid", {"data/business/checker": "f-01"}, "data.business.checker", "another person"),
    ("payout.repaid", {"data/finance/checker": "f-01"}, "data.finance", "other people than in business"),
]  # fmt: skip

ALLOWED = [
    # refusals of the ledger, not of the reader
    ("discharge.settled", {"data/deposit_used": "1.00"}),
    ("discharge.settled", {"data/refund": "5.00"}),
    ("premium.paid", {"data/amount": "1.00"}),
    ("claim.settled", {"data/paid": "1.00"}),
    ("claim.settled", {"data/claims/0/deducted": "9999.00"}),
    ("correction.approved", {"data/legs/0/amount": "1.00"}),
    ("correction.approved", {"data/legs/0/account": "9999"}),
    ("payment.made", {"data/currency": "USD"}),
    ("card.replaced", {"data/new_card": "tok_P1_B1_0001"}),
    # what may be left out, may be zero, or may come along
    ("payment.made", {"data/route": "CHANNEL"}),
    ("payment.made", {"data/route": "UNIONPAY", "data/network": "UP"}),
    ("payment.made", {"data/route": "UNIONPAY"}),
    ("payment.made", {"traceparent": "00-abc", "subject": None, "priority": 2.5}),
    ("payment.made", {"env": "TEST", "correlationid": "c-1", "producerseq": 0, "keyid": "k"}),
    ("payment.made", {"keyid": "k", "signature": "s"}),
    ("payment.made", {"trackingid": "t-1", "spinner": 1, "tracestate": "a=b"}),
    ("payment.refunded", {"data/approval": GONE}),
    ("payment.voided", {"data/order_no": "H1-1"}),
    ("discharge.settled", {"data/top_up": "0.00", "data/bank_ref": GONE, "data/bank_date": GONE}),
    ("discharge.settled", {"data/claim": GONE}),
    ("discharge.cancelled", {"data/card": GONE, "data/bank": GONE} | NO_BANK),
    ("discharge.cancelled", {"data/institution": "H1"}),
    ("card.replaced", {"data/fee": "0.00"}),
    ("claim.settled", {"data/paid": "0.00"}),
    ("payout.returned", {"data/reason_code": "R01", "data/text": GONE}),
    ("reimbursement.submitted", {"data/payee": {"name": "c2VhbGVk", "account": "c2VhbGVkIHRvbw"}}),
    ("reimbursement.submitted", {"data/depends_on": [{"payer": "F1", "settlement_id": "S-1"}]}),
]  # fmt: skip

SECRETS = [
    (PAY, {"data/card": PAN}, "data.card"),
    (PAY, {"data/card": "0000-1013-0100-0010"}, "data.card"),
    (PAY, {"data/card": int("1" + "0" * 14 + "8")}, "data.card"),
    (PAY, {"data/card_no": PAN}, "data.card_no"),
    (PAY, {"data/PAN": PAN}, "data.PAN"),
    ("card.replaced", {"data/new_card": PAN}, "data.new_card"),
    ("card.duplicate_found", {"data/kept_card": PAN}, "data.kept_card"),
    ("card.aliased", {"data/token": PAN}, "data.token"),
    (REGISTER, {"data/aliases/0/token": PAN}, "data.aliases[0].token"),
    (REGISTER, {"data/aliases": [PAN]}, "data.aliases[0]"),
    (SUBMIT, {"data/payee": {"name": "c2VhbGVk", "account": "0000101301000000026"}}, "data.payee.account"),
    (PAY, {"data/pin": "1"}, "data.pin"),
    (PAY, {"data/PIN": None}, "data.PIN"),
    (PAY, {"data/origin": {"institution": "H2", "visit_id": "1", "pinBlock": "1"}}, "data.origin.pinBlock"),
    (PAY, {"data/items/0/cvv2": "1"}, "data.items[0].cvv2"),
    (PAY, {"data/CVN": "1"}, "data.CVN"),
    (PAY, {"data/track_2": "1"}, "data.track_2"),
    (PAY, {"data/track2data": "1"}, "data.track2data"),
    (PAY, {"data/userPassword": "1"}, "data.userPassword"),
    (PAY, {"pin": "1"}, "pin"),
    (PAY, {"cardno": PAN}, "cardno"),
    (PAY, {"trackii": "1"}, "trackii"),
    (PAY, {"type": "payment.forgotten", "data/card": PAN}, "data.card"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "where", "what"), ROWS)
def test_a_malformed_event_says_where_and_what(
    name: str, changes: dict[str, Any], where: str, what: str
) -> None:
    """Each fault names its field and says what was expected, and its bytes may be kept."""
    fault = fault_of(name, changes)
    assert (fault.where, fault.keep_bytes) == (where, True)
    assert what in fault.what
    assert str(fault) == f"{fault.where}: {fault.what}"


@pytest.mark.parametrize(("name", "changes"), ALLOWED)
def test_what_the_ledger_judges_is_read(name: str, changes: dict[str, Any]) -> None:
    """What a rule of the ledger refuses, and what may differ, is an event all the same."""
    found = decode(json.dumps(changed(name, changes)).encode())
    assert isinstance(found, Event), found


@pytest.mark.parametrize(("name", "changes", "where"), SECRETS)
def test_a_secret_is_found_and_its_bytes_are_not_kept(name: str, changes: dict[str, Any], where: str) -> None:
    """A card number, PIN, CVN, track or password anywhere is malformed, named by its path and never kept."""
    fault = fault_of(name, changes)
    assert (fault.where, fault.keep_bytes) == (where, False)
    assert PAN not in f"{fault}"


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"", "byte 0"),
        (b"\xef\xbb\xbf{}", "byte 0"),
        (b'{"id": "\xff"}', "byte 8"),
        ('{"名": 1;}'.encode(), "byte 9"),
        (b"[]", "record"),
        (b"1" * 5000, "record"),
        (b'{"a": NaN}', "record"),
        (b'{"a": -Infinity}', "record"),
        (b'{"a": 1e999}', "record"),
        (b"[" * 200_000, "record"),
        (b'{"a":' * 40_000, "record"),
        (b'{"id": "1", "id": "1"}', "id"),
        (b'{"data": {"amount": "1.00", "amount": "2.00"}}', "amount"),
        (b'{"\\u0031\\u0032": 1, "12": 1}', "record"),
        (b" " * (256 * 1024 + 1), "record"),
    ],
)
def test_bytes_that_are_no_record_are_described(raw: bytes, where: str) -> None:
    """Bytes that say no one thing give a place, a digest and a length, and are kept."""
    fault = decode(raw)
    assert isinstance(fault, Malformed)
    assert (fault.where, fault.length, fault.keep_bytes) == (where, len(raw), True)
    assert fault.sm3 == hashlib.new("sm3", raw).digest()
    assert (fault.source, fault.id, fault.type) == (None, None, None)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"pin": "1234"',
        b'{"\\u0070in": "1234"',
        b'{"card": "0000101301000010"',
        b"card 0000 1013 0100 0010 declined",
        '{"CardPassword": 1'.encode("utf-16"),
        b'{"a": 1, "a": {"cvv": "123"}}',
        b'{"cvn": 1}' + b" " * 300_000,
    ],
)
def test_unread_bytes_that_may_hold_a_secret_are_not_kept(raw: bytes) -> None:
    """Even bytes that are no JSON are searched, and when in doubt not kept."""
    fault = decode(raw)
    assert isinstance(fault, Malformed)
    assert not fault.keep_bytes


def test_a_record_without_a_value_is_malformed() -> None:
    """A tombstone of the broker is no event."""
    assert isinstance(decode(None), Malformed)


@pytest.mark.parametrize(
    "raw",
    [
        b"{" + b",".join(b'"k%d":1' % number for number in range(20_000)) + b',"k19999":1}',
        b'{"type":"payment.made","data":{' + b",".join(b'"k%d":1' % n for n in range(20_000)) + b"}}",
        b'{"type":"payment.made","' + b"a_" * 120_000 + b'":1}',
        b"[" + b"1234-" * 50_000,
    ],
    ids=["keys", "fields", "name", "digits"],
)
def test_a_hostile_record_is_described_in_reasonable_time(raw: bytes) -> None:
    """No record of permitted size keeps the reader busy for longer than a few seconds."""
    began = time.process_time()
    assert isinstance(decode(raw), Malformed)
    assert time.process_time() - began < 5


def test_a_key_twice_is_malformed_on_the_quick_way_too() -> None:
    """An otherwise good event that says a field twice, even alike, is malformed."""
    raw = json.dumps(GOOD[PAY]).encode()
    for field in (b'"amount": "128.50", ', b'"bank": "B1", '):
        assert field in raw
        assert isinstance(decode(raw.replace(field, field * 2, 1)), Malformed)
    with_seq = json.dumps({**GOOD[PAY], "producerseq": 3}).encode()
    assert isinstance(decode(with_seq), Event)
    twice = with_seq.replace(b'"producerseq": 3', b'"producerseq": 3, "producerseq": 3')
    assert isinstance(decode(twice), Malformed)


def test_source_id_and_type_are_told_only_when_well_formed() -> None:
    """What can be read of the envelope helps to find the producer; what cannot is left out."""
    fault = fault_of(PAY, {"data/amount": "x"})
    assert (fault.source, fault.id, fault.type) == ("H1", GOOD[PAY]["id"], PAY)
    fault = fault_of(PAY, {"source": "Zhang San", "id": "<x>", "type": "x"})
    assert (fault.source, fault.id, fault.type) == (None, None, None)


def test_a_field_name_that_may_be_a_number_of_a_person_is_not_told() -> None:
    """A path leaves out names that are no names."""
    assert fault_of(PAY, {"data/n990001198001010019": "x"}).where == "data.(unnamed)"
    assert fault_of(PAY, {"data/张三": "x"}).where == "data.(unnamed)"
