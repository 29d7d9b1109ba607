"""Which layouts there are, and which of them a member gets its files in. 格式选用"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearing.errors import UsageError, WorldFailed
from clearing.files.layout import SHIPPED, Layout, load_layout, parse_layout

if TYPE_CHECKING:
    from datetime import date

    from clearing.files.day_files import Layouts
    from clearing.ledger.members import Members
    from clearing.settings import Settings


def known_layouts(settings: Settings) -> dict[str, Layout]:
    """Every layout by its profile: those shipped, and those of the folder that the settings name. 可用格式

    Raises:  UsageError for a folder that is none, a layout that is not sound, or a profile that there is twice;
             WorldFailed for the disk.
    """
    found = {profile: load_layout(profile) for profile in SHIPPED}
    texts: dict[str, str] = {}
    if settings.layouts and not Path(settings.layouts).is_dir():
        raise UsageError(
            f"CLEARING_LAYOUTS: {settings.layouts} is no folder. Next: make it, name another, or unset it"
        )
    if settings.layouts:
        try:
            texts = {
                path.name: path.read_text(encoding="utf-8")
                for path in sorted(Path(settings.layouts).glob("*.toml"))
            }
        except (OSError, UnicodeDecodeError) as error:
            raise WorldFailed(
                f"{settings.layouts}: layouts cannot be read, {error}. Next: mend it"
            ) from error
    documents = _documents(texts)
    for name, text in texts.items():
        layout = parse_layout(text, name, documents)
        if layout.profile in found:
            raise UsageError(f"layout {name}: profile {layout.profile!r} is there already. Next: rename it")
        found[layout.profile] = layout
    return found


def layout_at(settings: Settings, path: Path, text: str) -> Layout:
    """The layout of a file, wherever it lies. 格式文件

    In:      its text; it may be `like` one that lies beside it, or in the settings' folder. What is no TOML is passed
             over there.
    Raises:  UsageError when it is not sound.
    """
    folders = [*([Path(settings.layouts)] if settings.layouts else []), path.parent]
    documents: dict[str, Mapping[str, Any]] = {}
    for other in (one for folder in folders for one in sorted(folder.glob("*.toml"))):
        with contextlib.suppress(OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            document = tomllib.loads(other.read_text(encoding="utf-8"))
            documents[str(document.get("profile", other.name))] = document
    return parse_layout(text, path.name, documents)


def own_layouts(settings: Settings, members: Members, code: str, day: date) -> tuple[Layout, ...]:
    """The layouts that a member's record names on a date, in its order; none for nobody. 本方格式

    Raises:  UsageError for a profile that nobody knows, and as `known_layouts`.
    """
    member = members.on(day).by_code.get(code)
    if member is None or not member.profile:
        return ()
    return _of(known_layouts(settings), member.profile, f"{member.kind} {code}")


def reading_layouts(settings: Settings, members: Members, partner: str, day: date) -> tuple[Layout, ...]:
    """The layouts in which a partner's files may come, its own first: of two that know a name the first counts.

    Raises:  as `own_layouts`.
    """
    own = own_layouts(settings, members, partner, day)
    return (*own, *(one for one in known_layouts(settings).values() if one not in own))


def writing_layout(
    settings: Settings, members: Members, receiver: str, day: date, *, file_type: str, usual: str
) -> Layout:
    """The one layout in which a receiver gets what is no part of a day's set: PAY, PYR, ACK, NTF. 单一格式

    In:      `usual`: the profile for a receiver that names none with this type.
    Raises:  UsageError when that profile does not have the type either, and as `own_layouts`.
    """
    own = own_layouts(settings, members, receiver, day)
    found = next((one for one in own if file_type in one.types), None)
    if found is not None:
        return found
    known = known_layouts(settings)
    if usual not in known or file_type not in known[usual].types:
        having = ", ".join(name for name, one in known.items() if file_type in one.types)
        raise UsageError(
            f"{file_type} to {receiver}: expected a profile of {having}, got {usual!r}. "
            "Next: correct CLEARING_PAY_PROFILE, or the inbox's profile in partners.toml"
        )
    return known[usual]


def _of(known: Mapping[str, Layout], profiles: tuple[str, ...], who: str) -> tuple[Layout, ...]:
    missing = [one for one in profiles if one not in known]
    if missing:
        raise UsageError(
            f"{who}: expected a profile of {', '.join(known)}, got {', '.join(missing)}. "
            f"Next: put its layout into the folder CLEARING_LAYOUTS"
        )
    return tuple(known[one] for one in profiles)


def _documents(texts: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """The documents of a folder by profile, for layouts that are `like` one of them."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, text in texts.items():
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"layout {name}: expected TOML, got {error}. Correct the file") from error
        found[str(document.get("profile", name))] = document
    return found


def layouts_of(settings: Settings, members: Members, day: date) -> Layouts:
    """The layouts of each member in force on a day; under `""` those of members that name none. 各方格式

    Raises:  UsageError for a profile that nobody knows, and as `known_layouts`.
    """
    known = known_layouts(settings)
    found = {
        member.code: _of(known, member.profile, f"{member.kind} {member.code}")
        for member in members.on(day).by_code.values()
        if member.profile
    }
    return {"": _of(known, settings.profiles, "CLEARING_PROFILES"), **found}
