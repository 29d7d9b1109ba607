"""The manifest beside a file: what was sent, so that a receiver knows that it is whole. 文件清单

It stands in `name.ok`, written after the file, so that a file without one is still being written.
"""

from __future__ import annotations

import builtins
import hashlib
from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clearing.files.faults import Fault, Faults

MANIFEST_SUFFIX = ".ok"


class Figures(NamedTuple):
    """What the signature vouches for: the file's name, length, counts, sums, digests and what it replaces. 签名原文

    file=RHC_TXN_PLAT_B1_20260310_001_V1.txt
    bytes=4711
    records=12
    amount_total=6159.44
    hash_total=1234567890
    sha256=…
    sm3=…
    replaces=
    """

    file: str
    bytes: int
    records: int
    amount_total: str
    hash_total: int
    sha256: str
    sm3: str
    replaces: str
    """Empty where the manifest has null."""

    @property
    def text(self) -> builtins.bytes:
        """The bytes that are signed: one line a field in this order, UTF-8, each ended by a line feed."""
        pairs = zip(self._fields, self, strict=True)
        return "".join(f"{name}={value}\n" for name, value in pairs).encode()


class Signature(BaseModel):
    """Who vouches for the file: `value` is base64 of the signature over `Figures.text`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alg: str
    key_id: str
    value: str


class Encryption(BaseModel):
    """How a file's bytes are hidden on their way, and for whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alg: str
    key_id: str
    """Of the receiver's SM2 key."""
    wrapped_key: str
    """The content key under that key, base64."""
    iv: str
    """Base64."""


class Manifest(BaseModel):
    """The manifest's fields, in the order they are written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    bytes: Annotated[int, Field(ge=0)]
    records: Annotated[int, Field(ge=0)]
    amount_total: Annotated[str, Field(pattern=r"^-?\d{1,16}\.\d{2}$")]
    """Yuan: the sum of the amounts of the lines that carry an id."""
    hash_total: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    sm3: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    signature: Signature | None = None
    encryption: Encryption | None = None
    run_id: str
    created_at: datetime
    replaces: str | None = None
    """file_id of the version before, null for the first."""

    @property
    def figures(self) -> Figures:
        """What is signed of it."""
        return Figures(
            self.file,
            self.bytes,
            self.records,
            self.amount_total,
            self.hash_total,
            self.sha256,
            self.sm3,
            self.replaces or "",
        )


def write_manifest(manifest: Manifest) -> bytes:
    """The manifest as JSON, UTF-8, one field a line."""
    return f"{manifest.model_dump_json(indent=1)}\n".encode()


def read_manifest(name: str, content: bytes) -> Manifest | tuple[Fault, ...]:
    """A manifest from its bytes, or every fault of it.

    In:      the manifest's own file name, any bytes.
    """
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        faults = Faults(name)
        for one in error.errors(include_url=False):
            where = ".".join(str(part) for part in one["loc"])
            match one["type"]:
                case "missing":
                    faults.add("FMT-011", f'a field "{where}"', "none")
                case "extra_forbidden":
                    faults.add("FMT-011", "only the fields of a manifest", where)
                case "json_invalid":
                    faults.add("FMT-011", "a manifest in JSON", f"{len(content)} bytes that are none")
                case _:
                    faults.add("FMT-011", f"{where + ': ' if where else ''}{one['msg']}", one["input"])
        return tuple(faults.found)


class Measured(NamedTuple):
    """What was found of a file's bytes, however they were read."""

    size: int
    sha256: str
    sm3: str

    @classmethod
    def of(cls, content: bytes) -> Measured:
        """Of bytes that are all there."""
        return cls(len(content), hashlib.sha256(content).hexdigest(), hashlib.new("sm3", content).hexdigest())


def check_manifest(name: str, content: bytes, manifest: Manifest) -> tuple[Fault, ...]:
    """Compare bytes with what their manifest says: name, length, both digests."""
    return compare_manifest(name, Measured.of(content), manifest)


def compare_manifest(name: str, found: Measured, manifest: Manifest) -> tuple[Fault, ...]:
    """Compare what was found of a file's bytes with what its manifest says.

    Out:     a fault for each that differs; counts and sums are compared by `check`, once the lines are read.
    """
    faults = Faults(name)
    if manifest.file != name:
        faults.add("FMT-011", f"a manifest of {name}", manifest.file)
    if manifest.bytes != found.size:
        faults.add("FMT-012", f"{manifest.bytes} bytes as in the manifest", found.size)
    pairs = (("sha256", manifest.sha256, found.sha256), ("sm3", manifest.sm3, found.sm3))
    for algorithm, said, digest in pairs:
        if digest != said:
            faults.add("FMT-012", f"{algorithm} {said[:16]}… as in the manifest", f"{digest[:16]}…")
    return tuple(faults.found)
