"""Having a real Apache Kafka: the one named, one in a container, or one from its jars. 消息服务

Order of choice: a bootstrap setting; a Docker engine that answers, through testcontainers; Java 17 with the
jars that Maven copies once into a cache directory. Demo and tests start one here; production names its own.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clearing.jobs.kafka_jars import (
    JAVA_MIN,
    KAFKA_VERSION,
    PARTITIONS,
    JarBroker,
    NoBroker,
    Tell,
    answers,
    free_port,
    properties,
    quietly,
)

__all__ = ["Broker", "JarBroker", "NoBroker", "kafka"]

IMAGE = f"apache/kafka:{KAFKA_VERSION}"
_NAMED_SECONDS_MAX = 5
_CONTAINER_SECONDS_MAX = 90
_NEXT = (
    "Next: name a broker in CLEARING_KAFKA_BOOTSTRAP, "
    f"or start a Docker engine that has or can pull {IMAGE}, "
    f"or install Java {JAVA_MIN} or later and Maven (Debian: apt-get install openjdk-17-jre-headless maven)"
)


@dataclass(frozen=True)
class Broker:
    """A broker that answers."""

    bootstrap: str
    """host:port, as every client takes it."""
    how: str
    """For people: "Apache Kafka 4.1.0 from its jars at 127.0.0.1:41234"."""


@contextlib.contextmanager
def kafka(
    directory: Path,
    *,
    bootstrap: str | None = None,
    image: str = IMAGE,
    partitions: int = PARTITIONS,
    tell: Tell = quietly,
) -> Iterator[Broker]:
    """Have a broker while the block runs, by the first way that works.

    In:      `directory` for the data and log of one from the jars, `image` for one in a container;
             `tell` hears of what takes long.
    Writes:  the directory; once a machine, the jars' cache.
    Again:   a broker from the jars finds its topics and records of before in the directory.
    Raises:  NoBroker if there is none to be had; a named one is never replaced by another.
    """
    if bootstrap:
        if not answers(bootstrap, _NAMED_SECONDS_MAX):
            raise NoBroker(
                f"kafka {bootstrap}: does not answer. "
                "Next: check the address, or unset it to have one started"
            )
        yield Broker(bootstrap, f"the Apache Kafka at {bootstrap}")
        return
    with contextlib.ExitStack() as stack:
        tried: list[str] = []
        for way in (_container(image, partitions, tell), _jars(directory, partitions, tell)):
            try:
                broker = stack.enter_context(way)
            except NoBroker as refused:
                tried.append(str(refused))
            else:
                break
        else:
            raise NoBroker(f"kafka: none to be had: {'; '.join(tried)}. {_NEXT}")
        yield Broker(broker.bootstrap, f"{broker.how} ({'; '.join(tried)})" if tried else broker.how)


# ---------------------------------------------------------------- in a container


@contextlib.contextmanager
def _container(image: str, partitions: int, tell: Tell) -> Iterator[Broker]:
    """Run the image; its data goes with it."""
    try:
        from testcontainers.core.config import testcontainers_config  # noqa: PLC0415 - an optional package
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415
        from testcontainers.core.docker_client import DockerClient, get_docker_host  # noqa: PLC0415
    except ImportError:
        raise NoBroker("testcontainers is not installed") from None
    engine = get_docker_host() or "unix:///var/run/docker.sock"
    if engine.startswith("unix://") and not _listens(engine.removeprefix("unix://")):
        raise NoBroker("no Docker engine answers")
    try:
        client = DockerClient()
        client.client.ping()
    except Exception as error:
        raise NoBroker("no Docker engine answers") from error
    testcontainers_config.ryuk_disabled = True  # one image less to pull; we stop what we start
    host, port = client.host(), free_port()
    address = f"{host}:{port}"
    container = DockerContainer(image).with_bind_ports(9092, port)
    for name, value in properties(address, "0.0.0.0:9092", "127.0.0.1:9093", partitions).items():
        container.with_env("KAFKA_" + name.replace(".", "_").upper(), value)
    tell(f"starting Apache Kafka in a container ({image})")
    try:
        container.start()
    except Exception as error:
        with contextlib.suppress(Exception):
            container.stop()
        raise NoBroker(f"the Docker engine has no {image}") from error
    try:
        if not answers(address, _CONTAINER_SECONDS_MAX):
            raise NoBroker(f"the container of {image} does not answer")
        yield Broker(address, f"Apache Kafka in a container of {image} at {address}")
    finally:
        container.stop()


def _listens(path: str) -> bool:
    """Look whether anybody listens on a socket; the client library leaks one each time nobody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


# ---------------------------------------------------------------- from the jars


@contextlib.contextmanager
def _jars(directory: Path, partitions: int, tell: Tell) -> Iterator[Broker]:
    broker = JarBroker(directory, partitions=partitions, tell=tell)
    broker.start()
    try:
        yield Broker(broker.bootstrap, f"Apache Kafka {KAFKA_VERSION} from its jars at {broker.bootstrap}")
    finally:
        broker.stop()
