"""Stored files against their digests, signatures, entries and runs. 文件核验"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from clearing.errors import InvariantViolated, UsageError
from clearing.files.public_keys import key_of
from clearing.jobs.again import USES, made_together, uses_differing
from clearing.jobs.filing import differing
from clearing.jobs.report_files import reports_differing
from clearing.jobs.seal import figures_of
from clearing.jobs.setup import members_of_version
from clearing.jobs.verify_faults import Faults, short
from clearing.store import audit, files

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.ledger.members import Members


async def files_hold(conn: AsyncConnection) -> str:
    """Every stored file's bytes give both of its digests."""
    faults = Faults()
    for kept in await audit.files(conn):
        sha256, sm3 = hashlib.sha256(), hashlib.new("sm3")
        async for part in audit.content(conn, kept):
            sha256.update(part)
            sm3.update(part)
        for name, stored, made in (
            ("SHA-256", kept.sha256, sha256.digest()),
            ("SM3", kept.sm3, sm3.digest()),
        ):
            if stored != made:
                faults.add(
                    f"file {kept.name}",
                    f"{name} of its bytes, expected {short(stored)} as stored, got {short(made)}",
                )
                break
    return faults.text


async def rendered_again(conn: AsyncConnection, members: Members) -> str:
    """Each day's files, rendered again from its entries in the layouts they were written in, are the same bytes."""
    faults = Faults()
    known = await files.layouts_by_digest(conn)
    for day in await audit.filed_days(conn):
        for stored in made_together(await files.of_day(conn, day)):
            then = await members_of_version(conn, stored[0].members, members)
            try:
                wrong = (
                    await uses_differing(conn, then, known, stored)
                    if stored[0].again and stored[0].again.kind == USES
                    else await differing(conn, then, day, known, stored)
                )
            except (InvariantViolated, UsageError) as error:
                faults.add(f"day {day}", f"its files, expected to be made again, got: {error}")
                continue
            for name in wrong:
                faults.add(f"file {name}", "its bytes, expected what its day's entries give, got others")
    return faults.text


async def reports_again(conn: AsyncConnection, members: Members) -> str:
    """Each member's mismatch report, made again from the run that it is of, is the same bytes."""
    faults = Faults()
    for name in await reports_differing(conn, members):
        faults.add(f"file {name}", "its bytes, expected what its run's report gives, got others")
    return faults.text


async def signatures_hold(conn: AsyncConnection) -> str:
    """Every stored signature is over the file's stored figures, by the key that is kept with it."""
    faults = Faults()
    async for one in audit.signed_files(conn):
        try:
            key, value = key_of(one.signer), base64.b64decode(one.value, validate=True)
        except ValueError:
            faults.add(f"file {one.name}", "its signature, expected a key and base64, got neither")
            continue
        if not key.verifies(value, figures_of(one).text, one.user_id):
            faults.add(f"file {one.name}", f"a signature of key {key.id} over its figures, got another")
    return faults.text
