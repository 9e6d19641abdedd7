"""What every shelf promises: one body, run on a folder and on buckets of a real S3 server."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from minio import Minio

from assets.errors import Absent
from assets.keys import claim_key, content_key_of, manifest_key, tenant_prefix
from assets.manifest import recall, settle
from assets.store import AssetStore, StoreOptions, open_store
from schemas.errors import Rejected
from tests.services.s3_server import S3Server, running

KINDS = ("folder", "s3", "s3-kms", "s3-customer")
PNG = "image/png"
THREADS = 16

Opener = Callable[[], AssetStore]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One real S3 server with one bucket."""
    with running(tmp_path_factory.mktemp("rgw")) as server:
        client = Minio(
            server.endpoint.removeprefix("http://"),
            access_key=server.access_key,
            secret_key=server.secret_key,
            secure=False,
        )
        client.make_bucket("shelf")
        yield server


@pytest.fixture(params=KINDS)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same empty shelf as often as it is called, as many processes would."""
    kind: str = request.param
    if kind == "folder":
        return lambda: open_store(f"file://{tmp_path}/shelf")
    server: S3Server = request.getfixturevalue("server")
    url, options = _address(server, kind, prefix=uuid.uuid4().hex)
    return lambda: open_store(url, options=options)


@pytest.fixture
def store(opener: Opener) -> AssetStore:
    """One empty shelf."""
    return opener()


def _address(server: S3Server, kind: str, *, prefix: str) -> tuple[str, StoreOptions]:
    endpoint = server.tls_endpoint if kind == "s3-customer" else server.endpoint
    encryption = {"s3-kms": "kms", "s3-customer": "customer"}.get(kind, "")
    return f"s3://shelf/{prefix}?endpoint={endpoint}", StoreOptions(
        access_key=server.access_key,
        secret_key=server.secret_key,
        encryption=encryption,
        kms_key_id=server.kms_key,
        customer_key=b"k" * 32,
        ca_file=str(server.ca_file),
    )


def _content(data: bytes, *, tenant: str = "acme") -> str:
    return content_key_of(tenant, data, extension="png")


@pytest.mark.parametrize("size_bytes", [0, 1, 200_000])
def test_bytes_come_back_as_they_were_put(store: AssetStore, size_bytes: int) -> None:
    """What is put is what get, find and size answer, the empty object included."""
    data = bytes(i * 7 % 251 for i in range(size_bytes))
    key = _content(data)
    store.put(key, data, media_type=PNG)
    assert store.get(key) == data
    assert store.find(key) == data
    assert store.size(key) == size_bytes


def test_a_missing_key_is_told_apart(store: AssetStore) -> None:
    """Nothing under a key is Absent with that key, None from find and size, and no error."""
    key = claim_key("nobody")
    with pytest.raises(Absent) as caught:
        store.get(key)
    assert caught.value.key == key
    assert store.find(key) is None
    assert store.size(key) is None


def test_put_again_changes_nothing(store: AssetStore) -> None:
    """The same bytes under the same content key twice are one object."""
    key = _content(b"tile")
    store.put(key, b"tile", media_type=PNG)
    store.put(key, b"tile", media_type=PNG)
    assert list(store.keys("acme/")) == [key]
    assert store.get(key) == b"tile"


def test_put_replaces_whole(store: AssetStore) -> None:
    """A put over other bytes leaves the new ones and nothing of the old."""
    key = claim_key("replaced")
    store.put(key, b"x" * 5000, media_type=PNG)
    store.put(key, b"y", media_type=PNG)
    assert store.get(key) == b"y"


def test_the_first_write_wins(store: AssetStore) -> None:
    """A second put_if_absent is told so and leaves the first one's bytes."""
    key = claim_key("first")
    assert store.put_if_absent(key, b"one", media_type=PNG) is True
    assert store.put_if_absent(key, b"two", media_type=PNG) is False
    assert store.get(key) == b"one"


@pytest.mark.parametrize("round_number", range(3))
def test_of_racing_writers_exactly_one_wins(opener: Opener, round_number: int) -> None:
    """16 threads on 4 store objects write one key at once: one True, and its bytes stay."""
    stores = [opener() for _ in range(4)]
    key = manifest_key("acme", f"race-{round_number}", ordinal=1, stage="generate")
    barrier = threading.Barrier(THREADS)
    won: list[int] = []

    def write(writer: int) -> None:
        barrier.wait()
        if stores[writer % 4].put_if_absent(key, b"%d" % writer * 100, media_type=PNG):
            won.append(writer)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert stores[0].get(key) == b"%d" % won[0] * 100


def test_one_store_serves_many_threads(store: AssetStore) -> None:
    """16 threads put and get their own objects through one store object at once."""
    failures: list[Exception] = []

    def work(writer: int) -> None:
        try:
            for i in range(5):
                data = b"%d-%d" % (writer, i)
                store.put(_content(data), data, media_type=PNG)
                assert store.get(_content(data)) == data
        except Exception as error:  # noqa: BLE001 - reported by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(1 for _ in store.keys("acme/")) == THREADS * 5


