"""Apache Kafka started from its own jars, where there is Java. 消息服务

The jars are listed in deploy/kafka/pom.xml; Maven copies them once into the user's cache directory.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import fcntl
import hashlib
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from clearing.errors import WorldFailed

KAFKA_VERSION = "4.1.0"
JAVA_MIN = 17
PARTITIONS = 6
SESSION_SECONDS = 30
"""A node that is its own controller is not to be taken for dead while the disk stands still for some seconds."""
_START_SECONDS_MAX = 180
_STOP_SECONDS_MAX = 20
_ANSWER_SECONDS_MAX = 20
"""How long a broker that listens is waited for: it may be busy. One that does not listen refuses at once."""
_FETCH_WAITS = (5, 20)
"""Seconds before each new try to fetch the jars: hundreds of files come, and a registry may be away for a moment."""
_JVM = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    # It lives for minutes: the second compiler would take a third of a core to speed up what soon ends.
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)

Tell = Callable[[str], None]


def quietly(_: str) -> None:
    """Tell nobody what takes long."""


class NoBroker(WorldFailed):
    """No Apache Kafka can be had on this machine; the message says what was tried and what to install."""


class JarBroker:
    """One Kafka process of ours: broker and controller in one (KRaft), on loopback ports it keeps.

    `start`, `stop` and `kill` may follow each other: address and records stay.
    """

    def __init__(
        self,
        directory: Path,
        *,
        partitions: int = PARTITIONS,
        session_seconds: int = SESSION_SECONDS,
        tell: Tell = quietly,
    ) -> None:
        """Take where it keeps its records, and how long after a crash its next start has to wait."""
        self._directory = directory.expanduser().resolve()
        self._java = _java()
        self._jars = _cached_jars(tell)
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.bootstrap = f"127.0.0.1:{free_port()}"
        self._format(partitions, session_seconds)

    @property
    def pid(self) -> int | None:
        """The process that runs, None while it is stopped."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start and wait until it answers. Again: a running one is left alone."""
        if self._process:
            return
        with (self._directory / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._java, *_JVM, "-cp", f"{self._jars}/*", "kafka.Kafka", str(self._settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we stop it when its users have
            )
        # If we are killed, the pipe to this shell closes and it ends the broker: no process is left behind.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", 'read _; kill -9 "$1"', "guard", str(self._process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        atexit.register(self.kill)
        if not answers(self.bootstrap, _START_SECONDS_MAX, self._process):
            self.kill()
            lines = (self._directory / "broker.log").read_text(errors="replace").strip().splitlines()
            raise NoBroker(f"Kafka's jars do not start: {' | '.join(lines[-3:])}")

    def stop(self) -> None:
        """Ask it to stop, and insist after a while. Again: a stopped one stays stopped."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a crash would. Again: a stopped one stays stopped."""
        self._end(signal.SIGKILL)

    def _end(self, sign: signal.Signals) -> None:
        process, guard = self._process, self._guard
        self._process = self._guard = None
        atexit.unregister(self.kill)
        if guard:
            guard.kill()  # first: the number of a process that has ended may be somebody else's
            guard.communicate()
        if process:
            process.send_signal(sign)
            try:
                process.wait(_STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def _settings(self) -> Path:
        return self._directory / "server.properties"

    def _format(self, partitions: int, session_seconds: int) -> None:
        """Write the settings and, in a new directory, the cluster's id."""
        data = self._directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        controller = f"127.0.0.1:{free_port()}"
        settings = properties(self.bootstrap, self.bootstrap, controller, partitions, session_seconds)
        lines = [f"{name}={value}\n" for name, value in {**settings, "log.dirs": str(data)}.items()]
        self._settings.write_text("".join(lines))
        if (data / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        tool = [self._java, "-cp", f"{self._jars}/*", "kafka.tools.StorageTool", "format"]
        done = subprocess.run(
            [*tool, f"--cluster-id={cluster}", "--config", str(self._settings)],
            check=False,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise NoBroker(
                f"Kafka's jars cannot format {data}: {(done.stderr or done.stdout).strip()[-400:]}"
            )


def properties(
    advertised: str, listener: str, controller: str, partitions: int, session_seconds: int = SESSION_SECONDS
) -> dict[str, str]:
    """One small node that is broker and controller, for the jars and for the container alike."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"PLAINTEXT://{listener},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{advertised}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "num.partitions": str(partitions),
        "auto.create.topics.enable": "false",  # a misspelt topic is an error, as in production
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        # Half of it is how long a heartbeat may wait for the controller, which takes some time with many topics.
        "broker.heartbeat.interval.ms": str(min(2000, session_seconds * 250)),
        "broker.session.timeout.ms": str(session_seconds * 1000),
        "group.initial.rebalance.delay.ms": "0",  # nobody else is about to join
        "log.cleaner.dedupe.buffer.size": "16777216",
        "log.retention.ms": "-1",  # records carry the time of a made-up day, which may be long past
    }


def _java() -> str:
    """The Java to use, new enough."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not java or not Path(java).exists():
        raise NoBroker("no Java")
    said = subprocess.run([java, "-version"], check=False, text=True, capture_output=True).stderr
    version = re.search(r'version "(\d+)', said)
    if not version or int(version[1]) < JAVA_MIN:
        raise NoBroker(f"Java {JAVA_MIN} or later expected, {version[1] if version else said[:80]} found")
    return java


def _cached_jars(tell: Tell) -> Path:
    """Kafka's jars, copied by Maven the first time and again when their list changes."""
    pom = _pom()
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clearing"
    jars = root / f"kafka-{KAFKA_VERSION}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:8]}"
    if jars.exists():
        return jars
    maven = shutil.which("mvn")
    if not maven:
        raise NoBroker("no Maven to fetch Kafka's jars")
    root.mkdir(parents=True, exist_ok=True)
    with (root / "kafka.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs on one machine fetch once
        if jars.exists():
            return jars
        tell(f"fetching Apache Kafka {KAFKA_VERSION} with Maven, once: about a minute")
        new = root / "kafka.new"
        said = _fetched(maven, pom, new)
        for seconds in _FETCH_WAITS:
            if said is None:
                break
            time.sleep(seconds)
            said = _fetched(maven, pom, new)
        if said is not None:
            raise NoBroker(f"Maven cannot fetch Kafka's jars: {said}")
        new.rename(jars)
    return jars


def _fetched(maven: str, pom: Path, new: Path) -> str | None:
    """Have Maven copy the jars into a new folder; what it says when it cannot. Again: begins anew."""
    shutil.rmtree(new, ignore_errors=True)
    # -U: it would not look again for what it did not find a moment ago.
    copy = ["-U", "dependency:copy-dependencies", f"-DoutputDirectory={new}"]
    done = subprocess.run(
        [maven, "-q", "-B", "-f", str(pom), *copy],
        check=False,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return (done.stdout or done.stderr).strip()[-400:] if done.returncode else None


def _pom() -> Path:
    """The list of jars: beside us in an installed package, in deploy/ in the repository."""
    here = Path(__file__).resolve().parent
    places = (here / "kafka" / "pom.xml", here.parents[1] / "deploy" / "kafka" / "pom.xml")
    return next(place for place in places if place.exists())


# ---------------------------------------------------------------- does it answer


_kept: list[socket.socket] = []
"""Ports that were given out, so that nobody else is given them while this process lives."""


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on, for a server to listen on and to come back to.

    The port stays ours: a server may listen on it, since servers share addresses that nobody listens on yet, but the
    system gives it neither to whoever asks for a free one nor to a client as its own end. A client that looks for
    a server that is down would else, one day, reach itself, and the server find its port taken.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    port = int(kept.getsockname()[1])
    try:
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port))
            server.listen()
    except OSError:  # a system where servers do not share: the port can only be let go
        kept.close()
    else:
        _kept.append(kept)
    return port


def answers(bootstrap: str, seconds_max: float, process: subprocess.Popen[bytes] | None = None) -> bool:
    """Wait until a client gets the cluster's metadata; False if time is up or the process has ended."""
    deadline = time.monotonic() + seconds_max
    with ThreadPoolExecutor(max_workers=1) as thread:  # the caller may have a loop of its own
        while time.monotonic() < deadline and (process is None or process.poll() is None):
            if thread.submit(asyncio.run, _has_metadata(bootstrap)).result():
                return True
            time.sleep(0.2)
    return False


async def _has_metadata(bootstrap: str) -> bool:
    log = logging.getLogger("aiokafka")
    level, log.level = log.level, logging.CRITICAL  # refused connections are expected while it starts
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=_ANSWER_SECONDS_MAX * 1000)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except (KafkaError, OSError):
        return False
    finally:
        log.setLevel(level)
        await client.close()
