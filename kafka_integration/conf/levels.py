"""Connections, inherited: what a consumer or the producer doesn't say itself is said at the top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .connection import Connection, Sasl, Tls
from .endpoints import Endpoints, parse_endpoints
from .frozen import EMPTY, FrozenMapping, RawProperties
from .problems import Kind, kind_of
from .readers import boolean, cut_problem
from .reserved_properties import reserved_reason
from .section import Section
from .security import SECURITY_PREFIXES, parse_sasl, parse_tls, read_heroku_environment

CONNECTION_KEYS = ("endpoints", "ssl", "sasl", "heroku_kafka_env", "config")


@dataclass(frozen=True, kw_only=True)
class Level:
    """What is known about the connection at one level of the settings, the levels above included."""

    endpoints: Endpoints | None = None
    endpoints_wrong: bool = False
    endpoints_tls: Tls | None = None
    tls: Tls | None = None
    tls_given: bool = False
    sasl: Sasl | None = None
    config: Mapping[str, Any] = field(default=EMPTY, repr=False)
    config_paths: Mapping[str, str] = EMPTY

    @property
    def missing(self) -> bool:
        """Whether no level said where Kafka is."""
        return self.endpoints is None and not self.endpoints_wrong

    def connection(self) -> Connection:
        """Return the connection that code uses."""
        endpoints = self.endpoints or Endpoints()
        if endpoints.transport != "kafka":
            # The embedded and the memory broker have neither TLS nor passwords.
            config = {key: self.config[key] for key in self.config if not key.startswith(SECURITY_PREFIXES)}
            return Connection(transport=endpoints.transport, config=RawProperties(config))
        tls = self.tls if self.tls_given else self.endpoints_tls
        return Connection(servers=endpoints.servers, tls=tls, sasl=self.sasl, config=self.config)


def read_level(section: Section, above: Level) -> Level:
    """Return ``above`` with what ``section`` says itself."""
    level = _with_endpoints(section, above)
    if "ssl" in section:
        path = section.path_of("ssl")
        level = replace(level, tls=parse_tls(section.values["ssl"], path, section.problems), tls_given=True)
    if "sasl" in section:
        path = section.path_of("sasl")
        level = replace(level, sasl=parse_sasl(section.values["sasl"], path, section.problems))
    level = _with_config(section.section("config", '{"client.rack": "eu-1"}'), level)
    _refuse_plain_over_tls_url(section, level)
    return level


def _with_config(config: Section | None, level: Level) -> Level:
    if config is None:
        return level
    given: dict[str, Any] = {}
    entries: Mapping[Any, Any] = config.values
    for name, value in entries.items():
        if not isinstance(name, str):
            problem = f"{config.path_of(name)} is no property: its name is {kind_of(name)}, not a str."
            config.problems.add(Kind.PROPERTY, problem)
        elif cut := cut_problem(name) or (isinstance(value, str) and cut_problem(value)):
            # The client doesn't survive the one as a name, and takes the other for something else.
            config.add(name, Kind.PROPERTY, f"can't be given to librdkafka: {cut}")
        else:
            given[name] = value
            if reason := reserved_reason(name, value):
                config.add(name, Kind.RESERVED_PROPERTY, f"can't be set: {reason}")
    paths = {name: config.path_of(name) for name in given}
    return replace(
        level,
        config=RawProperties({**level.config, **given}),
        config_paths=FrozenMapping({**level.config_paths, **paths}),
    )


def _with_endpoints(section: Section, above: Level) -> Level:
    if section.read("heroku_kafka_env", boolean, False):
        if "endpoints" in section:
            other = section.path_of("endpoints")
            section.add("heroku_kafka_env", Kind.CONTRADICTION, f"is True, and {other} is given too: remove one")
        endpoints, tls = read_heroku_environment(section.path_of("heroku_kafka_env"), section.problems)
        # Its certificates are for its brokers, and for no others that a lower level may name.
        return replace(
            above, endpoints=endpoints, endpoints_wrong=endpoints is None, endpoints_tls=tls, tls=None, tls_given=False
        )
    if "endpoints" not in section:
        return above
    endpoints = parse_endpoints(section.values["endpoints"], section.path_of("endpoints"), section.problems)
    tls = Tls() if endpoints is not None and endpoints.tls else None
    return replace(above, endpoints=endpoints, endpoints_wrong=endpoints is None, endpoints_tls=tls)


def _refuse_plain_over_tls_url(section: Section, level: Level) -> None:
    says_tls = level.endpoints is not None and level.endpoints.tls
    if says_tls and "ssl" in section and section.values["ssl"] in (False, None):
        section.add("ssl", Kind.CONTRADICTION, "is off, but the endpoints say kafka+ssl://: drop one of the two")
