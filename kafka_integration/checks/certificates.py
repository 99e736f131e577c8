"""Whether the certificates of a connection can be read, as the client will read them."""

from __future__ import annotations

import os
import ssl

from ..conf.connection import Connection, Tls
from ..conf.security import PEM_LABELS, is_pem

KEY_PASSWORD = "ssl.key.password"


def find_certificate_problems(connection: Connection) -> list[str]:
    """Return what is wrong with the certificates of a connection, read as the client will read them."""
    tls = connection.tls
    if tls is None:
        return []
    found = [problem for name in PEM_LABELS if (problem := _unreadable(tls, name))]
    if found:
        return found
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca is not None and (problem := _refused_ca(context, tls)):
        found.append(problem)
    if tls.cert is not None and tls.key is not None and not (is_pem(tls.cert) or is_pem(tls.key)):
        try:
            context.load_cert_chain(tls.cert, tls.key, password=lambda: str(connection.config.get(KEY_PASSWORD, "")))
        except (ssl.SSLError, ValueError) as error:
            found.append(
                f"{tls.place('cert')} is {tls.cert}, which can't be used together with the key {tls.key} "
                f'({_reason(error)}): give the key of this certificate, and its password as "{KEY_PASSWORD}".'
            )
    return found


def _unreadable(tls: Tls, name: str) -> str | None:
    value = getattr(tls, name)
    if value is None or is_pem(value):
        return None
    try:
        with open(value, "rb") as file:
            content = file.read()
    except IsADirectoryError:
        return None if name == "ca" else f"{tls.place(name)} is {value}, a directory: give the path of a file."
    except OSError as error:
        return f"{tls.place(name)} is {value}, which can't be read: {error.strerror}."
    if f"{PEM_LABELS[name]}-----".encode() not in content:
        return f"{tls.place(name)} is {value}, which holds no {PEM_LABELS[name]} in PEM form."
    return None


def _refused_ca(context: ssl.SSLContext, tls: Tls) -> str | None:
    ca = str(tls.ca)
    try:
        if is_pem(ca):
            context.load_verify_locations(cadata=ca)
        else:
            context.load_verify_locations(**{"capath" if os.path.isdir(ca) else "cafile": ca})
    except (ssl.SSLError, ValueError) as error:
        text = "PEM text" if is_pem(ca) else ca
        return f"{tls.place('ca')} is {text}, which holds no usable certificate ({_reason(error)})."
    return None


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or type(error).__name__)