def test_a_reader_bounds_what_it_reads(store: AssetStore) -> None:
    """More bytes than the caller allows are refused with the limit, exactly as many are not."""
    key = _content(b"x" * 1000)
    store.put(key, b"x" * 1000, media_type=PNG)
    assert len(store.get(key, size_bytes_max=1000)) == 1000
    with pytest.raises(Rejected, match="999") as caught:
        store.get(key, size_bytes_max=999)
    assert caught.value.field == "size_bytes"
    assert "999" in caught.value.limit


def test_keys_names_all_below_a_prefix(store: AssetStore) -> None:
    """A listing holds every key below its prefix and none of a neighbour's that begins alike."""
    mine = {manifest_key("acme", "r1", ordinal=i, stage=s) for i in (1, 2) for s in ("a", "b")}
    other = {manifest_key("acme-north", "r1", ordinal=1, stage="a"), claim_key("r1")}
    for key in mine | other:
        store.put_if_absent(key, b"{}", media_type="application/json")
    assert set(store.keys("acme/")) == mine
    assert set(store.keys("acme/patterns/r1/2/")) == {k for k in mine if "/2/" in k}
    assert set(store.keys("")) == mine | other
    assert list(store.keys("nobody/")) == []


def test_erasing_a_tenant_leaves_its_neighbours(opener: Opener, store: AssetStore) -> None:
    """All of a tenant's keys go, are counted, and nobody else's; a second erasing finds none."""
    mine = [_content(b"%d" % i) for i in range(5)] + [
        manifest_key("acme", "r", ordinal=1, stage="x")
    ]
    kept = [_content(b"0", tenant="acme-north"), claim_key("r")]
    for key in mine + kept:
        store.put(key, b"0", media_type=PNG)
    assert store.erase(tenant_prefix("acme")) == len(mine)
    assert sorted(store.keys("")) == sorted(kept)
    assert store.find(mine[-1]) is None
    assert opener().erase(tenant_prefix("acme")) == 0


def test_an_erased_key_can_be_written_again(store: AssetStore) -> None:
    """After an erasing the same key is free, for put_if_absent too, and old bytes stay gone."""
    key = manifest_key("acme", "r", ordinal=1, stage="x")
    assert store.put_if_absent(key, b"old", media_type=PNG)
    store.erase("acme/")
    assert store.put_if_absent(key, b"new", media_type=PNG)
    assert store.get(key) == b"new"


@pytest.mark.parametrize("prefix", ["", "acme", "acme/pat", "../", "/", "acme//"])
def test_erasing_half_a_name_is_refused(store: AssetStore, prefix: str) -> None:
    """A prefix that is empty, ends inside a name or climbs out erases nothing and is named."""
    key = _content(b"0")
    store.put(key, b"0", media_type=PNG)
    with pytest.raises(Rejected) as caught:
        store.erase(prefix)
    assert caught.value.field in ("prefix", "key")
    assert store.size(key) == 1


HOSTILE = [
    "",
    "/etc/passwd",
    "../outside",
    "acme/../../outside",
    "acme/./x",
    "acme//x",
    "acme/x/",
    ".tmp/x",
    "acme/.hidden",
    "acme/ü.png",
    "acme/a\u2215b",
    "acme/a b",
    "acme/a\x00b",
    "acme/a\nb",
    "acme\\x",
    "acme/%2e%2e/x",
    "a/" * 300 + "a",
    "acme/" + "a" * 200,
]


@pytest.mark.parametrize("key", HOSTILE)
def test_hostile_keys_touch_nothing(store: AssetStore, key: str) -> None:
    """A key that could climb, hide, or mean two things is refused by every method, by name."""
    calls: list[Callable[[], object]] = [
        lambda: store.put(key, b"x", media_type=PNG),
        lambda: store.put_if_absent(key, b"x", media_type=PNG),
        lambda: store.get(key),
        lambda: store.find(key),
        lambda: store.size(key),
    ]
    for call in calls:
        with pytest.raises(Rejected) as caught:
            call()
        assert caught.value.field == "key"
        assert caught.value.limit
    assert list(store.keys("")) == []


def test_a_media_type_is_one(store: AssetStore) -> None:
    """What could split a header is no media type and is refused before anything is written."""
    for media_type in ("", "png", "image/png\r\nx-evil: 1", "a/b" + "c" * 200):
        with pytest.raises(Rejected) as caught:
            store.put(_content(b"x"), b"x", media_type=media_type)
        assert caught.value.field == "media_type"
    assert list(store.keys("")) == []


def test_check_passes_and_leaves_nothing(store: AssetStore) -> None:
    """A healthy store passes its readiness check again and again and looks as before."""
    store.check()
    store.check()
    assert list(store.keys("")) == []


def test_settle_gives_everybody_the_first_manifest(opener: Opener) -> None:
    """Two workers that finish one pattern both go on with the manifest of the first."""
    key = manifest_key("acme", "r", ordinal=1, stage="generate")
    first, second = opener(), opener()
    assert recall(first, key) is None
    one = {"seed": 1, "prompt": "Blätter & \u2603", "microseconds": 12, "files": []}
    assert settle(first, key, one) == one
    assert settle(second, key, {**one, "microseconds": 99}) == one
    assert recall(second, key) == one


def test_what_lies_there_is_what_was_hashed(store: AssetStore) -> None:
    """The bytes read back have the digest their key names."""
    data = bytes(range(256)) * 40
    key = _content(data)
    store.put(key, data, media_type=PNG)
    assert hashlib.sha256(store.get(key)).hexdigest() in key
