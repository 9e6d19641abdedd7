"""Why a TLS connection to a broker is refused, in words that name the certificate.

librdkafka says `certificate verify failed` for an expired, a foreign and a misnamed certificate
alike. This asks the same address once more with Python's own TLS, which names the reason. Only
used once librdkafka has been refused; sends nothing, changes nothing.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schemas.errors import EXIT_CERTIFICATE, Unusable

if TYPE_CHECKING:
    from streams.kafka.connection import Connection

ASK_S_MAX: Final = 5.0
_FILES: Final = ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location")
_EXPIRED: Final = 10
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED."""
_TIME: Final = re.compile(rb"\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z")
"""UTCTime or GeneralizedTime in DER; the first two of a certificate are its validity."""


def context(properties: Mapping[str, str]) -> ssl.SSLContext:
    """TLS as librdkafka's properties want it. Raises OSError for a file that cannot be read."""
    made = ssl.create_default_context(cafile=properties.get("ssl.ca.location"))
    if properties.get("ssl.endpoint.identification.algorithm") == "none":
        made.check_hostname = False
    if properties.get("enable.ssl.certificate.verification", "true").lower() == "false":
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if certificate := properties.get("ssl.certificate.location"):
        key = properties.get("ssl.key.location")
        made.load_cert_chain(certificate, key, properties.get("ssl.key.password"))
    return made


def require_files(connection: Connection) -> None:
    """Raise Unusable where a file of ours cannot be read or our own certificate has expired."""
    for name in _FILES:
        if path := connection.properties.get(name):
            try:
                text = Path(path).read_text(encoding="ascii", errors="replace")
            except OSError as error:
                line = f"{name}: {path} cannot be read ({error.strerror})"
                raise Unusable(line, exit_code=EXIT_CERTIFICATE) from error
            if name == "ssl.certificate.location":
                _require_valid(path, text)


def _require_valid(path: str, text: str) -> None:
    ends = _ends(text)
    if ends is not None and ends < datetime.now(UTC):
        line = f"our certificate {path} has expired on {ends:%Y-%m-%d}: put a new one there"
        raise Unusable(line, exit_code=EXIT_CERTIFICATE)


def _ends(text: str) -> datetime | None:
    """When the first certificate of a PEM text expires; None where there is none to read."""
    head, tail = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    begin, end = text.find(head), text.find(tail)
    if not 0 <= begin < end:
        return None
    times = _TIME.findall(ssl.PEM_cert_to_DER_cert(text[begin : end + len(tail)]))
    if len(times) < 2:
        return None
    short, long = (said.decode() for said in times[1])
    # RFC 5280 4.1.2.5.1: two digits of a year below 50 are of this century.
    century = "20" if short[:2] < "50" else "19"
    return datetime.strptime(long or century + short, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def reason(connection: Connection) -> str:
    """A sentence about the first bootstrap address whose TLS fails; empty where none does."""
    if not connection.properties.get("security.protocol", "").upper().endswith("SSL"):
        return ""
    try:
        tls = context(connection.properties)
    except OSError as error:
        return f"a certificate or key file cannot be used: {error.strerror or error}"
    for address in connection.bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        if found := _ask(host.strip("[]"), int(port), tls):
            return found
    return ""


def _ask(host: str, port: int, tls: ssl.SSLContext) -> str:
    """Shake hands, then wait a moment: with TLS 1.3 a refused certificate of ours is told late."""
    at = f"{host}:{port}"
    try:
        with (
            socket.create_connection((host, port), timeout=ASK_S_MAX) as plain,
            tls.wrap_socket(plain, server_hostname=host) as spoken,
        ):
            spoken.settimeout(1.0)
            spoken.recv(1)
    except ssl.SSLCertVerificationError as error:
        expired = error.verify_code == _EXPIRED
        advice = "it needs a new one" if expired else "check ssl.ca.location"
        return f"the certificate of {at}: {error.verify_message}; {advice}"
    except ssl.SSLError as error:
        said = (error.reason or str(error)).replace("_", " ").lower()
        if "alert" not in said:
            return ""
        return f"{at} refuses our certificate ({said}); check ssl.certificate.location"
    except OSError:
        # Silence until the time is over is what a broker does that waits for our first request.
        return ""
    return ""
