"""A file is sealed once, when it is made; what goes out is then the same bytes however often it is sent. 签章

SM2 draws a new number for each signature and an envelope a new content key, so both are kept with the file
(`file_seal`), in the transaction that keeps its bytes. The file itself is not touched: rendering it again gives
the same bytes, whoever signed it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import gmssl_pyx

from clearing.errors import InvariantViolated, UsageError
from clearing.files import sm2
from clearing.files.envelope import IV_BYTES, KEY_BYTES, SM4_GCM, TAG_BYTES, Enclosing, open_envelope
from clearing.files.faults import Fault
from clearing.files.manifest import Encryption, Figures, Manifest, Signature, write_manifest
from clearing.files.public_keys import public_key
from clearing.files.seal import NOBODY, Trust, trust_of
from clearing.jobs.keys import FILES, key_store
from clearing.ledger.money import yuan
from clearing.ledger.seal_terms import PLAIN, SM2_SM3, Seal
from clearing.store import files
from clearing.store.files import StoredFile, StoredSeal

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.jobs.keys import KeyStore, Signer
    from clearing.ledger.members import Members
    from clearing.settings import Settings
    from clearing.store.audit import SignedFile


@dataclass(frozen=True, slots=True)
class Sealer:
    """Signs and wraps files as each member has agreed, and knows whose signatures count."""

    keys: KeyStore
    members: Members
    user_id: str

    def terms(self, member: str, day: date) -> Seal:
        """What was agreed with a member on a date; of nobody, what holds where nothing was agreed."""
        found = self.members.on(day).by_code.get(member)
        return found.seal if found else PLAIN

    def seal(self, one: StoredFile) -> StoredSeal | None:
        """Sign a file, and make its envelope where the receiver has a key for one. 签章

        Out:     None when it goes out as it is: no key, no envelope.
        Raises:  UsageError when the receiver is to get a signature that we have no key for; WorldFailed when
                 a signing device fails.
        """
        terms = self.terms(one.receiver, one.clearing_date)
        signer = self._signer(one, terms)
        if signer is None and terms.envelope_key is None:
            return None
        seal = StoredSeal(name=one.name)
        if signer is not None:
            value = signer.sign(figures_of(one).text, terms.user_id or self.user_id)
            if signer.public.algorithm == SM2_SM3:
                value = sm2.signature_out(value, terms.form)
            seal = seal._replace(
                alg=signer.public.algorithm,
                key_id=signer.public.id,
                value=base64.b64encode(value).decode("ascii"),
                user_id=(terms.user_id or self.user_id) if signer.public.algorithm == SM2_SM3 else "",
                signer=signer.public.der,
            )
        return seal if terms.envelope_key is None else _enveloped(seal, terms, terms.envelope_key)

    def _signer(self, one: StoredFile, terms: Seal) -> Signer | None:
        if terms.algorithm == "none":
            return None
        signers = self.keys.signers()
        if terms.algorithm is None:
            return next(iter(signers), None)
        for signer in signers:
            if signer.public.algorithm == terms.algorithm:
                return signer
        raise UsageError(
            f"file {one.name}: {one.receiver} is to get a signature of {terms.algorithm}, expected a key for it, "
            f"got none. Nothing was filed. Next: clearing keys make {FILES[terms.algorithm].removesuffix('.pem')}"
        )

    def trust(self, sender: str, day: date) -> Trust:
        """Whose signatures count on a file of a sender: a member's keys, or our own on a file of ours."""
        if sender == self.members.platform.code:
            own = tuple(signer.public for signer in self.keys.signers())
            return Trust(own, self.user_id) if own else NOBODY
        return trust_of(self.terms(sender, day), self.user_id)

    def opened(
        self, name: str, wire: bytes, manifest: Manifest, sender: str, day: date
    ) -> bytes | tuple[Fault, ...]:
        """The plain bytes of a file that a sender wrapped for us, or what is wrong with its envelope."""
        return open_envelope(name, wire, manifest, self.keys.unwrap, self.terms(sender, day).envelope_form)


