"""Who gets files where: `partners.toml`, read and checked before anything is sent. 交换对象

    [[target]]
    name = "B1-sftp"              # unique; the receiver's code when left out
    receiver = "B1"               # a member's code, or * for every receiver
    types = ["TXN", "PAY"]        # all when left out
    profiles = ["P"]              # all when left out
    since = 2026-03-09            # files of earlier clearing dates stay here
    [target.place]
    kind = "sftp"
    host = "sftp.example.org"
    user = "rhc"
    key = "id_ed25519"
    known_hosts = "known_hosts"
    folder = "in/{receiver}"

    [[inbox]]
    partner = "B1"
    partial = true                # good lines are taken of a file with bad ones; else all or nothing
    profile = "P"                 # of the ACK files, which go out like any file: by a target; the partner's own
                                  # layout that has ACK when left out, else P
    archive = "done"              # folder in that place to which a file goes once it is judged; left where it is
                                  # when left out
    place = { kind = "directory", folder = "in/B1" }

Other places: { kind = "directory", folder = "out/{receiver}" } and
{ kind = "store", url = "s3://bucket/clearing/{receiver}", options = { region = "…" } }; what an object store
needs to let us in comes from the environment, as its own clients read it. Relative paths start at the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clearing.errors import UsageError, setting_faults, toml_fault
from clearing.ledger.members import Code
from clearing.reports.machine import MIS

if TYPE_CHECKING:
    from clearing.files.layout import Layout

EVERYONE: Final = "*"


class Strict(BaseModel):
    """A part of the file: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DirectoryPlace(Strict):
    """A directory of this machine, or one that is mounted on it."""

    kind: Literal["directory"]
    folder: Path


class SftpPlace(Strict):
    """A folder behind SSH. The host's key must stand in `known_hosts`; there is no way to leave that out."""

    kind: Literal["sftp"]
    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: Annotated[str, Field(min_length=1)]
    key: Path
    known_hosts: Path
    folder: str = "."


class StorePlace(Strict):
    """A bucket, or a folder of one."""

    kind: Literal["store"]
    url: Annotated[str, Field(min_length=1)]
    options: dict[str, str] = {}


Place: TypeAlias = Annotated[DirectoryPlace | SftpPlace | StorePlace, Field(discriminator="kind")]


class Target(Strict):
    """Where files of a receiver go."""

    name: str = ""
    receiver: Code | Literal["*"]
    types: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    since: date | None = None
    place: Place

    @model_validator(mode="before")
    @classmethod
    def _named(cls, said: Any) -> Any:  # noqa: ANN401 - whatever the file says
        if isinstance(said, dict) and not said.get("name"):
            return {**said, "name": said.get("receiver", "")}
        return said

    def place_of(self, receiver: str) -> Place:
        """The place for one receiver: `{receiver}` filled in."""
        return _filled(self.place, receiver)


class Inbox(Strict):
    """Where files of a partner are found."""

    partner: Code
    partial: bool = False
    profile: str = ""
    archive: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]*)?$")] = ""
    place: Annotated[DirectoryPlace | SftpPlace, Field(discriminator="kind")]


class Partners(Strict):
    """The whole file."""

    target: tuple[Target, ...] = ()
    inbox: tuple[Inbox, ...] = ()

    @model_validator(mode="after")
    def _names_once(self) -> Partners:
        names = [one.name for one in self.target]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"target: expected each name once, got {', '.join(twice)} twice")
        return self


def _filled(place: Place, receiver: str) -> Place:
    if isinstance(place, StorePlace):
        return place.model_copy(update={"url": place.url.replace("{receiver}", receiver)})
    folder = str(place.folder).replace("{receiver}", receiver)
    return place.model_copy(update={"folder": type(place.folder)(folder)})


def load_partners(file: Path) -> Partners:
    """Read `partners.toml`. 交换对象

    Raises:  UsageError with every fault: the key, what was expected and what stands there.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror or 'cannot be read'}. Next: write it, or name it in CLEARING_PARTNERS"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: expected TOML, got {toml_fault(error)}") from error
    try:
        partners = Partners.model_validate(document)
    except ValidationError as error:
        raise UsageError(f"{file} refused:\n  " + "\n  ".join(setting_faults(error))) from error
    return _placed(partners, file.parent)


def expect_known(
    partners: Partners, file: Path, codes: Collection[str], layouts: Mapping[str, Layout]
) -> None:
    """Refuse what would never match: a code that is no member's, a type or profile that no layout has. 交换对象核对

    In:      the codes of members, the layouts by profile.
    Raises:  UsageError with every fault.
    """
    types = sorted({MIS}.union(*(one.types for one in layouts.values())))
    faults: list[str] = []

    def expect(where: str, what: str, known: Collection[str], *asked: str) -> None:
        strange = ", ".join(one for one in asked if one not in known)
        if strange:
            faults.append(f"{where}: expected {what}, got {strange}")

    for target in partners.target:
        where = f"target {target.name}"
        expect(f"{where} receiver", "a member's code or *", {*codes, EVERYONE}, target.receiver)
        expect(f"{where} types", f"some of {' '.join(types)}", types, *target.types)
        expect(f"{where} profiles", f"some of {' '.join(layouts)}", layouts, *target.profiles)
    for inbox in partners.inbox:
        expect(f"inbox of {inbox.partner}", "a member's code", codes, inbox.partner)
    if faults:
        raise UsageError(f"{file} refused:\n  " + "\n  ".join(faults) + "\nSee: clearing members show")


def _placed(partners: Partners, start: Path) -> Partners:
    """The same with relative paths of this machine starting at the file."""
    targets = tuple(one.model_copy(update={"place": _started(one.place, start)}) for one in partners.target)
    inboxes = tuple(one.model_copy(update={"place": _started(one.place, start)}) for one in partners.inbox)
    return partners.model_copy(update={"target": targets, "inbox": inboxes})


def _started(place: Place, start: Path) -> Place:
    match place:
        case DirectoryPlace():
            return place.model_copy(update={"folder": start / place.folder})
        case SftpPlace():
            own = {"key": start / place.key, "known_hosts": start / place.known_hosts}
            return place.model_copy(update=own)
        case StorePlace():
            return place
