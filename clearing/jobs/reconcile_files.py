"""The files given to a run: who may send them, whether they came before, whether one is missing between them. 收文"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from clearing.errors import UsageError
from clearing.jobs.reconcile_sides import EXPORT, LIST, STATEMENT, STAYS
from clearing.jobs.statements import stays_by_name
from clearing.reconciliation.lists import is_stay_list
from clearing.reconciliation.partner_files import Refused
from clearing.reconciliation.totals import SeenFile, gate

if TYPE_CHECKING:
    from clearing.ledger.members import MembersOn
    from clearing.store.reconciling import Input

BANKS: Final = frozenset({"bank", "network", "channel"})
INSTITUTIONS: Final = frozenset({"hospital", "pharmacy"})
PAYERS: Final = frozenset({"fund", "insurer"})
_SEQUENCE: Final = re.compile(r"_(\d{3})_V\d+\.", re.ASCII)
"""The number in a name by the rules of clearing files, `…_20260310_002_V1.csv`."""


class GivenFile(NamedTuple):
    """One file as it was given."""

    kind: str
    """STM, HIS, NRC or DEP."""
    partner: str
    name: str
    content: bytes
    sha256: str
    """Hex."""
    sm3: str
    partial: bool = False
    """Whether its good lines are taken where single ones are wrong."""


def given_files(
    members: MembersOn,
    banks: Mapping[str, Sequence[Path]],
    his: Mapping[str, Sequence[Path]],
    *,
    partial: bool = False,
) -> list[GivenFile]:
    """The files' bytes, once every partner is known to be one; the same bytes twice are one file. 给出文件

    In:      `his`: exports of hospitals and pharmacies, a hospital's list of deposits, lists of funds and insurers.

    Raises:  UsageError for an unknown partner, or a file that cannot be read.
    """
    faults = [
        f"--{option} {code}: expected the code of a {' or '.join(sorted(kinds))}, "
        f"got {'a ' + kind if (kind := members.kind(code)) else 'no member'}"
        for option, kinds, codes in (("bank", BANKS, banks), ("his", INSTITUTIONS | PAYERS, his))
        for code in codes
        if members.kind(code) not in kinds
    ]
    if faults:
        raise UsageError("reconcile refused, nothing was taken in:\n  " + "\n  ".join(faults))
    found: dict[tuple[str, str, str], GivenFile] = {}
    for kind, side in ((EXPORT, his), (STATEMENT, banks)):
        for code, paths in sorted(side.items()):
            for path in sorted(paths):
                one = _read(kind, code, path, partial=partial)
                if kind == EXPORT and members.kind(code) in PAYERS:
                    one = one._replace(kind=LIST)
                elif kind == EXPORT and (is_stay_list(one.content) or stays_by_name(one.name)):
                    one = one._replace(kind=STAYS)
                found.setdefault((one.kind, code, one.sha256), one)
    return list(found.values())


def _read(kind: str, partner: str, path: Path, *, partial: bool) -> GivenFile:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}. Next: name a file") from error
    return given_file(kind, partner, path.name, content, partial=partial)


def given_file(kind: str, partner: str, name: str, content: bytes, *, partial: bool = False) -> GivenFile:
    """A file of these bytes, with their digests."""
    sha256, sm3 = hashlib.sha256(content).hexdigest(), hashlib.new("sm3", content).hexdigest()
    return GivenFile(kind, partner, name, content, sha256, sm3, partial)


def used_before(day: date, given: Sequence[GivenFile], seen: Sequence[Input]) -> dict[GivenFile, Refused]:
    """Files whose name was used for other bytes, or whose bytes for another day: FIL-003. 重复文件

    In:      all files of the run; what runs have taken in before.
    """
    return {one: refused for one in given if (refused := _taken_in(day, one, seen)) is not None}


def _taken_in(day: date, given: GivenFile, seen: Sequence[Input]) -> Refused | None:
    """Why a file cannot be taken: its name was used for other bytes, or its bytes for another day."""
    here = [one for one in seen if one.clearing_date == day]
    gated = gate(
        given.partner, given.name, given.sha256, [SeenFile(one.partner, one.file, one.sha256) for one in here]
    )
    if isinstance(gated, Refused):
        return gated
    same = (given.partner, given.sha256)
    other = next(
        (one for one in seen if one.clearing_date != day and (one.partner, one.sha256) == same), None
    )
    if other is None or gated == "again":
        return None
    had = f"{other.file}, taken in for {other.clearing_date}"
    return _refused(given, f"{given.name}: expected a file of {day}, got the bytes of {had}")


def behind_a_gap(given: Sequence[GivenFile]) -> dict[GivenFile, Refused]:
    """Numbered files of one partner begin at 001 and leave none out; those behind a gap are held: FIL-003. 跳号"""
    found: dict[GivenFile, Refused] = {}
    numbered: dict[tuple[str, str], dict[int, list[GivenFile]]] = defaultdict(lambda: defaultdict(list))
    for one in given:
        number = _SEQUENCE.search(one.name)
        if number is not None:
            numbered[one.kind, one.partner][int(number[1])].append(one)
    for files in numbered.values():
        lacking = next(place for place in range(1, max(files) + 2) if place not in files)
        for place, held in files.items():
            for one in held if place > lacking else ():
                text = f"{one.name}: expected file {lacking:03d} of {one.partner} before it, got none; held"
                found[one] = _refused(one, text)
    return found


def _refused(given: GivenFile, text: str) -> Refused:
    return Refused(
        partner=given.partner,
        file=given.name,
        sha256=given.sha256,
        code="FIL-003",
        errors=(f"{text} [FIL-003]",),
        of_bank=given.kind == STATEMENT,
        kind=given.kind if given.kind in {LIST, STAYS} else "",
    )


def told(day: date, refused: Sequence[Refused], of: int) -> str:
    """All refusals of a run, every error of each."""
    lines = [
        error if error.endswith(f"[{one.code}]") else f"{error} [{one.code}]"
        for one in refused
        for error in one.errors
    ]
    return f"reconcile {day}: {len(refused)} of {of} files refused, nothing was imported:\n  " + "\n  ".join(
        lines
    )
