"""PEM: DER in base64 between two lines. OpenSSL writes it, people send it. 密钥文本"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

WIDTH: Final = 64
BLOCK: Final = re.compile(
    r"-----BEGIN (?P<label>[A-Z0-9 ]{1,40})-----\s(?P<body>[A-Za-z0-9+/=\s]*)-----END (?P=label)-----"
)


def pem(label: str, der: bytes) -> str:
    """DER as PEM, ended by a line feed."""
    body = base64.b64encode(der).decode("ascii")
    lines = [body[at : at + WIDTH] for at in range(0, len(body), WIDTH)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))


def unpem(text: str) -> tuple[str, bytes]:
    """(label, DER) of the one block in a text; what stands around it is not looked at, as OpenSSL does.

    Raises:  ValueError when there is none, or more than one, or its base64 is broken. Nothing of the text is
             repeated: it may be a private key.
    """
    blocks = [found for found in BLOCK.finditer(text) if not found["label"].endswith("PARAMETERS")]
    if len(blocks) != 1:
        raise ValueError(f"expected one PEM block of a key, got {len(blocks)}")
    try:
        return blocks[0]["label"], base64.b64decode("".join(blocks[0]["body"].split()), validate=True)
    except binascii.Error:
        raise ValueError("expected base64 between the PEM lines, got something else") from None
