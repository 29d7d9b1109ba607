"""The brokers and the topics of the contract. 主题"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidReplicationFactorError, NoError, TopicAlreadyExistsError, for_code

from clearing.errors import UsageError, WorldFailed
from messages.notices import DAYS, QUARANTINE, RESULTS, SWIPES, topic_name

if TYPE_CHECKING:
    from clearing.settings import Settings

FAMILIES: Final = ("cards", "payments", "deposits", "reimbursements", "control")
LISTED_SECONDS_MAX: Final = 60.0
"""How long a broker may take to name a topic that it has said is made: a busy one does so a moment later."""
NOTICE_FAMILIES: Final = (RESULTS, SWIPES, DAYS, QUARANTINE)

log = structlog.get_logger("topics")


def kafka_options(settings: Settings) -> dict[str, Any]:
    """What every client of the brokers is given: addresses, TLS, SASL.

    Raises:  UsageError when no broker is named, or a certificate cannot be read.
    """
    if not settings.kafka_bootstrap:
        raise UsageError("CLEARING_KAFKA_BOOTSTRAP: expected host:port of a broker, got nothing")
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security,
    }
    if "SSL" in settings.kafka_security:
        options["ssl_context"] = _tls(settings)
    if settings.kafka_security.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password,
        }
    return options


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca or None)
        if settings.kafka_certificate:
            context.load_cert_chain(settings.kafka_certificate, settings.kafka_key or None)
    except OSError as error:
        raise UsageError(
            f"Kafka TLS: cannot read {error.filename or 'the certificates'}: {error.strerror or error}. "
            "Next: see CLEARING_KAFKA_CA, CLEARING_KAFKA_CERTIFICATE, CLEARING_KAFKA_KEY"
        ) from error
    return context


def event_topics(prefix: str) -> list[str]:
    """The topics that the worker reads."""
    return [topic_name(family, prefix) for family in FAMILIES]


async def create_topics(settings: Settings, *, replication: int = 1) -> list[str]:
    """Create the topics of the contract that are missing, and give their names; afterwards clients find them.

    Writes:  topics.
    Again:   nothing is missing.
    Raises:  UsageError when the brokers refuse to make one; WorldFailed when one is made and they do not name it.
    """
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        wanted = [topic_name(family, settings.kafka_prefix) for family in (*FAMILIES, *NOTICE_FAMILIES)]
        missing = [name for name in wanted if name not in existing]
        if missing:
            new = [NewTopic(name, settings.kafka_partitions, replication) for name in missing]
            _taken(await admin.create_topics(new))
            await _listed(admin, missing)
        return missing
    finally:
        await admin.close()


def _taken(response: Any) -> None:  # noqa: ANN401 - of the library
    """See what the brokers said of each topic: the library raises nothing for it.

    Raises:  KafkaError for what passes by itself, UsageError for what does not.
    """
    for name, code, *said in response.topic_errors:
        error = for_code(code)
        if error is TopicAlreadyExistsError:
            log.info("topic was created by another worker", topic=name)
        elif error.retriable or error is InvalidReplicationFactorError:  # no broker takes part just now
            raise error(f"topic {name}: {' '.join(map(str, said))}")
        elif error is not NoError:
            raise UsageError(
                f"Kafka: topic {name} is refused: {error.message} {' '.join(map(str, said))}. "
                "Next: mend that, or have it made by who keeps the brokers"
            )


async def _listed(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """Wait until a client that asks finds these topics, each with all its leaders."""
    try:
        async with asyncio.timeout(LISTED_SECONDS_MAX):
            while True:
                if all(map(_ready, await admin.describe_topics(names))):
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise WorldFailed(
            f"Kafka: topic {names[0]} was made, the brokers do not name it. Next: see that they run, then try again"
        ) from None


def _ready(topic: dict[str, Any]) -> bool:
    """Whether a topic is there for clients."""
    partitions = topic["partitions"]
    return not topic["error_code"] and bool(partitions) and not any(one["error_code"] for one in partitions)
