"""A proxy on loopback between a process and a server: its connections can be cut, and have weather."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from tests.faults.weather import Way, Weather
from tests.services.ports import free_port
from tests.waiting import wait_for

CHUNK = 65536


class Link:
    """One forwarded connection."""

    def __init__(
        self,
        client: socket.socket,
        server: socket.socket,
        weather: Weather | None = None,
        edit: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._client = client
        self._server = server
        self._edit = edit
        self._weather = weather
        self._ways = [] if weather is None else [Way(server, weather), Way(client, weather)]
        self._send_there, self._send_back = [way.send for way in self._ways] or [server.sendall, client.sendall]
        self._is_muted = False
        self._is_stranded = False
        self._answered = threading.Event()

    def run(self, inspect: Callable[[Link, bytes], None]) -> None:
        """Forward until one of the two ends; what the client sends goes through ``inspect``."""
        answers = threading.Thread(target=self._return_answers, daemon=True)
        answers.start()
        with suppress(OSError):
            while data := self._received(self._client):
                if not self._is_stranded:
                    inspect(self, data)
        self.cut()
        answers.join()
        for way in self._ways:
            way.close()
        self._client.close()
        self._server.close()

    def forward(self, data: bytes) -> None:
        self._send_there(data)

    def forward_and_wait(self, data: bytes, timeout: float = 10.0) -> bool:
        """True once the server has answered, False after ``timeout`` seconds."""
        self._answered.clear()
        self.forward(data)
        return self._answered.wait(timeout)

    def mute(self) -> None:
        """From here on the client hears nothing of what the server says."""
        self._is_muted = True

    def strand(self) -> None:
        """From here on nothing comes through, in neither direction: each end believes that the other is there."""
        self._is_muted = self._is_stranded = True

    def cut(self) -> None:
        """End both sides at once."""
        for side in (self._client, self._server):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def _return_answers(self) -> None:
        with suppress(OSError):
            while data := self._received(self._server):
                # First: once the client has it, the next question may wait for an answer of its own.
                self._answered.set()
                if not self._is_muted:
                    self._send_back(self._edit(data))
        self._answered.set()
        self.cut()

    def _received(self, side: socket.socket) -> bytes:
        # While nothing comes through, nothing is taken either: the sender's buffers fill, as on a dead line.
        if self._weather is not None:
            self._weather.wait()
        return side.recv(CHUNK)


class Proxy:
    """Listens on ``port`` and forwards to ``target``; ``inspect`` decides about all that clients send.

    ``edit`` may change what the server answers.

    A ``target`` that is changed counts for later connections.
    """

    def __init__(
        self,
        target: int,
        inspect: Callable[[Link, bytes], None] = Link.forward,
        *,
        weather: Weather | None = None,
        edit: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self.port = free_port()
        self.accepted = 0
        self.target = target
        self._inspect = inspect
        self._weather = weather
        self._edit = edit
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        if self._weather is not None:
            self._weather.clear()
        self.cut()
        wait_for(lambda: not self._links, 10, "the proxy's connections are closed")

    def cut(self) -> int:
        """End every connection of this moment; how many there were."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut()
        return len(links)

    def strand(self) -> int:
        """Leave every connection of this moment half open, for good; how many there were. New ones are well."""
        with self._lock:
            for link in self._links:
                link.strand()
            return len(self._links)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(client, server, self._weather, self._edit)
        with self._lock:
            self._links.add(link)
        try:
            link.run(self._inspect)
        finally:
            with self._lock:
                self._links.discard(link)
