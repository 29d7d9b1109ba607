"""A real OpenSSH server of a test's own: keys, configuration and a free port, ended with the test.

A test may ask for what real partners have: a server that knows no posix-rename, one that lets nobody write,
another host key. `cutting` puts a wire between that breaks after so many bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from clearing.jobs.delivery.partners import SftpPlace
from clearing.jobs.kafka_jars import free_port

PATIENCE_SECONDS = 120
SILENCE_SECONDS = 1.5
USER = pwd.getpwuid(os.geteuid()).pw_name
"""Who the server lets in: the account that runs it, whatever USER and LOGNAME say."""
MISSING = "no OpenSSH server found. Install it (Debian: apt-get install openssh-server)"


@dataclass(frozen=True)
class SftpServer:
    """A running sshd, and what a client needs to know of it."""

    port: int
    home: Path
    """Its files: keys, configuration, log."""
    root: Path
    """An empty folder for what is brought."""
    pid: int
    """Its process; whoever it serves has processes below it."""

    @property
    def serves(self) -> bool:
        """Whether a connection is served, or what came by one is still being written."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has just ended
                if stat.read_text().rpartition(")")[2].split()[1] == str(self.pid):
                    return True
        return False

    def place(self, **other: object) -> SftpPlace:
        """The place as partners.toml would say it."""
        said = {
            "kind": "sftp",
            "host": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "key": self.home / "client",
            "known_hosts": self.home / "known_hosts",
            "folder": str(self.root),
        }
        return SftpPlace.model_validate(said | other)

    def knows(self, *ports: int) -> None:
        """Let the client know the host under these ports too."""
        key = (self.home / "host.pub").read_text().split()
        lines = [f"[127.0.0.1]:{port} {key[0]} {key[1]}\n" for port in (self.port, *ports)]
        (self.home / "known_hosts").write_text("".join(lines))


@contextlib.contextmanager
def sftp_server(home: Path, *server_options: str) -> Iterator[SftpServer]:
    """Start an sshd on a free port of the loopback, and end it."""
    program = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.fail(MISSING, pytrace=False)
    home.mkdir(parents=True, exist_ok=True)
    root = home / "files"
    root.mkdir(exist_ok=True)
    for name in ("host", "client"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(home / name))
        key.write_public_key(str(home / f"{name}.pub"))
        (home / name).chmod(0o600)
    port = free_port()
    config = home / "sshd_config"
    config.write_text(
        f'ListenAddress 127.0.0.1\nPort {port}\nHostKey "{home / "host"}"\nPidFile none\nUsePAM no\n'
        f'AuthorizedKeysFile "{home / "client.pub"}"\n'
        f"StrictModes no\nPermitRootLogin prohibit-password\n"
        f"PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"Subsystem sftp internal-sftp {' '.join(server_options)}\n"
    )
    if USER == "root":
        Path("/run/sshd").mkdir(exist_ok=True)
    command = [program, "-e", "-f", str(config)]
    # Newer servers keep whoever was refused away for a while; these tests are refused on purpose.
    milder = [*command, "-o", "PerSourcePenalties=no"]
    if not subprocess.run([*milder, "-t"], check=False, capture_output=True).returncode:
        command = milder
    with (home / "sshd.log").open("wb") as log:
        running = subprocess.Popen([*command, "-D"], stdout=log, stderr=log)
    try:
        found = SftpServer(port, home, root, running.pid)
        found.knows()
        _answers(running, found)
        yield found
    finally:
        running.terminate()
        try:
            running.wait(PATIENCE_SECONDS)
        finally:
            running.kill()
            running.wait()


def _answers(running: subprocess.Popen[bytes], server: SftpServer) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if running.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1) as one:
            one.settimeout(PATIENCE_SECONDS)
            if one.recv(4) == b"SSH-":
                return
        time.sleep(0.05)
    pytest.fail(f"sshd did not start: {(server.home / 'sshd.log').read_text()}", pytrace=False)


@contextlib.asynccontextmanager
async def cutting(server: SftpServer, bytes_max: int) -> AsyncIterator[int]:
    """A wire to a server of ours that breaks when so many bytes have gone out by it; gives its own port.

    Whoever sends sees it break when the server has written what it has got, and writes no more of it.
    """
    left = bytes_max

    async def carry(out: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        nonlocal left
        there, here = await asyncio.open_connection("127.0.0.1", server.port)
        last = time.monotonic()

        async def answers() -> None:
            nonlocal last
            with contextlib.suppress(OSError):
                while data := await there.read(1 << 16):
                    last = time.monotonic()
                    back.write(data)
                    await back.drain()

        answering = asyncio.create_task(answers())
        try:
            while left > 0 and (data := await out.read(1 << 14)):
                left -= len(data)
                here.write(data)
                await here.drain()
            last = time.monotonic()
            while time.monotonic() < last + SILENCE_SECONDS:  # what went out arrives, and is answered
                await asyncio.sleep(0.05)
        finally:
            answering.cancel()
            here.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while server.serves:
                        await asyncio.sleep(0.05)
            back.transport.abort()

    wire = await asyncio.start_server(carry, "127.0.0.1", 0)
    async with wire:
        yield wire.sockets[0].getsockname()[1]
