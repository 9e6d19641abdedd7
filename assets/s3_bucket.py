"""From an address and options to an open bucket: parsed, refused where unsafe, bounded.

    s3://bucket/prefix?endpoint=https://host:9000&region=eu-central-1

`endpoint` defaults to Amazon's for the region, `region` to us-east-1. What is sent in the clear is
refused or warned about here, because the client itself does neither.
"""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

import urllib3
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.sse import Sse, SseCustomerKey, SseKMS, SseS3

from assets.keys import check_prefix
from assets.options import StoreOptions
from schemas.errors import Rejected, Unusable

log = logging.getLogger(__name__)

REGION: Final = "us-east-1"
CUSTOMER_KEY_BYTES: Final = 32
BACKOFF_S: Final = 0.1
BACKOFF_S_MAX: Final = 2.0
_RETRIED_STATUSES: Final = (409, 429, 500, 502, 503, 504)
"""409 is how a server says that two conditional writes met: the loser asks again and gets 412."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One bucket, open: everything the store needs to ask for objects below its prefix."""

    client: Minio
    pool: urllib3.PoolManager
    credentials: Credentials
    encryption: Sse | None
    name: str
    prefix: str
    """Empty, or whole segments with / at the end."""
    region: str
    base: SplitResult
    """Address of the bucket itself, its path ending in /."""
    place: str
    """How messages name it; holds nothing secret."""

    @property
    def customer_key(self) -> SseCustomerKey | None:
        """The key that reads need too, if there is one."""
        return self.encryption if isinstance(self.encryption, SseCustomerKey) else None

    @property
    def encryption_headers(self) -> dict[str, str]:
        """What every write says about encryption at rest."""
        return dict(self.encryption.headers()) if self.encryption else {}

    def object_name(self, key: str) -> str:
        """Full name in the bucket of what the shelf calls `key`."""
        return self.prefix + key

    def key(self, object_name: str) -> str:
        """The shelf's key of an object below the prefix."""
        return object_name.removeprefix(self.prefix)

    def url_of(self, key: str) -> SplitResult:
        """Address of one object; keys need no quoting."""
        return self.base._replace(path=self.base.path + self.object_name(key))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    bucket: str
    prefix: str
    endpoint: SplitResult
    region: str


def open_bucket(url: str, *, options: StoreOptions) -> Bucket:
    """The bucket at `url`; nothing is sent yet. Raises: Unusable, naming what is wrong."""
    address = _parse(url)
    encryption = _encryption(options)
    _guard_plain_http(address.endpoint, options)
    if not (options.access_key and options.secret_key):
        raise Unusable("an S3 shelf needs an access key and a secret key: set both")
    pool = _pool(options)
    try:
        client = Minio(
            address.endpoint.netloc,
            access_key=options.access_key,
            secret_key=options.secret_key,
            session_token=options.session_token or None,
            secure=address.endpoint.scheme == "https",
            region=address.region,
            http_client=pool,
        )
        # The client knows each provider's way to name a bucket; a signed address shows it.
        shown = urlsplit(client.get_presigned_url("PUT", address.bucket, "k"))
    except ValueError as error:
        raise Unusable(f"the shelf's address is not right: {error}") from error
    return Bucket(
        client=client,
        pool=pool,
        credentials=Credentials(
            options.access_key, options.secret_key, options.session_token or None
        ),
        encryption=encryption,
        name=address.bucket,
        prefix=address.prefix,
        region=address.region,
        base=shown._replace(path=shown.path.removesuffix("k"), query="", fragment=""),
        place=f"s3://{address.bucket}/{address.prefix} on {address.endpoint.netloc}",
    )


def _parse(url: str) -> _Address:
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    if unknown := sorted(set(asked) - {"endpoint", "region"}):
        raise Unusable(f"an S3 shelf address takes endpoint and region, not {', '.join(unknown)}")
    prefix = parts.path.strip("/")
    prefix = f"{prefix}/" if prefix else ""
    try:
        check_prefix(prefix)
    except Rejected as error:
        raise Unusable(f"the shelf's address is not right: {error}") from error
    region = asked.get("region", REGION)
    endpoint = urlsplit(asked.get("endpoint", f"https://s3.{region}.amazonaws.com"))
    if endpoint.scheme not in ("http", "https") or not endpoint.hostname:
        raise Unusable("the endpoint of an S3 shelf begins with https:// or http:// and a host")
    if endpoint.username or endpoint.path.strip("/") or endpoint.query:
        raise Unusable("the endpoint of an S3 shelf is scheme, host and port, no more")
    return _Address(bucket=parts.netloc, prefix=prefix, endpoint=endpoint, region=region)


def _encryption(options: StoreOptions) -> Sse | None:
    match options.encryption:
        case "":
            return None
        case "s3":
            return SseS3()
        case "kms":
            if not options.kms_key_id:
                raise Unusable("encryption kms needs the id of its key: set kms_key_id")
            return SseKMS(options.kms_key_id, {})
        case "customer":
            if len(options.customer_key) != CUSTOMER_KEY_BYTES:
                raise Unusable(f"encryption customer needs a key of {CUSTOMER_KEY_BYTES} bytes")
            return SseCustomerKey(options.customer_key)
    raise Unusable("encryption is empty, s3, kms or customer")


def _guard_plain_http(endpoint: SplitResult, options: StoreOptions) -> None:
    if endpoint.scheme == "https":
        return
    if options.encryption == "customer":
        raise Unusable("a customer's key travels with every request: use an https:// endpoint")
    if not _is_loopback(endpoint.hostname or ""):
        log.warning("the shelf at %s is reached in the clear: use https://", endpoint.netloc)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _pool(options: StoreOptions) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        maxsize=options.connections_max,
        timeout=urllib3.Timeout(
            connect=options.connect_ms_max / 1000, read=options.answer_ms_max / 1000
        ),
        cert_reqs="CERT_REQUIRED",
        ca_certs=options.ca_file or None,
        retries=urllib3.Retry(
            total=options.tries_max - 1,
            status_forcelist=_RETRIED_STATUSES,
            # Every request of ours may be repeated, the bulk delete (a POST) included.
            allowed_methods=None,
            backoff_factor=BACKOFF_S,
            backoff_max=BACKOFF_S_MAX,
            backoff_jitter=BACKOFF_S,
            # The last answer is wanted as it is: its code says which kind of no it was.
            raise_on_status=False,
            # A server may ask for any wait; ours is bounded.
            respect_retry_after_header=False,
        ),
    )
