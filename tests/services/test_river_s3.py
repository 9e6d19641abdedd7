"""The line with its shelf on a real S3 server, encrypted at rest: same events, same files."""

from __future__ import annotations

from pathlib import Path

import pytest
from minio import Minio

from assets.store import StoreOptions, open_store
from client import fetch
from schemas.records import PatternRequested, Prompt, Repeat
from tests.services.line import Line
from tests.services.s3_server import S3Server


@pytest.mark.timeout(240)
def test_the_line_on_s3(broker: str, s3: S3Server, prefix: str, tmp_path: Path) -> None:
    """Claims, tiles, files and manifests lie in the bucket; a killed generate redoes none of them;
    the client verifies what it fetches through an opener."""
    server, bucket = s3, f"shelf-{prefix}"
    host = server.endpoint.removeprefix("http://")
    Minio(host, server.access_key, server.secret_key, secure=False).make_bucket(bucket)
    address = f"s3://{bucket}/house?endpoint={server.endpoint}"
    extra = {
        "HEDDLE_ASSETS": address,
        "HEDDLE_ASSETS_ACCESS_KEY": server.access_key,
        "HEDDLE_ASSETS_SECRET_KEY": server.secret_key,
        "HEDDLE_ASSETS_ENCRYPTION": "kms",
        "HEDDLE_ASSETS_KMS_KEY": server.kms_key,
    }
    line = Line(broker, prefix, tmp_path / "line", extra=extra)
    line.prepare("acme")
    order = PatternRequested(
        request_id="s3",
        tenant="acme",
        prompt=Prompt(text="dots"),
        repeat=Repeat(lattice="straight", width_um=64_000, height_um=64_000),
        variations=6,
    )
    try:
        line.start("route", "generate", "finish")
        with line.client() as house:
            house.request_many([order])
            line.until(lambda: line.messages("patterns.generated"), 60, "a first tile")
            line.kill("generate")
            line.start("generate")
            result = house.wait("s3", timeout_s=90)
        options = StoreOptions(access_key=server.access_key, secret_key=server.secret_key)
        store = open_store(address, options=options)
        for asset in result.published.values():
            assert all(len(fetch(file, store.get)) == file.size_bytes for file in asset.files)
        assert result.all_published
        assert not line.assets.exists()
        assert server.secret_key not in "".join(line.said(stage) for stage in line.running)
    finally:
        line.close()
