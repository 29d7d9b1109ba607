"""The brokers and the topics of the contract. 主题"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from clearing.errors import UsageError
from messages.notices import DAYS, QUARANTINE, RESULTS, SWIPES, topic_name

if TYPE_CHECKING:
    from clearing.settings import Settings

FAMILIES: Final = ("cards", "payments", "deposits", "reimbursements", "control")
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
    """Create the topics of the contract that are missing, and give their names.

    Writes:  topics.
    Again:   nothing is missing.
    """
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        wanted = [topic_name(family, settings.kafka_prefix) for family in (*FAMILIES, *NOTICE_FAMILIES)]
        missing = [name for name in wanted if name not in existing]
        if missing:
            new = [NewTopic(name, settings.kafka_partitions, replication) for name in missing]
            try:
                await admin.create_topics(new)
            except TopicAlreadyExistsError:
                log.info("topics were created by another worker")
        return missing
    finally:
        await admin.close()
