"""``/metrics``, ``/healthz`` and ``/readyz`` over HTTP."""

from __future__ import annotations

import logging
import os
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ...errors import ConfigurationError
from ...summaries import summarize
from .exposition import MISSING_EXTRA, is_installed, page_of
from .watched import Watched

logger = logging.getLogger(__name__)

PLAIN = "text/plain; charset=utf-8"
QUIET_CLIENT_SECONDS = 5.0


def listen(address: str, port: int) -> socket.socket:
    """A socket at this address, from which a server can be made also in a child; ``ConfigurationError`` if in vain.

    With port 0 it is any that is free; which one, is logged.
    """
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        door = socket.create_server((address, port), family=family, backlog=16)
    except OSError as error:
        raise ConfigurationError(
            [f"--metrics-port {port}: can't listen at {address} ({_reason(error)}); give another port or address"]
        ) from error
    host, number = door.getsockname()[:2]
    logger.info("metrics at http://%s:%d/metrics, health at /healthz and /readyz", _in_url(host), number)
    if not is_installed():
        logger.warning("%s; health is there without it", MISSING_EXTRA)
    return door


class Server:
    """Answers at a socket, in threads of its own, until it is closed; the socket stays open."""

    def __init__(self, door: socket.socket, watched: Watched, *, has_children: bool = False) -> None:
        self._http = _HttpServer(door, watched, has_children=has_children)
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.1,), name="metrics-server", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join(1.0)


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    # One who asks and never reads must not keep the process from ending.
    block_on_close = False

    def __init__(self, door: socket.socket, watched: Watched, *, has_children: bool) -> None:
        super().__init__(door.getsockname()[:2], _Answer, bind_and_activate=False)
        # It brings one of its own, of another family perhaps.
        self.socket.close()
        self.socket = door
        self.watched = watched
        self.has_children = has_children

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("somebody who asked for metrics has gone")


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = QUIET_CLIENT_SECONDS
    server: _HttpServer

    def do_GET(self) -> None:
        try:
            status, content_type, body = self._answer(self.path.partition("?")[0])
        except Exception as error:  # noqa: BLE001 - whatever it is, consumers and relays go on
            logger.error("%s can't be answered: %s", self.path.partition("?")[0], summarize(error))
            status, content_type, body = HTTPStatus.INTERNAL_SERVER_ERROR, PLAIN, b"it failed: the log says why\n"
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def version_string(self) -> str:
        return "kafka_integration"

    def log_message(self, format: str, *args: Any) -> None:
        """Not a line for each probe."""

    def _answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        match path:
            case "/healthz":
                return _told("alive", self.server.watched.health().not_alive)
            case "/readyz":
                return _told("ready", self.server.watched.health().not_ready)
            case "/metrics":
                return self._metrics()
        return HTTPStatus.NOT_FOUND, PLAIN, b"there are /metrics, /healthz and /readyz\n"

    def _metrics(self) -> tuple[HTTPStatus, str, bytes]:
        accept, samples = self.headers.get("Accept", ""), self.server.watched.samples()
        try:
            page = page_of(samples, accept=accept, has_children=self.server.has_children)
        except ConfigurationError as error:
            return HTTPStatus.NOT_IMPLEMENTED, PLAIN, f"{error}\n".encode()
        return HTTPStatus.OK, page.content_type, page.body


def _told(word: str, problems: tuple[str, ...]) -> tuple[HTTPStatus, str, bytes]:
    if not problems:
        return HTTPStatus.OK, PLAIN, f"{word}\n".encode()
    return HTTPStatus.SERVICE_UNAVAILABLE, PLAIN, "".join(f"{problem}\n" for problem in problems).encode()


def _reason(error: OSError) -> str:
    """Without the address, which is said already."""
    if isinstance(error, socket.gaierror) or error.errno is None:
        return str(error.strerror or error)
    return os.strerror(error.errno)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
