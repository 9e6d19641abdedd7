"""A secured broker for tests: TLS from a private authority, SCRAM-SHA-512, ACLs, one user a stage.

Three listeners on loopback: SASL_SSL for everybody, mutual TLS, and SASL_SSL with a certificate
that has expired. Whoever is no super user may do what an ACL allows, and nothing else.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from confluent_kafka.admin import AdminClient

from heddle.stack import kafka
from heddle.stack.ports import LOOPBACK, free_ports
from streams.kafka import rights
from streams.kafka.connection import Connection
from streams.kafka.plan import STAGES, Acl

ADMIN: Final = "admin"
VALID: Final = ("20200101000000Z", "20991231235959Z")
PAST: Final = ("20200101000000Z", "20210101000000Z")
_AUTHORITY: Final = """\
[ca]
default_ca = house
[house]
new_certs_dir = issued
database = index.txt
unique_subject = no
serial = serial
default_md = sha256
policy = any
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
basicConstraints = CA:FALSE
subjectAltName = IP:127.0.0.1
"""


def password(user: str) -> str:
    """Of a user of a throw-away broker."""
    return f"{user}-has-a-password-of-its-own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """Where the listeners are and what a client needs."""

    bootstrap: str
    mutual: str
    """Mutual TLS."""
    expired: str
    """The certificate that it shows has expired."""
    folder: Path

    def properties(self, user: str, *, secret: str = "") -> dict[str, str]:
        """librdkafka properties of `user`."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": secret or password(user),
            "ssl.ca.location": str(self.folder / "ca.pem"),
        }

    def certified(self, name: str) -> dict[str, str]:
        """librdkafka properties of whoever shows the certificate `name`."""
        return {
            "security.protocol": "SSL",
            "ssl.ca.location": str(self.folder / "ca.pem"),
            "ssl.certificate.location": str(self.folder / f"{name}.pem"),
            "ssl.key.location": str(self.folder / f"{name}.key"),
        }

    def connection(self, user: str) -> Connection:
        """As a stage of ours would have it."""
        return Connection(bootstrap=self.bootstrap, properties=self.properties(user))

    def admin(self) -> AdminClient:
        """Of the super user."""
        return AdminClient({"bootstrap.servers": self.bootstrap, **self.properties(ADMIN)})

    def allow(self, acls: Sequence[Acl]) -> None:
        """Give each stage's user what the plan says, as `heddle topics rights` does."""
        rights.grant(self.connection(ADMIN), acls)

    def take_back(self, acls: Sequence[Acl]) -> None:
        """Take it away again."""
        admin = self.admin()
        for gone in admin.delete_acls([rights.same(acl) for acl in acls]).values():
            assert gone.result(20)


@contextmanager
def running(folder: Path, *, users: Sequence[str] = ()) -> Iterator[Secured]:
    """The broker, ready, while the block runs; `users` besides the stages' own."""
    mutual, expired = free_ports(2)
    issue(folder)
    security = kafka.Security(
        properties=_properties(folder, mutual=mutual, expired=expired),
        format_options=tuple(
            word
            for user in (ADMIN, *STAGES, *users)
            for word in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password(user)}]")
        ),
        client=Secured(bootstrap="", mutual="", expired="", folder=folder).properties(ADMIN),
    )
    with kafka.running(folder / "broker", security=security) as bootstrap:
        yield Secured(
            bootstrap=bootstrap,
            mutual=f"{LOOPBACK}:{mutual}",
            expired=f"{LOOPBACK}:{expired}",
            folder=folder,
        )


def issue(folder: Path) -> None:
    """An authority and its certificates: broker, a stage, and both once more, expired."""
    (folder / "issued").mkdir(parents=True)
    (folder / "index.txt").touch()
    (folder / "ca.cnf").write_text(_AUTHORITY)
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    _openssl(folder, f"req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=house -days 3")
    for name, common, (begins, ends) in (
        ("broker", "broker", VALID),
        ("generate", "generate", VALID),
        ("broker-expired", "broker", PAST),
        ("generate-expired", "generate", PAST),
    ):
        _openssl(folder, f"req -new {key} -keyout {name}.key -out {name}.csr -subj /CN={common}")
        _openssl(
            folder,
            f"ca -batch -notext -rand_serial -config ca.cnf -cert ca.pem -keyfile ca.key"
            f" -in {name}.csr -out {name}.pem -startdate {begins} -enddate {ends}",
        )
        both = (folder / f"{name}.key").read_text() + (folder / f"{name}.pem").read_text()
        (folder / f"{name}.both.pem").write_text(both)


def _openssl(folder: Path, words: str) -> None:
    subprocess.run(
        ["openssl", *words.split()], cwd=folder, check=True, capture_output=True, timeout=30
    )


def _properties(folder: Path, *, mutual: int, expired: int) -> dict[str, str]:
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    clients = (
        f"SECURE://{LOOPBACK}:{{port}},MUTUAL://{LOOPBACK}:{mutual},EXPIRED://{LOOPBACK}:{expired}"
    )
    return {
        "listeners": f"{clients},CONTROLLER://{LOOPBACK}:{{controller_port}}",
        "advertised.listeners": clients,
        "listener.security.protocol.map": (
            "SECURE:SASL_SSL,MUTUAL:SSL,EXPIRED:SASL_SSL,CONTROLLER:SSL"
        ),
        "inter.broker.listener.name": "MUTUAL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.secure.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.expired.scram-sha-512.sasl.jaas.config": scram,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.both.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.expired.ssl.keystore.type": "PEM",
        "listener.name.expired.ssl.keystore.location": str(folder / "broker-expired.both.pem"),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.controller.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^CN=([a-z-]+)$/$1/,DEFAULT",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:broker;User:{ADMIN}",
    }
