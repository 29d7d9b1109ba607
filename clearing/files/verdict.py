"""What we answer to a file that came in: taken, taken in part, refused, and why. 回执"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clearing.files.faults import Fault
from clearing.files.records import BadLine, VerdictLine


def verdict_lines(
    file: str, *, size: int, sha256: str, records: int, taken: int, faults: Sequence[Fault]
) -> list[tuple[str, Any]]:
    """The lines of the ACK on one file, ready for `outgoing.file_of`. 回执行

    In:      the file's name, length and digest as it came; how many detail lines it has and how many of them were
             taken; every fault of it.
    Out:     one line A, then one line E a fault: ACPT without faults, RJCT when nothing was taken, else PART.
    """
    verdict = "PART" if faults and taken else "RJCT" if faults else "ACPT"
    lines: list[tuple[str, Any]] = [("A", VerdictLine(file, size, sha256, verdict, records, taken))]
    lines += [
        ("E", BadLine(one.line, one.field, one.column, one.code, one.expected, one.got)) for one in faults
    ]
    return lines
