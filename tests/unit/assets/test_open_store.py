"""Opening a shelf: what an address may say, what is refused, and that secrets stay secret."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from assets.folder import FolderStore
from assets.s3 import S3Store
from assets.s3_bucket import open_bucket
from assets.store import StoreOptions, open_store
from schemas.errors import Unusable

KEYS = StoreOptions(access_key="AKIDEXAMPLE", secret_key="hush-hush", session_token="token-token")
LOCAL = "endpoint=http://127.0.0.1:9000"


def test_a_folder_is_made_where_it_is_missing(tmp_path: Path) -> None:
    """A file address opens a folder, makes it with its parents, and understands quoting."""
    assert isinstance(open_store(f"file://{tmp_path}/a%20b/shelf"), FolderStore)
    assert (tmp_path / "a b" / "shelf").is_dir()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/shelf",
        "file:relative",
        "file://host/shelf",
        "file:///shelf?x=1",
        "ftp://host/shelf",
        "s3://me:secret@bucket",
        "s3://bucket?endpoint=https://me:secret@host",
        "s3://bucket?endpoint=host:9000",
        "s3://bucket?endpoint=ftp://host",
        "s3://bucket?endpoint=https://host/path",
        "s3://bucket?access_key=x",
        "s3://bucket/../x?" + LOCAL,
        "s3://bucket/.x?" + LOCAL,
        "s3://?" + LOCAL,
        "s3://b?" + LOCAL,
        "s3://bucket?region=no+where&" + LOCAL,
    ],
)
def test_a_wrong_address_is_unusable_and_not_repeated(url: str) -> None:
    """Each wrong address is refused before anything is opened, and its password is not shown."""
    with pytest.raises(Unusable) as caught:
        open_store(url, options=KEYS)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        StoreOptions(),
        StoreOptions(access_key="a"),
        StoreOptions(access_key="a", secret_key="b", encryption="aes"),
        StoreOptions(access_key="a", secret_key="b", encryption="kms"),
        StoreOptions(access_key="a", secret_key="b", encryption="customer", customer_key=b"short"),
        StoreOptions(access_key="a", secret_key="b", encryption="customer", customer_key=b"k" * 32),
    ],
)
def test_wrong_options_are_unusable(options: StoreOptions) -> None:
    """Missing keys, half an encryption, and a customer's key in the clear are all refused."""
    with pytest.raises(Unusable):
        open_store("s3://bucket?" + LOCAL, options=options)


def test_secrets_are_in_no_representation() -> None:
    """Neither the options nor the place a bucket names itself by shows a credential."""
    bucket = open_bucket("s3://bucket/pre?" + LOCAL, options=KEYS)
    for shown in (repr(KEYS), str(KEYS), bucket.place):
        for secret in (KEYS.access_key, KEYS.secret_key, KEYS.session_token):
            assert secret not in shown


def test_amazon_is_the_default() -> None:
    """Without an endpoint the bucket's own host at Amazon in that region is used, over https."""
    bucket = open_bucket("s3://my-bucket/pre/fix?region=eu-central-1", options=KEYS)
    assert bucket.url_of("claims/r").geturl() == (
        "https://my-bucket.s3.eu-central-1.amazonaws.com/pre/fix/claims/r"
    )


def test_other_servers_have_the_bucket_in_the_path() -> None:
    """With an endpoint the bucket comes first in the path, with and without a prefix."""
    for url, path in (
        (f"s3://bucket?{LOCAL}", "/bucket/claims/r"),
        (f"s3://bucket/pre/?{LOCAL}", "/bucket/pre/claims/r"),
    ):
        bucket = open_bucket(url, options=KEYS)
        assert bucket.url_of("claims/r").path == path
        assert bucket.key(bucket.object_name("claims/r")) == "claims/r"


@pytest.mark.parametrize(
    ("endpoint", "warns"),
    [
        ("http://127.0.0.1:9000", False),
        ("http://[::1]:9000", False),
        ("http://localhost:9000", False),
        ("https://s3.example.org", False),
        ("http://s3.example.org", True),
        ("http://10.0.0.7:9000", True),
    ],
)
def test_plain_http_to_elsewhere_is_warned_about(
    endpoint: str, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Only an unencrypted way that leaves this machine is worth a line in the log."""
    with caplog.at_level(logging.WARNING, logger="assets"):
        open_store(f"s3://bucket?endpoint={endpoint}", options=KEYS)
    assert bool(caplog.records) is warns
    assert KEYS.secret_key not in caplog.text


def test_an_s3_address_opens_an_s3_store() -> None:
    """The scheme chooses the store; nothing is sent before the first call."""
    assert isinstance(open_store("s3://bucket?" + LOCAL, options=KEYS), S3Store)
