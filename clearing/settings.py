"""Every setting, one row each: name, unit, default, help. 设置

A setting is an environment variable `CLEARING_<NAME>` or a line `<name> = ...` of `clearing.toml` in the working
directory; the environment wins. The command line, the README's table and the tests read this table.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from clearing.errors import UsageError, toml_fault

PREFIX: Final = "CLEARING_"
FILE: Final = "clearing.toml"

_NEAR: Final = 0.6
"""How alike a name is to a setting's that is refused as misspelt, 1 being the same."""
_OTHERS: Final = re.compile(r"^(test|soak)_|(^|_)(service_host|service_port.*|port(_.*)?)$")
"""Variables of our prefix that are others' business: the tests', and those a Kubernetes service leaves in a pod."""

Read: TypeAlias = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table."""

    name: str
    default: str
    unit: str
    help: str
    read: Read = str


def _whole(text: str) -> int:
    if not text.strip().isdecimal() or int(text) == 0:
        raise ValueError("expected a whole number above 0")
    return int(text)


def _yes_or_no(text: str) -> bool:
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise ValueError("expected true or false")


def _one_of(*known: str) -> Read:
    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"expected {', '.join(known[:-1])} or {known[-1]}")
        return text

    return read


def _zone(text: str) -> str:
    if text:
        try:
            ZoneInfo(text)
        except (ValueError, OSError, ZoneInfoNotFoundError) as error:
            raise ValueError("expected a time zone such as Asia/Shanghai") from error
    return text


def _clock_time(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError as error:
        raise ValueError("expected a time of day such as 22:30") from error


def _clock(text: str) -> time | None:
    return _clock_time(text) if text else None


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _clocks(text: str) -> tuple[time, ...]:
    return tuple(sorted(map(_clock_time, _words(text))))


TABLE: Final = (
    Setting(
        "database_url",
        "embedded:.clearing",
        "",
        "PostgreSQL URL, or embedded:DIR for one started from a wheel",
    ),
    Setting("kafka_bootstrap", "", "host:port,…", "Kafka brokers; the worker needs them"),
    Setting("kafka_prefix", "clearing", "", "first part of every topic's name"),
    Setting("kafka_group", "clearing", "", "consumer group of the workers"),
    Setting(
        "kafka_security",
        "PLAINTEXT",
        "",
        "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
        _one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    ),
    Setting("kafka_ca", "", "path", "certificate authority of the brokers, PEM"),
    Setting("kafka_certificate", "", "path", "client certificate, PEM"),
    Setting("kafka_key", "", "path", "key of the client certificate, PEM"),
    Setting(
        "kafka_sasl_mechanism",
        "SCRAM-SHA-512",
        "",
        "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        _one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    ),
    Setting("kafka_sasl_username", "", "", "SASL user"),
    Setting("kafka_sasl_password", "", "", "SASL password"),
    Setting("kafka_partitions", "6", "", "partitions of topics that `worker --create-topics` makes", _whole),
    Setting("batch_events_max", "1000", "events", "records of one batch, that is of one transaction", _whole),
    Setting("batch_wait_ms_max", "50", "ms", "how long the worker waits for a batch to fill", _whole),
    Setting("cutover", "", "HH:MM", "cutover, when it differs from the members file's", _clock),
    Setting("timezone", "", "", "business time zone, when it differs from the members file's", _zone),
    Setting("cards_required", "true", "", "false takes cards that nobody registered as active", _yes_or_no),
    Setting("env", "PROD", "", "TEST lets test events and test cards in", _one_of("PROD", "TEST")),
    Setting(
        "keys",
        "",
        "path",
        "folder of our private keys, made by `keys make`; without one files are not signed",
    ),
    Setting("key_store", "", "module:function", "of a signing device, instead of the folder of keys"),
    Setting(
        "sm2_user_id", "1234567812345678", "", "SM2 user id of signatures, where a member has none of its own"
    ),
    Setting("profiles", "P H", "", "layouts of members that name none in members.toml", _words),
    Setting("layouts", "", "path", "folder of partners' own layouts, one TOML file each"),
    Setting("refund_days_max", "180", "days", "how long after its payment a refund is taken", _whole),
    Setting("depends_days_max", "180", "days", "how long a payout waits for what it depends on", _whole),
    Setting("park_days_max", "3", "cuts", "how long an event waits for anything else it names", _whole),
    Setting("limit_class2_day_fen", "1000000", "fen", "payouts to a class II account, a day", _whole),
    Setting("limit_class2_year_fen", "20000000", "fen", "payouts to a class II account, a year", _whole),
    Setting("limit_class3_day_fen", "200000", "fen", "payouts to a class III account, a day", _whole),
    Setting("limit_class3_year_fen", "5000000", "fen", "payouts to a class III account, a year", _whole),
    Setting(
        "partners", "partners.toml", "path", "who gets files where, and where files of partners are found"
    ),
    Setting("dispatch_windows", "08:30 13:30 16:30", "HH:MM …", "when payouts go to their banks", _clocks),
    Setting("dispatch_rows_max", "50000", "rows", "payouts to one bank in one dispatch", _whole),
    Setting("pay_rows_max", "5000", "rows", "rows of one PAY file", _whole),
    Setting(
        "pay_profile",
        "P",
        "",
        "profile of the PAY files of banks that name none; one, so that nothing is ordered twice",
    ),
    Setting(
        "pay_tries_max", "3", "times", "how often an order goes out while the bank is busy (R12)", _whole
    ),
    Setting(
        "settle_at",
        "10:00",
        "HH:MM",
        "when settlement instructions go out on a working day",
        time.fromisoformat,
    ),
    Setting("query_after_minutes", "240", "min", "unanswered orders are asked after so long", _whole),
    Setting("delivery_retry_seconds", "60", "s", "first wait after a failed delivery; it doubles", _whole),
    Setting("delivery_retry_seconds_max", "3600", "s", "longest wait; also after a refusal", _whole),
    Setting("sftp_timeout_seconds", "30", "s", "how long an SFTP server may say nothing", _whole),
    Setting("archive", "archive", "path", "folder in which signed days are sealed away"),
    Setting(
        "statements_due",
        "05:00",
        "HH:MM",
        "when partners' files of the day before are due; what is missing then is FIL-001",
        time.fromisoformat,
    ),
    Setting(
        "deposit_days_max",
        "30",
        "days",
        "a deposit that a discharged stay holds longer than that is DEP-002",
        _whole,
    ),
    Setting("write_off_fen_max", "10000", "fen", "a break above it cannot be written off", _whole),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one run; a field a row of `TABLE`."""

    database_url: str
    kafka_bootstrap: str
    kafka_prefix: str
    kafka_group: str
    kafka_security: str
    kafka_ca: str
    kafka_certificate: str
    kafka_key: str
    kafka_sasl_mechanism: str
    kafka_sasl_username: str
    kafka_sasl_password: str
    kafka_partitions: int
    batch_events_max: int
    batch_wait_ms_max: int
    cutover: time | None
    timezone: str
    cards_required: bool
    env: str
    keys: str
    key_store: str
    profiles: tuple[str, ...]
    layouts: str
    sm2_user_id: str
    refund_days_max: int
    depends_days_max: int
    park_days_max: int
    limit_class2_day_fen: int
    limit_class2_year_fen: int
    limit_class3_day_fen: int
    limit_class3_year_fen: int
    partners: str
    dispatch_windows: tuple[time, ...]
    dispatch_rows_max: int
    pay_rows_max: int
    pay_profile: str
    pay_tries_max: int
    settle_at: time
    query_after_minutes: int
    delivery_retry_seconds: int
    delivery_retry_seconds_max: int
    sftp_timeout_seconds: int
    archive: str
    statements_due: time
    deposit_days_max: int
    write_off_fen_max: int


