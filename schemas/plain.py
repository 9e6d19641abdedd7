"""Records as plain JSON values and back: for claims and manifests on the shelf.

Times become milliseconds since 1970, bytes base64. Unknown keys are ignored and missing ones take
their default, so an older claim is read by newer code and the other way round.
"""

from __future__ import annotations

import base64
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from . import records

T = TypeVar("T")
_EPOCH: Final = records.EPOCH
_MILLISECOND: Final = timedelta(milliseconds=1)
_HINTS: Final[dict[type, dict[str, Any]]] = {}


def to_plain(value: Any) -> Any:
    """JSON values for a record, its parts, or anything they hold."""
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MILLISECOND
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if is_dataclass(value):
        return {spec.name: to_plain(getattr(value, spec.name)) for spec in fields(value)}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    return value


def from_plain(kind: type[T], plain: Mapping[str, Any]) -> T:
    """The record of class `kind`. Raises TypeError where a required field is missing."""
    hints = _hints(kind)
    given = {name: _value(hints[name], plain[name]) for name in hints if name in plain}
    return kind(**given)


def moment(milliseconds: int) -> datetime:
    """UTC time of milliseconds since 1970."""
    return datetime.fromtimestamp(0, tz=UTC) + milliseconds * _MILLISECOND


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return _value(next(part for part in arguments if part is not type(None)), value)
    if origin is tuple:
        return tuple(_value(arguments[0], item) for item in value)
    if hint is datetime:
        return moment(value)
    if hint is bytes:
        return base64.b64decode(value)
    if isinstance(hint, type) and is_dataclass(hint):
        return from_plain(hint, value)
    return float(value) if hint is float else value


def _hints(kind: type) -> dict[str, Any]:
    known = _HINTS.get(kind)
    if known is None:
        known = _HINTS[kind] = get_type_hints(kind, vars(records) | {"Mapping": Mapping})
    return known
