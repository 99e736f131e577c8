"""TLS and SASL of a connection. No message here shows a value of these keys."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from .connection import Connection, Sasl, Tls
from .endpoints import Endpoints, parse_endpoints
from .frozen import FrozenMapping
from .problems import Kind, Problem, Problems, kind_of, sentence, shown
from .readers import Invalid, Reader, boolean, cut_problem, path_or_pem
from .section import Section

TLS_KEYS: dict[str, Reader[Any]] = {
    "ca": path_or_pem,
    "cert": path_or_pem,
    "key": path_or_pem,
    "verify": boolean,
    "verify_hostname": boolean,
}
SASL_KEYS = ("mechanism", "login", "password")
MECHANISMS = {
    "plain": "PLAIN",
    "scram_sha_256": "SCRAM-SHA-256",
    "scram_sha_512": "SCRAM-SHA-512",
    "oauthbearer": "OAUTHBEARER",
}
PEM_LABELS = {"ca": "CERTIFICATE", "cert": "CERTIFICATE", "key": "PRIVATE KEY"}
SECURITY_PREFIXES = ("ssl.", "sasl.", "security.", "enable.ssl.", "enable.sasl.", "oauth_cb", "https.")
"""How librdkafka's properties of TLS and SASL begin."""
OAUTHBEARER = MECHANISMS["oauthbearer"]
HEROKU_CERTIFICATES = {"cert": "KAFKA_CLIENT_CERT", "key": "KAFKA_CLIENT_CERT_KEY", "ca": "KAFKA_TRUSTED_CERT"}
HEROKU_VARIABLES = ("KAFKA_URL", *HEROKU_CERTIFICATES.values())

_LIKE_MECHANISM = re.compile(r"(plain|scram|oauth|gssapi|kerberos|digest|cram|md5|sha|aws|external)\b|scram", re.I)
_PEM_BEGIN = "-----BEGIN "


def parse_tls(value: Any, path: str, problems: Problems) -> Tls | None:
    """Return what ``"ssl"`` asks for: True is TLS with the system's own authorities, False and None are no TLS."""
    if value is None or isinstance(value, bool):
        return Tls() if value else None
    if not isinstance(value, Mapping):
        example = '{"ca": "/etc/kafka/ca.pem"}'
        problems.add(Kind.SECURITY, f"{path} is {kind_of(value)}: use True, or a dict like {example}.")
        return None
    section = Section(value, path, problems)
    section.refuse_unknown(TLS_KEYS, _explain_tls_key)
    given = {key: value for key, value in value.items() if key in TLS_KEYS and value is not None}
    read = {key: _read_secret(section, key, given[key]) for key in TLS_KEYS if key in given}
    for one, other in (("cert", "key"), ("key", "cert")):
        if one in given and other not in given:
            problems.add(Kind.SECURITY, f'{path} has "{one}" but no "{other}": a client certificate needs both.')
    places = FrozenMapping({key: section.path_of(key) for key in PEM_LABELS})
    return Tls(places=places, **{key: item for key, item in read.items() if item is not None})


def _read_secret(section: Section, key: str, value: Any) -> Any:
    try:
        item = TLS_KEYS[key](value)
    except Invalid as invalid:
        section.add(key, Kind.SECURITY, f"is {kind_of(value)}: {invalid}")
        return None
    if key in PEM_LABELS and (problem := pem_problem(item, PEM_LABELS[key])):
        section.add(key, Kind.SECURITY, problem)
    return item


def is_pem(value: str) -> bool:
    """Say whether ``value`` is PEM text, not the path of a file."""
    return _PEM_BEGIN in value


def pem_problem(value: str, label: str) -> str | None:
    """Return what is wrong with the shape of PEM text; None for a path and where nothing is."""
    if not is_pem(value):
        return "is neither a path nor PEM text: it has several lines" if "\n" in value else None
    if "\n" not in value.strip() and "\\n" in value:
        return r'holds "\n" as two characters: an environment variable needs .replace("\\n", "\n")'
    if f"{label}-----" not in value or "-----END " not in value:
        return f"is PEM text, but holds no whole {label}"
    return None


def _explain_tls_key(key: str) -> str | None:
    return {
        "password": 'the password of the key is "config": {"ssl.key.password": …}',
        "certfile": 'use "cert"',
        "keyfile": 'use "key"',
        "cafile": 'use "ca"',
        "cacertfile": 'use "ca"',
    }.get(key)


