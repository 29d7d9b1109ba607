"""A day closed with keys: signed once, sent as often as one likes, verified from what is stored."""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gmssl_pyx
import pytest
from sqlalchemy import text

from clearing.errors import InvariantViolated, UsageError
from clearing.files import sm2
from clearing.files.check import check_file
from clearing.files.envelope import open_envelope
from clearing.files.manifest import Manifest, read_manifest
from clearing.jobs.close import cut, file, net
from clearing.jobs.deliver import write_files
from clearing.jobs.keys import make_pair, write_pair
from clearing.jobs.seal import manifest_bytes, sealer_of, wire, wire_size
from clearing.jobs.verify import verify
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from clearing.ledger.seal_terms import ED25519, SM2_SM3
from clearing.store import files
from clearing.store.session import transaction
from tests.files.test_sm2 import KEY, POINT, PRIVATE
from tests.jobs.running import DAYS, FIRST_DAY, Books, books, settings_of, worked_lines


def agreed(**terms: dict[str, Any]) -> Members:
    """The worked days' members, some with terms for their files."""
    path = DAYS / "2026-03-10-worked-day" / "members.toml"
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    for kind in ("bank", "hospital"):
        for row in document[kind]:
            if row["code"] in terms:
                row["seal"] = terms[row["code"]]
    return load_members(document)


ENVELOPE = {"envelope_key": POINT.hex(), "envelope_form": "C1C2C3", "envelope_point": "bare"}
TERMS = agreed(
    B1={"form": "rs", "user_id": "B1-AGREED", **ENVELOPE}, B2={"algorithm": ED25519}, H1={"algorithm": "none"}
)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A site with a key of each kind."""
    folder = tmp_path / "keys"
    write_pair(make_pair(SM2_SM3), folder / "sign-sm2.pem")
    write_pair(make_pair(ED25519), folder / "sign-ed25519.pem")
    return folder


async def closed(the: Books) -> None:
    """The first worked day, filed."""
    await the.ingest(worked_lines(9))
    await the.close(FIRST_DAY)


def unwrap(key_id: str, der: bytes) -> bytes | None:
    """B1's own key."""
    return bytes(gmssl_pyx.sm2_decrypt(PRIVATE, der)) if key_id == KEY.id else None


async def test_every_file_is_sealed_as_its_receiver_agreed(
    blank: Callable[[], str], keys: Path, tmp_path: Path
) -> None:
    """Form, user id, algorithm and envelope are the receiver's; everybody else gets SM2 in DER."""
    async with books(blank(), settings_of(keys=keys), TERMS) as the:
        await closed(the)
        await write_files(the.engine, FIRST_DAY, tmp_path / "out")
        sealer = sealer_of(the.settings, TERMS)
        for path in (tmp_path / "out").rglob("*.ok"):
            manifest = read_manifest(path.name, path.read_bytes())
            assert isinstance(manifest, Manifest)
            receiver, name = path.parent.name, path.name.removesuffix(".ok")
            content = path.with_name(name).read_bytes()
            trust = sealer.trust("PLAT", FIRST_DAY)
            if receiver == "H1":
                assert manifest.signature is None
                assert check_file(name, content, manifest).sound
                continue
            assert manifest.signature is not None
            value = base64.b64decode(manifest.signature.value)
            assert manifest.signature.alg == (ED25519 if receiver == "B2" else SM2_SM3)
            assert (len(value) == 64) == (receiver in ("B1", "B2"))
            assert (manifest.encryption is not None) == (receiver == "B1")
            if receiver == "B1":
                trust = type(trust)(trust.keys, "B1-AGREED")
                assert len(content) == manifest.bytes + 16
                opened = open_envelope(name, content, manifest, unwrap, "C1C2C3")
                assert isinstance(opened, bytes)
                content = opened
            assert check_file(name, content, manifest, trust=trust).faults == ()
        assert (await verify(the.engine, the.members))["checks"]["signatures"] == "ok"


async def test_a_file_goes_out_the_same_whenever_it_is_sent(blank: Callable[[], str], keys: Path) -> None:
    """Signature and envelope are made once; the file's own bytes are those of a day without any key."""
    async with books(blank(), settings_of(keys=keys), TERMS) as the:
        await closed(the)
        async with transaction(the.engine) as conn:
            for one in await files.of_day(conn, FIRST_DAY):
                first = b"".join([part async for part in wire(one, files.parts(conn, one.name))])
                again = b"".join([part async for part in wire(one, files.parts(conn, one.name))])
                assert first == again
                assert len(first) == wire_size(one)
                when = datetime(2026, 3, 9, 16, tzinfo=UTC)
                said = {manifest_bytes(one, run_id="r", created_at=when) for _ in range(2)}
                assert len(said) == 1
        signed = await the.rows("SELECT name, sha256 FROM file ORDER BY name")
    async with books(blank(), settings_of(), agreed()) as plain:
        await closed(plain)
        assert await plain.rows("SELECT name, sha256 FROM file ORDER BY name") == signed
        assert await plain.rows("SELECT name FROM file_seal") == []


