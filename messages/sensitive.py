"""What must never be kept: card numbers, PINs, verification values, track data, passwords. 敏感信息

A record that holds one of them is malformed and its bytes go nowhere; only its digest, its length and the
path of the field stay. When in doubt these functions say yes: losing a broken record is repaired by sending
it again, a leaked PIN is not.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

CARD_FIELDS: Final = frozenset(
    {
        "account", "accountno", "accountnumber", "acct", "alias", "bankcard", "bankcardno", "card", "cardid",
        "cardno", "cardnum", "cardnumber", "keptcard", "newcard", "oldcard", "pan", "payee",
        "primaryaccountnumber", "token",
    }
)  # fmt: skip
"""Field names, lower case and without punctuation, whose digits are looked at as a card number."""

_NAME: Final = re.compile(
    r"(?:^|[^a-z])(?:pin|pwd|track|pass)(?:[^a-z]|$)"
    r"|^(?:pin|pwd)|(?:pin|pwd)$"
    r"|pin_?(?:block|data|code|value|no)|track_?(?:data|[123]|i{1,3}(?![a-z]))|passw|passcode|passphrase"
    r"|cvn|cvv|cvc(?![a-z])|magstripe_?data|密码|口令|磁道"
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PUNCTUATION: Final = re.compile(r"[^a-z0-9]")
_DIGITS: Final = re.compile(r"[0-9](?:[-_ ]?[0-9]){12,18}")
_DIGIT_RUN: Final = re.compile(r"(?<![0-9])[0-9](?:[-_ ]?[0-9]){12,18}(?![0-9])")
_QUOTED_NAME: Final = re.compile(r'"([^"\\]{1,64})"\s*:')
_ESCAPE: Final = re.compile(r"\\u([0-9A-Fa-f]{4})")
_LUHN_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


class Secret(NamedTuple):
    """Where a secret stands and what it is, never the secret itself."""

    path: tuple[str | int, ...]
    what: str


def is_card_number(text: str) -> bool:
    """Tell whether the text is 13 to 19 digits (spaces, `-` and `_` between them ignored) that pass Luhn."""
    return _DIGITS.fullmatch(text) is not None and _luhn(text)


def is_secret_name(name: str) -> bool:
    """Tell whether a field is named like a PIN, CVN, CVV, track or password, in any case and spelling."""
    return _NAME.search(_HUMP.sub("_", name).lower()) is not None or _NAME.search(name.lower()) is not None


def find_secret(value: object) -> Secret | None:
    """Walk a parsed record at any depth and return the first secret, in the order the record was written."""
    waiting: list[tuple[tuple[str | int, ...], bool, object]] = [((), False, value)]
    while waiting:
        path, of_card, found = waiting.pop()
        if isinstance(found, dict):
            for name in found:
                if is_secret_name(name):
                    return Secret(
                        (*path, name), "named like a PIN, CVN, track or password, which no event carries"
                    )
            waiting += [((*path, name), _of_card(name), part) for name, part in reversed(found.items())]
        elif isinstance(found, list):
            # The list's own name still speaks for its parts: aliases as plain texts, say.
            waiting += [((*path, at), of_card, part) for at, part in reversed([*enumerate(found)])]
        elif of_card and isinstance(found, str | int) and is_card_number(str(found)):
            return Secret(path, "holds a card number; expected its token")
    return None


def find_secret_in_bytes(value: bytes) -> bool:
    """Tell whether bytes that are no record may hold a secret: any such name, any card number anywhere."""
    text = value.replace(b"\0", b"").decode("utf-8", "replace")
    text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    if any(is_secret_name(found[1]) for found in _QUOTED_NAME.finditer(text)):
        return True
    return any(_luhn(found[0]) for found in _DIGIT_RUN.finditer(text))


def _of_card(name: str) -> bool:
    plain = _PUNCTUATION.sub("", name.lower())
    return plain in CARD_FIELDS or plain.removesuffix("s").removesuffix("e") in CARD_FIELDS or "card" in plain


def _luhn(text: str) -> bool:
    digits = [int(sign) for sign in reversed(text) if sign.isdigit()]
    return (sum(digits[::2]) + sum(_LUHN_DOUBLED[digit] for digit in digits[1::2])) % 10 == 0
