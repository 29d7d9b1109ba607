"""`keys`: our key pairs, and the fingerprints that people compare. 密钥"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from clearing.console.edge import Json, answer, perform, read_file, settings_now
from clearing.console.show import table
from clearing.errors import UsageError
from clearing.files.public_keys import PublicKey, public_key
from clearing.jobs.keys import FILES, OPEN, SIGN, key_store, make_pair, names_of, write_pair
from clearing.ledger.seal_terms import ED25519, SM2_SM3, Algorithm

keys_app = typer.Typer(no_args_is_help=True, help="Key pairs and fingerprints of file signatures 密钥.")

NAMES: Final = (
    f"{' or '.join(name.removesuffix('.pem') for name in FILES.values())}, or {OPEN}-… for envelopes"
)


@keys_app.command("make")
def make(
    name: Annotated[str, typer.Argument(help=f"What for: {NAMES}.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder; that of CLEARING_KEYS when left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key pair: the private half for this site alone, the public half for the partners 生成密钥."""

    async def work() -> tuple[PublicKey, Path, Path]:
        algorithm, folder = _algorithm(name), out or Path(settings_now().keys or "keys")
        pair, path = make_pair(algorithm), folder / f"{name}.pem"
        return pair.public, path, write_pair(pair, path)

    public, path, beside = perform(work)
    if as_json:
        answer({"private": f"{path}", "public": f"{beside}"} | _row(public))
        return
    print(f"{path}  private, mode 0600: it stays here; keep a copy where only the custodians come")
    print(f"{beside}  public, for the partners")
    print(f"{public.algorithm}, fingerprint {public.fingerprint}: tell it by another way than the file")


def _algorithm(name: str) -> Algorithm:
    for algorithm, file in FILES.items():
        if file == f"{name}.pem":
            return algorithm
    if name.startswith(f"{OPEN}-") and name.removeprefix(f"{OPEN}-").replace("-", "").isalnum():
        return SM2_SM3
    raise UsageError(f"keys make {name}: expected {NAMES}. The name says what the key does")


@keys_app.command("list")
def list_keys(as_json: Json = False) -> None:
    """The keys of this site by purpose and fingerprint, never the keys themselves 密钥清单."""

    async def work() -> list[dict[str, str]]:
        store = key_store(settings_now())
        named = {key.id: name for name, key in names_of(store).items()}
        found = [(SIGN, signer.public) for signer in store.signers()]
        found += [(OPEN, public) for public in store.openers()]
        return [_row(key) | {"purpose": purpose, "name": named.get(key.id, "")} for purpose, key in found]

    found = perform(work)
    if as_json:
        answer({"keys": found})
        return
    names = ("name", "purpose", "algorithm", "fingerprint", "key_id")
    table("Keys 密钥", names, ([one[name] for name in names] for one in found))


@keys_app.command("show")
def show(
    file: Annotated[
        Path, typer.Argument(help="A public key: PEM, or hex of an SM2 point; or the name of one of ours.")
    ],
    form: Annotated[
        Literal["pem", "hex", "04"],
        typer.Option("--form", help="How to write it: PEM, bare hex, hex with 04."),
    ] = "pem",
    as_json: Json = False,
) -> None:
    """A public key in the form a partner asks for, and its fingerprint 公钥."""

    async def work() -> PublicKey:
        if file.suffix or file.exists():
            key = named_key(file)
        elif (ours := names_of(key_store(settings_now())).get(f"{file}")) is not None:
            key = ours
        else:
            raise UsageError(
                f"{file}: expected a public key's file or the name of a key of this site, got neither. "
                "See: clearing keys list"
            )
        if form == "04" and key.algorithm == ED25519:
            raise UsageError(f"{file}: a key of {ED25519} has no form with 04. Next: --form hex")
        return key

    key = perform(work)
    text = key.pem if form == "pem" else key.point.hex() if form == "hex" else f"04{key.point.hex()}"
    if as_json:
        answer(_row(key) | {"form": form, "key": text})
        return
    print(text.rstrip("\n"))
    print(f"{key.algorithm}, fingerprint {key.fingerprint}")


def named_key(file: Path) -> PublicKey:
    """A public key that somebody named.

    Raises:  UsageError when the file has none.
    """
    try:
        return public_key(read_file(file).decode("ascii", "replace"))
    except ValueError as error:
        raise UsageError(f"{file}: {error}. Next: name a public key, such as sign-sm2.pub.pem") from error


def _row(key: PublicKey) -> dict[str, str]:
    return {"algorithm": key.algorithm, "fingerprint": key.fingerprint, "key_id": key.id}