async def test_a_signature_that_was_promised_is_not_left_out(
    blank: Callable[[], str], tmp_path: Path
) -> None:
    """Without the key for it the day is not filed; with the key the same step goes through."""
    async with books(blank(), settings_of(), TERMS) as the:
        await the.ingest(worked_lines(9))
        await cut(the.engine, the.settings, the.members, FIRST_DAY)
        await net(the.engine, the.members, FIRST_DAY)
        with pytest.raises(UsageError, match=r"B2 is to get a signature of Ed25519.*keys make sign-ed25519"):
            await file(the.engine, the.settings, the.members, FIRST_DAY)
        assert await the.one("SELECT count(*) FROM file") == 0
        write_pair(make_pair(ED25519), tmp_path / "sign-ed25519.pem")
        assert (await file(the.engine, settings_of(keys=tmp_path), the.members, FIRST_DAY)).done


async def test_what_was_changed_in_the_database_is_found(blank: Callable[[], str], keys: Path) -> None:
    """A figure that a signature vouches for, changed by somebody with all rights; bytes that are others."""
    async with books(blank(), settings_of(keys=keys), TERMS) as the:
        await closed(the)
        name = await the.one("SELECT min(name) FROM file_seal WHERE alg <> ''")
        async with the.engine.begin() as conn:
            await conn.execute(text("RESET ROLE"))
            await conn.execute(text("SET session_replication_role = replica"))
            await conn.execute(
                text("UPDATE file SET records = records + 1 WHERE name = :name"), {"name": name}
            )
        found = (await verify(the.engine, the.members))["checks"]["signatures"]
        assert found.startswith(f"file {name}: a signature of key ")
        async with transaction(the.engine) as conn:
            one = await files.get(conn, name)
            assert one is not None

            async def other() -> Any:  # noqa: ANN401 - an async generator
                yield b"other bytes"

            with pytest.raises(InvariantViolated, match="do not give its stored digest"):
                [part async for part in wire(one, other())]


def test_a_stored_seal_hides_its_content_key() -> None:
    """A repr ends up in logs."""
    seal = files.StoredSeal("name", content_key=bytes.fromhex("deadbeef" * 4))
    assert "dead" not in repr(seal).lower()
    assert "xde" not in repr(seal)


async def test_a_partners_envelope_is_opened_by_our_own_key(tmp_path: Path) -> None:
    """A bank wraps its file for our key; the sealer opens it by the fingerprint the manifest names."""
    pair = make_pair(SM2_SM3)
    write_pair(pair, tmp_path / "open-2026.pem")
    sealer = sealer_of(settings_of(keys=tmp_path), TERMS)
    wrapped = gmssl_pyx.sm2_encrypt(pair.public.point, b"0123456789abcdef")
    assert sealer.keys.unwrap(pair.public.id, wrapped) == b"0123456789abcdef"
    assert sealer.keys.unwrap(KEY.id, wrapped) is None
    assert sealer.trust("B1", FIRST_DAY).keys == ()
    assert sealer.trust("B1", FIRST_DAY).user_id == "B1-AGREED"
    assert sealer.trust("PLAT", FIRST_DAY).user_id == sm2.USER_ID


async def test_a_member_of_profile_x_gets_its_day_as_a_statement(
    blank: Callable[[], str], keys: Path
) -> None:
    """TXN is a camt.053, signed like any file, sound from what is stored; what it closes at is the position."""
    path = DAYS / "2026-03-10-worked-day" / "members.toml"
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    next(row for row in document["bank"] if row["code"] == "B1")["profile"] = ["P", "X"]
    members = load_members(document)
    async with books(blank(), settings_of(keys=keys), members) as the:
        await closed(the)
        sealer = sealer_of(the.settings, members)
        async with transaction(the.engine) as conn:
            stored = await files.of_day(conn, FIRST_DAY)
            (one,) = [file for file in stored if file.profile == "X"]
            assert one.name == "RHC_TXN_PLAT_B1_20260309_001_V1.xml"
            content = await files.content(conn, one.name)
            said = manifest_bytes(one, run_id="r", created_at=datetime(2026, 3, 9, 16, tzinfo=UTC))
        manifest = read_manifest(f"{one.name}.ok", said)
        assert isinstance(manifest, Manifest)
        checked = check_file(one.name, content, manifest, trust=sealer.trust("PLAT", FIRST_DAY))
        assert checked.faults == ()
        assert checked.parsed is not None
        owed = await the.one(
            "SELECT -sum(f)::bigint FROM entry, unnest(accounts, fens) AS p(a, f) "
            "WHERE a IN ('1010.B1', '2060.B1') AND type NOT LIKE 'day.%'"
        )
        assert checked.parsed.head["CLBD"] == owed
        changed = check_file(one.name, content.replace(b"B1</bank>", b"B2</bank>", 1), manifest)
        assert [fault.code for fault in changed.faults] == ["FMT-012", "FMT-012"]