def load(environment: Mapping[str, str], directory: Path, **given: str) -> Settings:
    """The settings of this run: given on the command line, else environment, else clearing.toml, else default.

    Raises:  UsageError naming the setting, where it was set, what was expected and what it says.
    """
    file = directory / FILE
    written: dict[str, Any] = {}
    if file.exists():
        try:
            written = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{file}: not a TOML file: {toml_fault(error)}. Next: mend or remove it"
            ) from error
    known = {row.name for row in TABLE}
    strange = sorted(set(written) - known)
    if strange:
        raise UsageError(f"{file}: {strange[0]} is no setting. Next: see the settings table of the README")
    _expect_spelt(environment, known)
    values: dict[str, Any] = {}
    for row in TABLE:
        variable = PREFIX + row.name.upper()
        if row.name in given:
            text, where = given[row.name], f"--{row.name.replace('_', '-')}"
        elif variable in environment:
            text, where = environment[variable], variable
        elif row.name in written:
            text, where = _text(written[row.name]), f"{file} {row.name}"
        else:
            text, where = row.default, "default"
        try:
            values[row.name] = row.read(text)
        except (ValueError, KeyError) as error:
            shown = "***" if "password" in row.name else repr(text)
            raise UsageError(f"{where}: {error}, got {shown}. {row.help}") from error
    return Settings(**values)


def _expect_spelt(environment: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse a variable that is nearly a setting: who sets CLEARING_CUTOFF must not clear by another cutover."""
    for variable in sorted(environment):
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or name in known or _OTHERS.search(name):
            continue
        if near := difflib.get_close_matches(name, known, n=1, cutoff=_NEAR):
            raise UsageError(
                f"{variable} is no setting; expected {PREFIX}{near[0].upper()}? Next: correct or unset it"
            )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def table_markdown() -> str:
    """The settings as the README shows them."""
    lines = ["| variable | default | unit | what |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{PREFIX}{row.name.upper()}` | {f'`{row.default}`' if row.default else ''} | {row.unit} | {row.help} |"
        for row in TABLE
    ]
    return "\n".join(lines)
