"""What a bucket promises beyond every shelf, on a real S3 server and on ones that misbehave."""

from __future__ import annotations

import hashlib
import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import urllib3
from minio import Minio
from minio.commonconfig import ENABLED
from minio.sse import SseCustomerKey
from minio.versioningconfig import VersioningConfig

from assets.errors import Absent, Damaged
from assets.keys import claim_key, content_key_of
from assets.store import AssetStore, StoreOptions, open_store
from schemas.errors import HeddleError, Transient, Unusable
from tests.services.s3_server import S3Server, running

REPOSITORY = Path(__file__).parents[2]
PNG = "image/png"
KEY = content_key_of("acme", b"tile", extension="png")
QUICK = StoreOptions(
    access_key="a", secret_key="b", tries_max=3, connect_ms_max=2000, answer_ms_max=5000
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One real S3 server with a plain and a versioned bucket."""
    with running(tmp_path_factory.mktemp("rgw")) as server:
        client = _client(server)
        client.make_bucket("shelf")
        client.make_bucket("versioned")
        client.set_bucket_versioning("versioned", VersioningConfig(ENABLED))
        yield server


def _client(server: S3Server, *, endpoint: str = "") -> Minio:
    address = urlsplit(endpoint or server.endpoint)
    return Minio(
        address.netloc,
        access_key=server.access_key,
        secret_key=server.secret_key,
        secure=address.scheme == "https",
        http_client=urllib3.PoolManager(ca_certs=str(server.ca_file)),
    )


def _options(server: S3Server) -> StoreOptions:
    return StoreOptions(
        access_key=server.access_key,
        secret_key=server.secret_key,
        kms_key_id=server.kms_key,
        customer_key=b"k" * 32,
        ca_file=str(server.ca_file),
    )


def _open(server: S3Server, *, bucket: str = "shelf", encryption: str = "") -> AssetStore:
    endpoint = server.tls_endpoint if encryption == "customer" else server.endpoint
    url = f"s3://{bucket}/{uuid.uuid4().hex}?endpoint={endpoint}"
    return open_store(url, options=replace(_options(server), encryption=encryption))


def test_erasing_takes_old_versions_too(server: S3Server) -> None:
    """On a versioned bucket nothing of an erased tenant is left, delete markers included."""
    prefix = uuid.uuid4().hex
    url = f"s3://versioned/{prefix}?endpoint={server.endpoint}"
    store = open_store(url, options=_options(server))
    for data in (b"one", b"two", b"three"):
        store.put("acme/patterns/r/1/x.json", data, media_type=PNG)
    store.put("other/patterns/r/1/x.json", b"kept", media_type=PNG)
    client = _client(server)
    client.remove_object("versioned", f"{prefix}/acme/patterns/r/1/x.json")
    assert store.erase("acme/") == 1
    left = client.list_objects("versioned", f"{prefix}/", recursive=True, include_version=True)
    assert [found.object_name for found in left] == [f"{prefix}/other/patterns/r/1/x.json"]


@pytest.mark.parametrize("bucket", ["shelf", "versioned"])
def test_check_knows_whether_the_first_write_wins(server: S3Server, bucket: str) -> None:
    """A bucket passes the check exactly if it keeps the promise put_if_absent makes.

    Found here: Ceph 16.2 ignores If-None-Match on a versioned bucket.
    """
    store = _open(server, bucket=bucket)
    store.put_if_absent(claim_key("r"), b"one", media_type=PNG)
    keeps = not store.put_if_absent(claim_key("r"), b"two", media_type=PNG)
    if keeps:
        store.check()
    else:
        with pytest.raises(Unusable, match="If-None-Match"):
            store.check()
    assert keeps or bucket == "versioned"


@pytest.mark.parametrize("encryption", ["", "kms", "customer"])
def test_encryption_is_what_was_asked_for(server: S3Server, encryption: str) -> None:
    """The server reports each object encrypted the way the options say, for both kinds of put."""
    prefix = uuid.uuid4().hex
    endpoint = server.tls_endpoint if encryption == "customer" else server.endpoint
    options = replace(_options(server), encryption=encryption)
    store = open_store(f"s3://shelf/{prefix}?endpoint={endpoint}", options=options)
    store.put(KEY, b"tile", media_type=PNG)
    store.put_if_absent(claim_key("r"), b"tile", media_type=PNG)
    client = _client(server, endpoint=endpoint)
    key = SseCustomerKey(b"k" * 32) if encryption == "customer" else None
    for name in (KEY, claim_key("r")):
        said = client.stat_object("shelf", f"{prefix}/{name}", ssec=key).metadata
        assert said is not None
        assert said.get("x-amz-server-side-encryption", "") == ("aws:kms" * (encryption == "kms"))
        customer = "x-amz-server-side-encryption-customer-algorithm"
        assert (said.get(customer) == "AES256") is (encryption == "customer")
        assert said["content-type"] == PNG


def test_an_unknown_key_or_the_wrong_one_is_unusable(server: S3Server) -> None:
    """A KMS key nobody has, and a customer's key that is not the one used, need a person."""
    options = replace(_options(server), encryption="kms", kms_key_id="nobody")
    url = f"s3://shelf/{uuid.uuid4().hex}?endpoint="
    with pytest.raises(Unusable, match="nobody"):
        open_store(url + server.endpoint, options=options).put(KEY, b"tile", media_type=PNG)
    mine = replace(_options(server), encryption="customer")
    open_store(url + server.tls_endpoint, options=mine).put(KEY, b"tile", media_type=PNG)
    other = replace(mine, customer_key=b"o" * 32)
    with pytest.raises(HeddleError):
        open_store(url + server.tls_endpoint, options=other).get(KEY)


def test_wrong_addresses_and_credentials_say_what_to_do(server: S3Server) -> None:
    """Missing bucket, unknown access key, wrong secret and untrusted certificate are told apart."""
    good = _options(server)
    cases = [
        (f"s3://nobody?endpoint={server.endpoint}", good, "create it"),
        (f"s3://shelf?endpoint={server.endpoint}", replace(good, access_key="x"), "credentials"),
        (f"s3://shelf?endpoint={server.endpoint}", replace(good, secret_key="x"), "credentials"),
        (f"s3://shelf?endpoint={server.tls_endpoint}", replace(good, ca_file=""), "ca_file"),
    ]
    for url, options, words in cases:
        store = open_store(url, options=options)
        calls: list[Callable[[], object]] = [
            store.check,
            lambda store=store: store.find(KEY),  # type: ignore[misc]
            lambda store=store: store.put(KEY, b"tile", media_type=PNG),  # type: ignore[misc]
            lambda store=store: list(store.keys("")),  # type: ignore[misc]
        ]
        for call in calls:
            with pytest.raises(Unusable, match=words) as caught:
                call()
            assert server.secret_key not in str(caught.value)


def test_changed_bytes_are_found_by_the_digest_beside_them(server: S3Server) -> None:
    """An object whose bytes are not those its writer hashed is Damaged, whatever its key."""
    prefix = uuid.uuid4().hex
    store = open_store(f"s3://shelf/{prefix}?endpoint={server.endpoint}", options=_options(server))
    wrong: dict[str, str | list[str] | tuple[str]] = {
        "sha256": hashlib.sha256(b"claim").hexdigest()
    }
    _client(server).put_object("shelf", f"{prefix}/claims/r", BytesIO(b"Claim"), 5, metadata=wrong)
    with pytest.raises(Damaged):
        store.get(claim_key("r"))


def test_an_upload_cut_short_leaves_nothing(server: S3Server) -> None:
    """A PUT whose connection ends half way is no object."""
    prefix = uuid.uuid4().hex
    signed = _client(server).get_presigned_url("PUT", "shelf", f"{prefix}/{KEY}")
    parts = urlsplit(signed)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders()
    connection.send(b"x" * 500_000)
    connection.close()
    store = open_store(f"s3://shelf/{prefix}?endpoint={server.endpoint}", options=_options(server))
    assert store.size(KEY) is None
    assert store.put_if_absent(KEY, b"tile", media_type=PNG)


KILLED = """
import sys
from assets.store import StoreOptions, open_store
url, access, secret, key = sys.argv[1:]
store = open_store(url, options=StoreOptions(access_key=access, secret_key=secret))
print("putting", flush=True)
store.put(key, b"x" * 48_000_000, media_type="image/tiff")
"""


def test_a_killed_writer_leaves_all_or_nothing(server: S3Server) -> None:
    """SIGKILL while a process uploads 48 MB: the object is absent or whole, never in between."""
    url = f"s3://shelf/{uuid.uuid4().hex}?endpoint={server.endpoint}"
    argv = [url, server.access_key, server.secret_key, KEY]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *argv], cwd=REPOSITORY, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"putting\n"
        child.send_signal(signal.SIGKILL)
    store = open_store(url, options=_options(server))
    assert store.size(KEY) in (None, 48_000_000)


