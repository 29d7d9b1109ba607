"""The brokers are real ones: what is sent over several partitions comes back, also after a crash."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from clearing.jobs.broker import Broker, JarBroker, NoBroker, kafka
from clearing.jobs.kafka_jars import free_port
from clearing.jobs.topics import _listed

PARTITIONS = 6
PATIENCE_SECONDS = 120


async def create(bootstrap: str) -> str:
    """Make a topic with a name of its own, and wait until clients find it."""
    topic = f"test-{secrets.token_hex(4)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        made = await admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)])
        assert [error[:2] for error in made.topic_errors] == [(topic, 0)]
        await _listed(admin, [topic])
    finally:
        await admin.close()
    return topic


async def send(bootstrap: str, topic: str, numbers: range) -> None:
    """Send a record for each number, keyed by it, and wait until all are acknowledged."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        for number in numbers:
            await producer.send(topic, f"卡 {number}".encode(), key=str(number).encode())
        await producer.flush()


async def everything(bootstrap: str, topic: str, expected: int) -> dict[int, list[str]]:
    """All records by partition, from the beginning, in order."""
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    found: dict[int, list[str]] = {number: [] for number in range(PARTITIONS)}
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as consumer:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while sum(map(len, found.values())) < expected and time.monotonic() < deadline:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                found[partition.partition] += [record.value.decode() for record in records]
    return found


async def test_what_is_sent_comes_back_from_every_partition(broker: Broker) -> None:
    """Six partitions each give back what was sent to them."""
    topic = await create(broker.bootstrap)
    await send(broker.bootstrap, topic, range(300))
    found = await everything(broker.bootstrap, topic, 300)
    assert all(found.values())
    assert sorted(chain(*found.values())) == sorted(f"卡 {number}" for number in range(300))


async def test_a_group_reads_on_from_where_it_committed(broker: Broker) -> None:
    """The broker keeps a group's place, so that lag can be watched."""
    topic = await create(broker.bootstrap)
    await send(broker.bootstrap, topic, range(40))
    seen: list[str] = []
    for _ in range(2):
        async with AIOKafkaConsumer(
            topic,
            bootstrap_servers=broker.bootstrap,
            group_id=f"group-{topic}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=20,
        ) as consumer:
            before = len(seen)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while len(seen) < before + 20:
                assert time.monotonic() < deadline
                for records in (
                    await consumer.getmany(timeout_ms=500, max_records=before + 20 - len(seen))
                ).values():
                    seen += [record.value.decode() for record in records]
            await consumer.commit()
    assert len(set(seen)) == 40


async def test_a_killed_broker_starts_again_with_its_records(own_broker: JarBroker) -> None:
    """After SIGKILL the same address gives back what was acknowledged, and takes more."""
    topic = await create(own_broker.bootstrap)
    await send(own_broker.bootstrap, topic, range(100))
    first = own_broker.pid
    own_broker.kill()
    own_broker.start()
    assert own_broker.pid not in {None, first}
    await send(own_broker.bootstrap, topic, range(100, 200))
    found = await everything(own_broker.bootstrap, topic, 200)
    assert len(set(chain(*found.values()))) == 200
    own_broker.stop()
    own_broker.start()
    assert await everything(own_broker.bootstrap, topic, 200) == found


def test_a_broker_does_not_outlive_whoever_started_it(tmp_path: Path) -> None:
    """A killed demo leaves no Kafka behind."""
    code = (
        "import os, signal; from pathlib import Path; from clearing.jobs.broker import JarBroker\n"
        f"broker = JarBroker(Path({str(tmp_path)!r})); broker.start(); print(broker.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, text=True, stdout=subprocess.PIPE)
    pid = int(done.stdout)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_free_port_is_kept_for_a_server_that_comes_back() -> None:
    """A server may listen on it again and again; meanwhile the system gives it to nobody else."""
    port = free_port()
    for _ in range(2):
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            pass
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", port))


def test_a_named_broker_that_is_away_is_an_error_that_says_so(tmp_path: Path) -> None:
    """Nobody who named a broker gets another one instead."""
    with (
        pytest.raises(NoBroker, match=r"kafka 127\.0\.0\.1:1: does not answer"),
        kafka(tmp_path, bootstrap="127.0.0.1:1"),
    ):
        pass


def test_without_java_or_docker_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with none of the three ways is told about all of them."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with (
        pytest.raises(NoBroker, match=r"no Docker engine answers; no Java\. Next: .*openjdk-17"),
        kafka(tmp_path),
    ):
        pass
