"""Why a payment was refused or came back: our reasons and the external codes of ISO 20022. 原因码"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

REASONS: Final[Mapping[str, str]] = {
    "R01": "AC01",
    "R02": "BE01",
    "R03": "AC04",
    "R04": "AC06",
    "R10": "MD07",
    "R11": "AM05",
    "R13": "RC01",
}
"""Our reason → the external code. Any other is NARR with words, MS03 without, and stands in the supplement."""
NARRATIVE: Final = "NARR"
NO_REASON: Final = "MS03"
OTHER: Final = "R99"
OUR_CODE: Final = re.compile(r"R[0-9]{2}", re.ASCII)
OURS: Final[Mapping[str, str]] = {said: ours for ours, said in REASONS.items()}


def external(code: str, text: str = "") -> str:
    """The external code of a reason of ours."""
    return REASONS.get(code) or (NARRATIVE if text else NO_REASON)


def told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a line with the external code beside our own, which is not told twice."""
    found = dict(values)
    code = found["reason_code"]
    if code:
        found["iso_reason"] = external(code, found["reason"])
    if code in REASONS:
        del found["reason_code"]
    return found


def understood(values: Mapping[str, Any]) -> dict[str, str]:
    """`reason_code` and `reason` of what was read: our own where it stands, else what the external code is to us.

    In:      `own_reason` is a proprietary one, which may be a code of ours.
    """
    code, reason = values.get("reason_code", ""), values.get("reason", "")
    said, own = values.get("iso_reason", ""), values.get("own_reason", "")
    if not code and own and not said:
        said, code = own, own if OUR_CODE.fullmatch(own) else ""
    if not code and said:
        code = OURS.get(said, OTHER)
        reason = reason or (said if code == OTHER else "")
    return {"reason_code": code, "reason": reason}