SERVES = """
import sys
from pathlib import Path
from tests.services.s3_server import running
with running(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, None])
def test_the_test_server_never_outlives_its_tests(
    tmp_path: Path, how: signal.Signals | None
) -> None:
    """Ended in order or killed, a test run leaves no process of its S3 server behind."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVES, str(tmp_path)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        mine = [p for p in psutil.Process(child.pid).children() if p.name() != "python"]
        assert {p.name() for p in mine} == {"ceph-mon", "ceph-osd", "radosgw"}
        if how:
            child.send_signal(how)
    _, alive = psutil.wait_procs(mine, timeout=10)
    assert alive == []


@contextmanager
def _misbehaving(
    answer: Callable[[BaseHTTPRequestHandler], None],
) -> Iterator[tuple[str, list[str]]]:
    """An HTTP server that answers everything with `answer`; its address and the methods asked."""
    asked: list[str] = []

    class Asked(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            asked.append(self.command)
            self.close_connection = True
            answer(self)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815 - given names

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"s3://shelf?endpoint=http://127.0.0.1:{httpd.server_address[1]}", asked
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def _say(
    status: int, body: bytes, *, media_type: str = "application/xml", length: int | None = None
) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", media_type)
        request.send_header("Content-Length", str(len(body) if length is None else length))
        request.send_header("Retry-After", "3600")
        request.send_header("Connection", "close")
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    return answer


SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>later</Message></Error>"


def test_a_busy_server_is_asked_a_bounded_number_of_times() -> None:
    """503 is tried again up to tries_max, whatever Retry-After says, and is then Transient."""
    with _misbehaving(_say(503, SLOW_DOWN)) as (url, asked):
        store = open_store(url, options=QUICK)
        began_s = time.monotonic()
        for call in (
            lambda: store.put(KEY, b"tile", media_type=PNG),
            lambda: store.put_if_absent(KEY, b"tile", media_type=PNG),
            lambda: store.get(KEY),
            lambda: store.size(KEY),
        ):
            asked.clear()
            with pytest.raises(Transient):
                call()
            assert len(asked) == QUICK.tries_max
        assert time.monotonic() - began_s < 20


def test_a_conflict_of_two_writers_is_asked_again() -> None:
    """409, then 412: the loser of two conditional writes that met hears that it lost."""
    conflict = b"<Error><Code>ConditionalRequestConflict</Code></Error>"
    answers = iter([_say(409, conflict), _say(412, b"<Error/>")])

    def answer(request: BaseHTTPRequestHandler) -> None:
        next(answers)(request)

    with _misbehaving(answer) as (url, asked):
        store = open_store(url, options=QUICK)
        assert store.put_if_absent(KEY, b"tile", media_type=PNG) is False
    assert asked == ["PUT", "PUT"]


def test_a_server_that_ignores_the_condition_is_unusable() -> None:
    """A server that answers 200 to every conditional write does not pass the check."""
    with _misbehaving(_say(200, b"")) as (url, _), pytest.raises(Unusable, match="If-None-Match"):
        open_store(url, options=QUICK).check()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (_say(502, b"<html>", media_type="text/html"), Transient),
        (_say(200, b"x" * 10, media_type=PNG, length=1000), Transient),
        (_say(200, b"not the tile", media_type=PNG), Damaged),
        (_say(404, b"<html>", media_type="text/html"), Unusable),
        (_say(500, b"<Error><broken"), Transient),
        (_say(404, b"<Error><Code>NoSuchKey</Code></Error>"), Absent),
    ],
    ids=["proxy page", "cut short", "other bytes", "no S3", "broken XML", "missing"],
)
def test_strange_answers_to_a_read(
    answer: Callable[[BaseHTTPRequestHandler], None], kind: type[HeddleError]
) -> None:
    """Each way a server can answer wrongly is one kind of no, and never wrong bytes."""
    with _misbehaving(answer) as (url, _), pytest.raises(kind) as caught:
        open_store(url, options=QUICK).get(KEY)
    assert type(caught.value) is kind


def test_a_server_that_is_gone_or_silent_is_transient() -> None:
    """A closed port and a server that never answers both end within the bounds of the options."""
    quick = replace(QUICK, answer_ms_max=300)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        store = open_store(f"s3://shelf?endpoint=http://127.0.0.1:{port}", options=quick)
        with pytest.raises(Transient, match=str(port)):
            store.get(KEY)
    with pytest.raises(Transient, match=str(port)):
        store.check()