def parse_sasl(value: Any, path: str, problems: Problems) -> Sasl | None:
    """Return the credentials of ``"sasl"``. What is incomplete is a problem: never silently no authentication."""
    if value is None or value is False:
        return None
    example = '{"mechanism": "scram_sha_512", "login": …, "password": …}'
    if not isinstance(value, Mapping):
        problems.add(Kind.SECURITY, f"{path} is {kind_of(value)}: use a dict like {example}, or None.")
        return None
    section = Section(value, path, problems)
    section.refuse_unknown(SASL_KEYS, lambda key: 'use "login"' if key in {"username", "user"} else None)
    if not value:
        problems.add(Kind.SECURITY, f"{path} is empty: use a dict like {example}, or None for no authentication.")
        return None
    mechanism = _mechanism(section)
    # A token may come from elsewhere; contradictions.py looks at that.
    keys = [key for key in ("login", "password") if mechanism != OAUTHBEARER or key in section]
    credentials = {key: _credential(section, key) for key in keys}
    login, password = credentials.get("login"), credentials.get("password")
    if mechanism is None:
        return None
    return Sasl(mechanism=mechanism, login=login, password=password, path=path)


def _mechanism(section: Section) -> str | None:
    names = ", ".join(f'"{name}"' for name in MECHANISMS)
    value = section.values.get("mechanism")
    if value is None or value == "":
        section.add("mechanism", Kind.SECURITY, f"is missing: use one of {names}")
        return None
    known = MECHANISMS.get(value.lower().replace("-", "_")) if isinstance(value, str) else None
    if known is None:
        # A mechanism is no secret, but a password in the wrong place is: only what looks like one is shown.
        word = shown(value) if isinstance(value, str) and _LIKE_MECHANISM.match(value) else kind_of(value)
        section.add("mechanism", Kind.SECURITY, f"is {word}: {_instead_of(value) or f'use one of {names}'}")
    return known


def _instead_of(value: Any) -> str | None:
    if str(value).lower() != "gssapi":
        return None
    return 'for Kerberos leave "sasl" out and give "config": {"sasl.mechanism": "GSSAPI", "security.protocol": …}'


def _credential(section: Section, key: str) -> str | None:
    value = section.values.get(key)
    if isinstance(value, str) and value.strip():
        if problem := cut_problem(value):
            section.add(key, Kind.SECURITY, f"can't be sent: {problem}")
        return value
    state = "is missing" if key not in section.values else "is empty" if value in (None, "") else f"is {kind_of(value)}"
    section.add(key, Kind.SECURITY, f'{state}: give it (an environment variable that is not set?), or drop "sasl"')
    return None


def read_heroku_environment(path: str, problems: Problems) -> tuple[Endpoints | None, Tls | None]:
    """Return what Heroku's add-on puts into the environment."""
    found = {name: os.environ.get(name, "") for name in HEROKU_VARIABLES}
    missing = [name for name, value in found.items() if not value.strip()]
    if missing:
        problems.add(
            Kind.SECURITY,
            f"{path} is True, but there is no {', '.join(missing)} in the environment: "
            "attach the Kafka add-on, or set it False.",
        )
        return None, None
    places = {key: f"The environment variable {name}" for key, name in HEROKU_CERTIFICATES.items()}
    pems = {key: found[name] for key, name in HEROKU_CERTIFICATES.items()}
    for key, pem in pems.items():
        problem = pem_problem(pem, PEM_LABELS[key]) if is_pem(pem) else "is no PEM text"
        if problem:
            problems.add(Kind.SECURITY, f"{places[key]} {sentence(problem)}")
    endpoints = parse_endpoints(found["KAFKA_URL"], "The environment variable KAFKA_URL", problems)
    # Heroku's brokers have certificates of its own authority that don't name their hosts.
    tls = Tls(ca=pems["ca"], cert=pems["cert"], key=pems["key"], verify_hostname=False, places=FrozenMapping(places))
    return endpoints, tls


def find_weak_spots(connection: Connection) -> list[Problem]:
    """Return what makes a connection that works one that others can listen to."""
    found = []
    servers = ", ".join(connection.servers)
    if connection.tls is not None and not connection.tls.verify:
        text = (
            f'The connection to {servers} has "verify": False: anyone can pretend to be Kafka; give the "ca" instead.'
        )
        found.append(Problem(kind=Kind.UNVERIFIED, text=text))
    if connection.tls is None and connection.sasl is not None:
        text = f'The connection to {servers} has "sasl" without "ssl": the credentials can be read on the way; use TLS.'
        found.append(Problem(kind=Kind.PLAIN_PASSWORD, text=text))
    return found