def sealer_of(settings: Settings, members: Members) -> Sealer:
    """The sealer of this site.

    Raises:  UsageError for keys that are not there or not fit.
    """
    return Sealer(key_store(settings), members, settings.sm2_user_id)


def _enveloped(seal: StoredSeal, terms: Seal, receiver: str) -> StoredSeal:
    key = public_key(receiver)
    content_key = secrets.token_bytes(KEY_BYTES)
    wrapped = bytes(gmssl_pyx.sm2_encrypt(key.point, content_key))
    form = sm2.wrapped_out(wrapped, terms.envelope_form, prefix=terms.envelope_point == "04")
    return seal._replace(
        envelope_alg=SM4_GCM,
        envelope_key_id=key.id,
        wrapped_key=base64.b64encode(form).decode("ascii"),
        iv=secrets.token_bytes(IV_BYTES),
        content_key=content_key,
    )


async def seal_files(conn: AsyncConnection, sealer: Sealer, made: Sequence[StoredFile]) -> None:
    """Sign and wrap files in the transaction that keeps them. 签章

    In:      files just kept; those that have a seal are left.
    Writes:  file_seal.
    Again:   nothing: a seal is made once.
    Raises:  as `Sealer.seal`; nothing of the transaction stays.
    """
    made_now = (sealer.seal(one) for one in made if one.seal is None)
    await files.add_seals(conn, [seal for seal in made_now if seal is not None])


def figures_of(one: StoredFile | SignedFile) -> Figures:
    """What is signed of a stored file."""
    return Figures(
        one.name,
        one.size,
        one.records,
        yuan(one.amount_total_fen),
        int(one.hash_total),
        one.sha256.hex(),
        one.sm3.hex(),
        one.replaces,
    )


def manifest_bytes(one: StoredFile, *, run_id: str, created_at: datetime) -> bytes:
    """The manifest of a stored file as it goes out beside it, `name.ok`. 文件清单

    In:      the run that sends it and when.
    Out:     the same signature and envelope each time; only run and instant may differ.
    """
    seal, figures = one.seal, figures_of(one)
    signature = encryption = None
    if seal is not None and seal.alg:
        signature = Signature(alg=seal.alg, key_id=seal.key_id, value=seal.value)
    if seal is not None and seal.envelope_alg:
        iv = base64.b64encode(seal.iv).decode("ascii")
        encryption = Encryption(
            alg=seal.envelope_alg, key_id=seal.envelope_key_id, wrapped_key=seal.wrapped_key, iv=iv
        )
    manifest = Manifest(
        **figures._asdict() | {"replaces": one.replaces or None},
        signature=signature,
        encryption=encryption,
        run_id=run_id,
        created_at=created_at,
    )
    return write_manifest(manifest)


def wire_size(one: StoredFile) -> int:
    """How many bytes `wire` gives."""
    return one.size + (TAG_BYTES if one.seal is not None and one.seal.envelope_alg else 0)


async def wire(one: StoredFile, parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The bytes of a stored file as they go out: its own, or their envelope. 待发字节

    In:      its stored parts in order (`files.parts`); memory holds one at a time.
    Out:     the same bytes however often it is sent, so that a delivery that was cut can go on.
    Raises:  InvariantViolated at the end, when the parts do not give the stored digest: what was written of the
             file must not get its manifest.
    """
    digest = hashlib.sha256()
    seal = one.seal
    enclosing = None
    if seal is not None and seal.envelope_alg:
        enclosing = Enclosing(seal.content_key, seal.iv, figures_of(one).text)
    async for part in parts:
        digest.update(part)
        yield enclosing.add(part) if enclosing else part
    if digest.digest() != one.sha256:
        raise InvariantViolated(
            f"file {one.name}: its stored bytes do not give its stored digest. Nothing was written of it"
        )
    if enclosing:
        yield enclosing.end()
