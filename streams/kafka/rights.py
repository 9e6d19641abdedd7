"""Gives users and principals what the plan says, on a broker that keeps both itself.

For whoever may alter the cluster, and only when asked by name; no stage ever does. Rights are added
and counted; none is ever taken away here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
)
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from schemas.errors import Transient, Unusable
from schemas.topics import prefixed
from streams.kafka.connection import Complaints, Connection, broker_errors
from streams.kafka.plan import Acl

if TYPE_CHECKING:
    from concurrent.futures import Future

ANSWER_S_MAX: Final = 20.0
ITERATIONS: Final = 8_192
"""Of SCRAM-SHA-512; the broker refuses fewer than 4,096."""
_WIDE: Final = "*"
"""Ends a name that stands for many; no topic's or group's own name may have it."""
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the broker allows our principals, beside the plan; `Acl.stage` is the principal."""

    there: tuple[Acl, ...]
    """Of the plan."""
    missing: tuple[Acl, ...]
    """Of the plan."""
    beyond: tuple[Acl, ...]
    """What else they may do: more than least rights."""


def named(acls: Iterable[Acl], principals: Mapping[str, Sequence[str]]) -> list[Acl]:
    """The plan for principals by their own names; a role without any keeps its own."""
    found = [
        replace(acl, stage=name)
        for acl in acls
        for name in principals.get(acl.stage) or (acl.stage,)
    ]
    return list(dict.fromkeys(found))


def standing(connection: Connection, wanted: Sequence[Acl], *, prefix: str = "") -> Standing:
    """Compare the broker's ACLs with `wanted`, principal by principal. Raises Unusable, Transient.

    Only what allows counts. With a prefix, names under other prefixes are another installation's.
    """
    return _standing(_admin(connection), wanted, prefix)


def grant(connection: Connection, wanted: Sequence[Acl], *, prefix: str = "") -> Standing:
    """Add what is missing; how it stood before. Returns once the broker knows them all.

    Raises Unusable, Transient.
    """
    admin = _admin(connection)
    before = _standing(admin, wanted, prefix)
    if before.missing:
        _results(admin.create_acls([binding(acl) for acl in before.missing]))
    deadline_s = time.monotonic() + ANSWER_S_MAX
    # The controller has them at once, the broker a moment later.
    while _standing(admin, wanted, prefix).missing:
        if time.monotonic() > deadline_s:
            raise Transient(f"Kafka: the ACLs are not in force after {ANSWER_S_MAX:.0f} s")
        time.sleep(_POLL_S)
    return before


def enter_users(connection: Connection, passwords: Mapping[str, str]) -> None:
    """Enter users for SCRAM-SHA-512, or give them these passwords. Raises Unusable, Transient."""
    about = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    wishes: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(user, about, secret.encode())
        for user, secret in passwords.items()
    ]
    if wishes:
        admin = _admin(connection)
        with broker_errors():
            asked = admin.alter_user_scram_credentials(wishes, request_timeout=ANSWER_S_MAX)
        _results(asked)


def binding(acl: Acl) -> AclBinding:
    """As the broker keeps it: this one name, from any host."""
    return AclBinding(*_words(acl))


def same(acl: Acl) -> AclBindingFilter:
    """What finds `acl` and nothing else."""
    return AclBindingFilter(*_words(acl))


def _words(acl: Acl) -> tuple[Any, ...]:
    return (
        ResourceType[acl.resource.upper()],
        acl.name,
        ResourcePatternType.LITERAL,
        f"User:{acl.stage}",
        "*",
        AclOperation[acl.operation.upper()],
        AclPermissionType.ALLOW,
    )


def _standing(admin: AdminClient, wanted: Sequence[Acl], prefix: str) -> Standing:
    any_name: Any = None
    everything = AclBindingFilter(
        ResourceType.ANY,
        any_name,
        ResourcePatternType.ANY,
        any_name,
        any_name,
        AclOperation.ANY,
        AclPermissionType.ALLOW,
    )
    kept = _kept(admin, everything)
    ours = {f"User:{acl.stage}" for acl in wanted}
    known = dict.fromkeys(_acl(each) for each in kept if each.principal in ours)
    return Standing(
        there=tuple(acl for acl in wanted if acl in known),
        missing=tuple(acl for acl in wanted if acl not in known),
        beyond=tuple(acl for acl in known if acl not in set(wanted) and _ours(acl, prefix)),
    )


def _ours(acl: Acl, prefix: str) -> bool:
    """Whether it reaches something under our prefix."""
    wide = acl.name.endswith(_WIDE) or acl.resource not in {"topic", "group"}
    return wide or acl.name.startswith(prefixed(prefix, ""))


def _kept(admin: AdminClient, asked: AclBindingFilter) -> list[AclBinding]:
    with broker_errors():
        try:
            found = admin.describe_acls(asked, request_timeout=ANSWER_S_MAX).result(ANSWER_S_MAX)
            return list(found)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.SECURITY_DISABLED:
                line = "the broker keeps no ACLs, everybody may do everything there"
                raise Unusable(f"{line}: its authorizer.class.name is not set") from error
            raise


def _acl(kept: Any) -> Acl:
    """An AclBinding in the plan's words; one by prefix is marked, so that it is not of the plan."""
    prefixed = kept.resource_pattern_type == ResourcePatternType.PREFIXED
    return Acl(
        stage=kept.principal.removeprefix("User:"),
        resource=kept.restype.name.lower(),
        name=kept.name + _WIDE if prefixed else kept.name,
        operation=kept.operation.name.capitalize(),
    )


def _results(asked: Mapping[Any, Future[Any]]) -> None:
    for answer in asked.values():
        with broker_errors():
            answer.result(ANSWER_S_MAX)


def _admin(connection: Connection) -> AdminClient:
    ours = {"error_cb": Complaints(aloud=False), "log_level": 0}
    with broker_errors():
        return AdminClient(connection.config() | ours)
