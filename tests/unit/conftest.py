"""What all unit tests share: keys that belong to nobody, and property tests without a clock.

How long an example takes says how busy the machine is, never whether the property holds.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

LEAF = """basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=emailProtection
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="session")
def signing_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a chain of two certificates, `chain.pem`, and its key, `leaf.key` (es256)."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("keys")
    (folder / "leaf.ext").write_text(LEAF)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    authority = ("-addext", "keyUsage=critical,keyCertSign", "-subj", "/O=Test/CN=Authority")
    openssl(folder, "req", "-x509", *curve, *authority, "-keyout", "ca.key", "-out", "ca.pem")
    leaf = ("-subj", "/O=Test/CN=Mill", "-keyout", "leaf.key", "-out", "leaf.csr")
    openssl(folder, "req", *curve, *leaf)
    chain = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "leaf.ext")
    openssl(folder, "x509", "-req", "-in", "leaf.csr", *chain, "-out", "leaf.pem")
    pem = (folder / "leaf.pem").read_bytes() + (folder / "ca.pem").read_bytes()
    (folder / "chain.pem").write_bytes(pem)
    return folder
