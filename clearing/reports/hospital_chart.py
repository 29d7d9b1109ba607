"""A hospital's own chart of accounts: role → code and name, from a TOML document. 医院科目对照"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from clearing.errors import UsageError

ROLES: Final = {
    "bank": "银行存款",
    "transit": "在途清算款",
    "network": "卡组织在途",
    "claims_received": "医保结算到款",
    "outpatient": "门急诊收入",
    "inpatient": "在院病人应收",
    "deposit": "住院预收款",
    "claims": "应收医保款",
    "retention": "医保保证金",
    "claim_difference": "医保结算差额",
    "arrears": "病人欠费",
    "bad_debt": "坏账",
    "fee": "手续费",
    "correction": "对账差错",
    "agency": "下属机构往来",
}
"""What our events touch in a hospital's books; 中文 for messages."""
LIKE: Final = "like"
ENCODING: Final = "encoding"
ENCODINGS: Final = ("utf-8-sig", "utf-8", "gb18030")


class HospitalAccount(NamedTuple):
    """One account of a hospital's chart."""

    code: str
    name: str


class HospitalChart:
    """One institution's accounts by role; a role that is missing is an error when a day needs it."""

    def __init__(self, section: str, accounts: Mapping[str, HospitalAccount], encoding: str) -> None:
        self.section, self.accounts, self.encoding = section, accounts, encoding

    def of(self, role: str, *, where: str) -> HospitalAccount:
        """The account of a role.

        Raises:  UsageError naming the section, the role and what needs it.
        """
        found = self.accounts.get(role)
        if found is None:
            raise UsageError(
                f"{where}: expected an account for `{role}` ({ROLES[role]}) in [{self.section}], got none; "
                f'nothing was written. Next: add {role} = "CODE NAME" to the accounts file'
            )
        return found


def chart_for(document: Mapping[str, Any], institution: str, usual: str) -> HospitalChart:
    """The chart of one institution.

    In:      the whole document; the section that holds for it when it has none of its own.
    Raises:  UsageError for a section that is not there, a circle of `like`, a role that is none, or text that
             is no code and name.
    """
    section = institution if institution in document else usual
    said = _section(document, section, ())
    encoding = said.pop(ENCODING, ENCODINGS[0])
    if encoding not in ENCODINGS:
        raise UsageError(
            f"accounts [{section}] {ENCODING}: expected one of {', '.join(ENCODINGS)}, got {encoding!r}"
        )
    return HospitalChart(
        section, {role: _account(section, role, text) for role, text in said.items()}, encoding
    )


def _section(document: Mapping[str, Any], name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    found = document.get(name)
    if name in seen:
        raise UsageError(
            f"accounts [{name}]: expected `{LIKE}` to end somewhere, got {' → '.join((*seen, name))}"
        )
    if not isinstance(found, Mapping):
        raise UsageError(
            f"accounts: expected a section [{name}], got none. Next: add it; clearing report accounts shows one"
        )
    like = found.get(LIKE)
    inherited = _section(document, str(like), (*seen, name)) if like is not None else {}
    return inherited | {key: value for key, value in found.items() if key != LIKE}


def _account(section: str, role: str, text: object) -> HospitalAccount:
    if role not in ROLES:
        raise UsageError(f"accounts [{section}] {role}: expected one of {', '.join(ROLES)}, got another name")
    code, _, name = str(text).strip().partition(" ")
    if not isinstance(text, str) or not code or not name.strip():
        raise UsageError(
            f'accounts [{section}] {role}: expected "CODE NAME" such as "1002 银行存款", got {text!r}'
        )
    return HospitalAccount(code, name.strip())
