"""Lists that come beside statements and exports, written from the day's own records: payers' and deposits. 生成清单

A payer lists what it paid, a hospital what its stays hold. What is wrong in them, and which transfers have not
arrived when the day ends, stands among the answers. The books begin empty on the day, so every stay opens at 0.00.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from clearing.jobs.generate.clerk import Planted, Sent
from clearing.ledger.money import yuan
from clearing.reconciliation.cells import to_fen
from clearing.reconciliation.lists import LIST_COLUMNS, LIST_MORE, STAY_COLUMNS

LIST_KINDS: Final = (
    "FND-001", "FND-002", "FND-003", "FND-004", "NRC-001", "NRC-002", "DEP-001", "DEP-002", "FIL-004",
)  # fmt: skip
"""What a day with lists has: transfers that do not arrive, and what is wrong in a list."""
LITTLE_FEN: Final = 500
SPOILED_STAYS: Final = 6
_LIST_HEADER: Final = (*LIST_COLUMNS, *LIST_MORE)
_TYPES: Final = (
    "reimbursement.",
    "payout.",
    "claim.",
    "retention.",
    "deposit.",
    "discharge.",
    "payment.reversed",
)


@dataclass(slots=True)
class _Payout:
    payer: str
    bank: str
    fen: int
    settlement: str
    state: str = "ACCEPTED"
    ref: str = ""


@dataclass(slots=True)
class _Stay:
    paid: int = 0
    refunded: int = 0
    used: int = 0
    transferred: int = 0

    @property
    def closing(self) -> int:
        return self.paid - self.refunded - self.used + self.transferred


@dataclass(slots=True)
class Lists:
    """What payers paid and stays hold, gathered record by record. 清单台账"""

    day: str
    wanted: bool = True
    """Whether the day has lists at all; else nothing is counted and nothing written."""
    seen: set[tuple[str, str]] = field(default_factory=set)
    payouts: dict[tuple[str, str], _Payout] = field(default_factory=dict)
    lines: dict[str, list[dict[str, str]]] = field(default_factory=lambda: defaultdict(list))
    """By payer."""
    stays: dict[str, dict[str, _Stay]] = field(default_factory=lambda: defaultdict(dict))
    """By hospital and admission."""
    moved: dict[tuple[str, str], tuple[_Stay, int, int]] = field(default_factory=dict)
    """Event → its stay, what it paid in and what it used: for those that undo it."""
    early: dict[tuple[str, str], list[tuple[Sent, dict[str, Any]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """What came before the submission it names."""
    cut: list[tuple[str, str, str, int]] = field(default_factory=list)
    """(payer, hospital, settlement, fen) of claims of which something was cut."""

    def take(self, sent: Sent) -> None:
        """Count a record that is meant to be taken, once."""
        key = (sent.source, sent.id)
        if not self.wanted or sent.refused or key in self.seen or not sent.type.startswith(_TYPES):
            return
        self.seen.add(key)
        data: dict[str, Any] = json.loads(sent.value)["data"]
        family = sent.type.split(".")[0]
        if family in {"deposit", "discharge"} or sent.type == "payment.reversed":
            self._stay(sent.type, key, data)
        elif family in {"reimbursement", "payout"}:
            self._payout(sent, key, data)
        else:
            self._office(sent.type, data)

    def _stay(self, type_: str, key: tuple[str, str], data: dict[str, Any]) -> None:
        undone = data.get("original")
        if undone is not None:
            stay, paid, used = self.moved.pop((undone["source"], undone["id"]), (_Stay(), 0, 0))
            stay.paid -= paid
            stay.used -= used
        elif type_ == "deposit.transferred":
            fen = to_fen(data["amount"])
            self._of(data["institution"], data["from_admission"]).transferred -= fen
            self._of(data["institution"], data["to_admission"]).transferred += fen
        elif type_ == "deposit.refunded":
            self._of(data["institution"], data["admission_no"]).refunded += to_fen(data["amount"])
        elif type_ in {"deposit.paid", "discharge.settled"}:
            stay = self._of(data["institution"], data["admission_no"])
            paid = to_fen(data["amount"]) if type_ == "deposit.paid" else 0
            used = to_fen(data["deposit_used"]) if type_ == "discharge.settled" else 0
            stay.paid += paid
            stay.used += used
            self.moved[key] = (stay, paid, used)

    def _of(self, hospital: str, admission: str) -> _Stay:
        return self.stays[hospital].setdefault(admission, _Stay())

    def _payout(self, sent: Sent, key: tuple[str, str], data: dict[str, Any]) -> None:
        if sent.type == "reimbursement.submitted":
            claim = data["claim"]
            made = _Payout(claim["payer"], data["bank"], to_fen(data["amount"]), claim["settlement_id"])
            self.payouts[key] = made
            self._line(made.payer, made.settlement, "PAYOUT", made.fen, bank=made.bank)
            for later, said in self.early.pop(key, ()):  # what came before it has waited for it
                self._payout(later, key, said)
            return
        if "original" not in data:
            return  # the header of a batch
        named = (data["original"]["source"], data["original"]["id"])
        one = self.payouts.get(named)
        if one is None:
            self.early[named].append((sent, data))
            return
        if sent.type == "payout.sent":
            one.state = "SENT"
        elif sent.type == "payout.result":
            one.state, one.ref = data["result"], data["bank_ref"]
        elif sent.type == "payout.returned":
            one.state, one.ref = "RETURNED", data["bank_ref"]
        elif sent.type == "payout.repaid":
            one.state = "ACCEPTED"
        elif sent.type in {"payout.given_back", "reimbursement.withdrawn"}:
            one.state = "OVER"
            self._line(one.payer, one.settlement, "BACK", one.fen, bank=one.bank, direction="R")

    def _office(self, type_: str, data: dict[str, Any]) -> None:
        payer, hospital = data["payer"], data.get("institution", "")
        if type_ == "retention.released" and to_fen(data["released"]):
            name = f"{hospital}/{data['year']}"
            self._line(payer, name, "RETENTION", to_fen(data["released"]), institution=hospital)
        for claim in data.get("claims", ()):
            claimed, cut, kept = (to_fen(claim[name]) for name in ("claimed", "deducted", "retained"))
            said = {"claimed": yuan(claimed), "deducted": yuan(cut), "institution": hospital}
            self._line(payer, claim["settlement_id"], "CLAIM", claimed - cut - kept, **said)
            if cut:
                self.cut.append((payer, hospital, claim["settlement_id"], cut))

    def _line(self, payer: str, name: str, kind: str, fen: int, direction: str = "P", **more: str) -> None:
        said = {"settlement_id": name, "trade_type": kind, "direction": direction, "amount": yuan(fen)}
        self.lines[payer].append(
            said | {"status": "SUCC", "nrc_date": self.day, "nrc_time": "18:00:00"} | more
        )

    # -- answers -------------------------------------------------------------------------------------------

    def transfers(self) -> Iterator[Planted]:
        """What has not arrived when the day ends."""
        codes = {"SENT": "FND-001", "REJECTED": "FND-002", "RETURNED": "FND-003"}
        for (source, id_), one in self.payouts.items():
            if one.state in codes:
                ref = "" if one.state == "SENT" else one.ref
                yield _answer(
                    codes[one.state], one.payer, f"{source}/{id_}", one.fen, bank_ref=ref, event=(source, id_)
                )

    def spoil(self) -> Iterator[Planted]:
        """Make some lines wrong, and say which. 预埋清单差错"""
        for payer, hospital, settlement, fen in self.cut:
            yield _answer("NRC-002", payer, settlement, fen, institution=hospital)
        for payer, lines in sorted(self.lines.items()):
            once = [one for one in lines if one["trade_type"] == "PAYOUT"]
            if len(once) > len(("changed", "left out")):
                changed, gone = once[0], once[len(once) // 2]
                fen = to_fen(changed["amount"])
                changed["amount"] = yuan(fen + LITTLE_FEN)
                yield _answer("NRC-001", payer, changed["settlement_id"], fen)
                lines.remove(gone)
                yield _answer("NRC-001", payer, gone["settlement_id"], to_fen(gone["amount"]))
                unknown = once[-1] | {"settlement_id": f"{once[-1]['settlement_id']}X", "amount": "7.77"}
                lines.append(unknown)
                yield _answer("NRC-001", payer, unknown["settlement_id"], to_fen("7.77"))
        holding = [
            (hospital, name, one)
            for hospital, stays in sorted(self.stays.items())
            for name, one in sorted(stays.items())
            if one.closing > 0
        ]
        for number, (hospital, name, one) in enumerate(holding[:SPOILED_STAYS]):
            held, code = one.closing, ("DEP-001", "DEP-002")[number % 2]
            one.paid += LITTLE_FEN if code == "DEP-001" else 0
            one.refunded += held + LITTLE_FEN if code == "DEP-002" else 0
            yield _answer(code, hospital, name, held, institution=hospital)

    # -- files ---------------------------------------------------------------------------------------------

    def write(self, folder: Path) -> tuple[dict[str, Path], list[Planted]]:
        """Write every list, and give the paths by member and all answers.

        Writes:  lists/NRC_<payer>.csv, the last with one bad line; lists/DEP_<hospital>.csv.
        """
        if not self.wanted:
            return {}, []
        answers = [*self.transfers(), *self.spoil()]
        folder.mkdir(parents=True, exist_ok=True)
        paths: dict[str, Path] = {}
        for payer, lines in sorted(self.lines.items()):
            path = paths[payer] = folder / f"NRC_{payer}.csv"
            text = [
                ",".join(_LIST_HEADER),
                *(",".join(one.get(name, "") for name in _LIST_HEADER) for one in lines),
            ]
            if payer == max(self.lines):
                text.append(
                    ",".join(
                        {"settlement_id": "S-BAD", "amount": "12.5"}.get(name, "") for name in _LIST_HEADER
                    )
                )
                answers.append(_answer("FIL-004", payer, "", 0, institution=payer)._replace(file=path.name))
            path.write_text("\n".join(text) + "\n", encoding="utf-8")
        for hospital, stays in sorted(self.stays.items()):
            path = paths[hospital] = folder / f"DEP_{hospital}.csv"
            path.write_text(_stays_text(stays), encoding="utf-8")
        return paths, answers


def _stays_text(stays: dict[str, _Stay]) -> str:
    rows = [",".join(STAY_COLUMNS)]
    for name, one in sorted(stays.items()):
        cells = (0, one.paid, one.refunded, one.used, one.transferred, one.closing)
        rows.append(",".join((name, *(yuan(fen) for fen in cells))))
    in_fen = sum(one.paid + max(one.transferred, 0) for one in stays.values())
    out_fen = sum(one.refunded + one.used + max(-one.transferred, 0) for one in stays.values())
    rows.append(f"#TOTAL,{len(stays)},{yuan(in_fen)},{yuan(out_fen)}")
    rows.append(f"#BALANCE,0.00,{yuan(in_fen - out_fen)}")
    return "\n".join(rows) + "\n"


def _answer(
    code: str,
    partner: str,
    name: str,
    fen: int,
    *,
    institution: str = "",
    bank_ref: str = "",
    event: tuple[str, str] = ("", ""),
) -> Planted:
    return Planted(
        kind=code,
        code=code,
        partner=partner,
        institution=institution or partner,
        bank_ref=bank_ref,
        order_no=name,
        amount_fen=fen,
        source=event[0],
        id=event[1],
    )
