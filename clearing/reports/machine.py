"""A member's mismatch report as a file for machines (MIS): what it says of itself, whether it holds. 差错文件"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from clearing.files.check import against_manifest
from clearing.files.faults import FAULTS_MAX, Fault, Faults
from clearing.files.manifest import check_manifest
from clearing.files.names import FileName, parse_name, stem
from clearing.files.seal import NOBODY, Trust, check_signature
from clearing.files.totals import HASH_MODULUS, Totals, hash_part
from clearing.ledger.money import yuan
from clearing.reconciliation.cells import signed_fen

if TYPE_CHECKING:
    from clearing.files.manifest import Manifest
    from clearing.reconciliation.report import Report

MIS: Final = "MIS"
EXTENSION: Final = "csv"
_PATTERN: Final = "RHC_{type}_{from}_{to}_{date}_{seq}_V{version}"
_SEQ_DIGITS: Final = 3
_DETAIL: Final = "detail"


def totals_of(model: Report) -> Totals:
    """What manifest and list say of a report: its breaks, their amounts, the hash of their ids."""
    return _totals(model.total_count, model.total_fen, (one.id for one in model.detail))


def _totals(records: int, amount_fen: int, ids: Iterable[str]) -> Totals:
    return Totals(records, sum(map(hash_part, ids)) % HASH_MODULUS, amount_fen)


def file_id(name: FileName) -> str:
    """A report's name without its extension."""
    return stem(_PATTERN, {}, _SEQ_DIGITS, name)


def name_of(text: str) -> FileName | None:
    """What a name says; None when it is not one of a report."""
    said = parse_name(text, _PATTERN, {}, _SEQ_DIGITS, EXTENSION)
    return said if said is not None and said.type == MIS else None


def check_report(
    name: str, content: bytes, manifest: Manifest | None = None, trust: Trust = NOBODY
) -> tuple[Fault, ...]:
    """Whether a report is what its manifest says, and its lines are what its cover and totals say. 差错文件校验

    In:      any bytes, out of their envelope.
    Out:     every fault.
    """
    faults = Faults(name)
    first = check_manifest(name, content, manifest) if manifest else ()
    signed = check_signature(name, content, manifest, trust)
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError as error:
        faults.add("FMT-001", "UTF-8", f"byte {error.start}")
    except csv.Error as error:
        faults.add("FMT-002", "CSV", f"{error}")
    else:
        _lines(lines, manifest, faults)
    return (*first, *signed, *faults.found)[:FAULTS_MAX]


def _lines(lines: Sequence[Sequence[str]], manifest: Manifest | None, faults: Faults) -> None:
    cover = {line[1]: line[3] for line in lines if line[:1] == ["cover"] and len(line) == 4}  # noqa: PLR2004
    heads = [line for line in lines if line and line[0].startswith(f"{_DETAIL} ")]
    names = [cell.split(" ")[0] for cell in heads[0][1:]] if len(heads) == 1 else []
    if not {"id", "amount"} <= set(names) or not {"breaks", "amount"} <= cover.keys():
        faults.add("FMT-002", "a cover and a table detail with id and amount", "")
        return
    ids, fens = names.index("id") + 1, names.index("amount") + 1
    rows = [line for line in lines if line[:1] == [_DETAIL] and len(line) == len(names) + 1]
    totals = [line for line in lines if line[:1] == [f"{_DETAIL}.total"] and len(line) == len(names) + 1]
    found = dict.fromkeys(row[ids] for row in rows)
    amounts = [signed_fen(row[fens]) for row in rows if row[fens]]
    if None in amounts:
        faults.add("FMT-006", "amounts with two decimals", "another", column="amount")
        return
    amount_fen = sum(filter(None, amounts))
    said = [("breaks", f"{len(found)}", cover["breaks"]), ("amount", yuan(amount_fen), cover["amount"])]
    said += [("detail.total", yuan(amount_fen), total[fens]) for total in totals]
    for column, wanted, got in said:
        if wanted != got:
            faults.add("FMT-009", wanted, got, column=column)
    if manifest is not None:
        against_manifest(
            manifest, _totals(len(found), amount_fen, found), {"amount_fen", "hash_total"}, faults
        )
