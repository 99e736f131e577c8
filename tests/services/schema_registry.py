"""A schema registry on loopback that speaks as much of Confluent's protocol as their client asks for."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.services.ports import free_port

NO_SUBJECT, NO_VERSION, NO_SCHEMA = (404, 40401), (404, 40402), (404, 40403)
# As one does that is older than its client.
NO_ROUTE, INCOMPATIBLE = (404, 404), (409, 409)


class _RefusedError(Exception):
    """Answered with a status and a code of the registry's own."""


@dataclass
class _Schemas:
    """Schemas by their ids, and the ids of each subject's versions."""

    by_id: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, list[int]] = field(default_factory=dict)

    def register(self, subject: str, given: dict[str, Any]) -> dict[str, Any]:
        schema = _content(given)
        ids = self.versions.setdefault(subject, [])
        if ids and not _can_read(schema, self.by_id[ids[-1] - 1]):
            raise _RefusedError(*INCOMPATIBLE)
        if schema not in [_content(each) for each in self.by_id]:
            self.by_id.append({**schema, "guid": str(uuid.uuid4())})
        found = next(i for i, each in enumerate(self.by_id, 1) if _content(each) == schema)
        if found not in ids:
            ids.append(found)
        return self.version(subject, str(ids.index(found) + 1))

    def look_up(self, subject: str, given: dict[str, Any]) -> dict[str, Any]:
        for number, schema_id in enumerate(self._of(subject), 1):
            if _content(self.by_id[schema_id - 1]) == _content(given):
                return self.version(subject, str(number))
        raise _RefusedError(*NO_SCHEMA)

    def version(self, subject: str, version: str) -> dict[str, Any]:
        ids = self._of(subject)
        number = len(ids) if version == "latest" else int(version)
        if not 0 < number <= len(ids):
            raise _RefusedError(*NO_VERSION)
        return {"subject": subject, "version": number, "id": ids[number - 1], **self.by_id[ids[number - 1] - 1]}

    def of_id(self, schema_id: str) -> dict[str, Any]:
        if not 0 < int(schema_id) <= len(self.by_id):
            raise _RefusedError(*NO_SCHEMA)
        return self.by_id[int(schema_id) - 1]

    def of_guid(self, guid: str) -> dict[str, Any]:
        for schema_id, each in enumerate(self.by_id, 1):
            if each["guid"] == guid:
                return {"id": schema_id, **each}
        raise _RefusedError(*NO_SCHEMA)

    def _of(self, subject: str) -> list[int]:
        if not self.versions.get(subject):
            raise _RefusedError(*NO_SUBJECT)
        return self.versions[subject]


class SchemaRegistry:
    """Answers on a port of its own while it is started; schemas survive a stop."""

    def __init__(self) -> None:
        self.port = free_port()
        self.schemas = _Schemas()
        self.requests: list[str] = []
        self.status: int | None = None
        """Answered to everything, as what stands in front of a registry does."""
        self.is_silent = False
        """Takes requests and answers none."""
        self._server: ThreadingHTTPServer | None = None
        self._wake = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        registry = self
        handler = type("Handler", (_Handler,), {"registry": registry})
        self._wake.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._wake.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        self.requests.append(f"{method} {path}")
        if self.is_silent:
            self._wake.wait(30)
        if self.status is not None:
            return self.status, None
        try:
            return 200, self._route(method, [unquote(part) for part in path.strip("/").split("/")], body)
        except _RefusedError as refused:
            status, code = refused.args
            return status, {"error_code": code, "message": "refused"}

    def _route(self, method: str, path: list[str], body: dict[str, Any]) -> Any:
        match method, path:
            case "GET", ["schemas", "ids", schema_id]:
                return self.schemas.of_id(schema_id)
            case "GET", ["schemas", "guids", guid]:
                return self.schemas.of_guid(guid)
            case "GET", ["subjects"]:
                return sorted(self.schemas.versions)
            case "POST", ["subjects", subject, "versions"]:
                return self.schemas.register(subject, body)
            case "POST", ["subjects", subject]:
                return self.schemas.look_up(subject, body)
            case "GET", ["subjects", subject, "versions", version]:
                return self.schemas.version(subject, version)
        raise _RefusedError(*NO_ROUTE)


class _Handler(BaseHTTPRequestHandler):
    registry: SchemaRegistry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        status, document = self.registry.answer(method, urlsplit(self.path).path, body)
        data = b"<html>no such host</html>" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(data)))
        # So that none outlives a stop.
        self.send_header("Connection", "close")
        with suppress(BrokenPipeError):  # who asked doesn't wait any more
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def schema_registry() -> Iterator[SchemaRegistry]:
    """One that is started, until the block ends."""
    registry = SchemaRegistry()
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: schema[name] for name in ("schema", "schemaType", "references") if schema.get(name)}


def _can_read(schema: dict[str, Any], last: dict[str, Any]) -> bool:
    """Backward compatibility, as far as fields of a record of Avro go: what is new needs a default."""
    if "schemaType" in schema and schema["schemaType"] != "AVRO":
        return True
    new, old = (json.loads(each["schema"]) for each in (schema, last))
    known = {each["name"] for each in old.get("fields", ())}
    return all(each["name"] in known or "default" in each for each in new.get("fields", ()))
