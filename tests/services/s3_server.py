"""A real S3 server for tests: Ceph RGW on one in-memory OSD, from Debian's own packages.

One monitor, one memstore OSD and one gateway, all on free loopback ports below one folder; no
manager daemon, no root needed. It speaks plain HTTP and HTTPS (a certificate made here), versions
objects, honours `If-None-Match: *`, and encrypts at rest with keys of its own testing backend.

The kernel ends the three processes with the process that started them, so none outlives a killed
test run.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from heddle.stack.children import end, has_exited, spawn
from heddle.stack.ports import free_ports
from schemas.errors import MissingPart, Unusable

PACKAGES: Final = "radosgw ceph-mon ceph-osd ceph-common openssl"
_TOOLS: Final = (
    "ceph-mon",
    "ceph-osd",
    "radosgw",
    "radosgw-admin",
    "ceph",
    "ceph-authtool",
    "openssl",
)
READY_S_MAX: Final = 120.0
TOOL_S_MAX: Final = 90.0
GRACE_S: Final = 3.0
_POLL_S: Final = 0.1
ACCESS_KEY: Final = "HEDDLETESTKEY0000001"
SECRET_KEY: Final = "a-secret-of-a-throw-away-server-0001"
KMS_KEY: Final = "my-key"

_CONF: Final = Template("""\
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$mon_port]
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = $root/keyring
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
ms bind ipv6 = false
ms bind port min = $osd_port_min
ms bind port max = $osd_port_max
run dir = $root
admin socket =
pid file =
log file =
log to stderr = true
err to stderr = true
debug ms = 0
crash dir = $root/crash
mon data = $root/mon
osd data = $root/osd
rgw data = $root/rgw
osd objectstore = memstore
memstore device bytes = 1073741824
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 2
osd pool default pgp num = 2
osd pool default pg autoscale mode = off
osd class load list = *
osd class default list = *
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 10000
# The defaults gather map changes for a second, and starting up is some twenty of them.
paxos propose interval = 0.02
paxos min wait = 0.01
osd heartbeat grace = 600
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = $kms_key=$kms_secret
rgw frontends = $frontends
rgw dynamic resharding = false
rgw thread pool size = 48
rgw dns name =
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """Where the server answers, and who may ask."""

    endpoint: str
    tls_endpoint: str
    ca_file: Path
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    kms_key: str = KMS_KEY


def missing() -> list[str]:
    """Tools this server needs that are not on PATH."""
    return [tool for tool in _TOOLS if shutil.which(tool) is None]


@contextmanager
def running(root: Path) -> Iterator[S3Server]:
    """A server below the empty folder `root`, ready on entry, gone on exit.

    Raises: MissingPart with the command that installs it, Unusable with the place of the logs.
    """
    if absent := missing():
        raise MissingPart(
            f"no S3 server to test against ({', '.join(absent)} not found), run: "
            f"apt-get install -y --no-install-recommends {PACKAGES}"
        )
    children: list[subprocess.Popen[bytes]] = []
    try:
        yield _start(root, children)
    finally:
        for child in reversed(children):
            end(child, grace_s=GRACE_S)


def _start(root: Path, children: list[subprocess.Popen[bytes]]) -> S3Server:
    mon_port, osd_port, port, tls_port = free_ports(4)
    for folder in ("mon", "osd", "rgw", "crash"):
        (root / folder).mkdir(parents=True)
    fsid = str(uuid.uuid4())
    (root / "ceph.conf").write_text(
        _CONF.substitute(
            root=root,
            fsid=fsid,
            mon_port=mon_port,
            osd_port_min=osd_port,
            osd_port_max=osd_port + 200,
            frontends=(
                # Without nodelay an answer's body waits 40 ms for the caller's kernel.
                f"beast tcp_nodelay=1 endpoint=127.0.0.1:{port} ssl_endpoint=127.0.0.1:{tls_port} "
                f"ssl_certificate={root}/tls.pem ssl_private_key={root}/tls.key"
            ),
            kms_key=KMS_KEY,
            kms_secret=base64.b64encode(os.urandom(32)).decode(),
        )
    )
    _keys(root)
    _tool(root, f"monmaptool --create --fsid {fsid} --addv a [v2:127.0.0.1:{mon_port}] monmap")
    _start_cluster(root, children)
    _start_gateway(root, children)
    _until(lambda: _answers(port) and _answers(tls_port), root, children)
    return S3Server(
        endpoint=f"http://127.0.0.1:{port}",
        tls_endpoint=f"https://127.0.0.1:{tls_port}",
        ca_file=root / "tls.pem",
    )


def _start_cluster(root: Path, children: list[subprocess.Popen[bytes]]) -> None:
    osd_uuid = uuid.uuid4()
    _tool(root, "ceph-mon --mkfs -i a --monmap monmap --keyring keyring")
    _daemon(root, "ceph-mon -f -i a", children)
    _tool(root, f"ceph osd new {osd_uuid}")
    _tool(root, f"ceph-osd -i 0 --mkfs --osd-uuid {osd_uuid}")
    _daemon(root, "ceph-osd -f -i 0", children)
    _until(lambda: "1 up" in _tool(root, "ceph osd stat"), root, children)


def _start_gateway(root: Path, children: list[subprocess.Popen[bytes]]) -> None:
    _tool(
        root,
        "radosgw-admin user create --uid=heddle --display-name=heddle "
        f"--access-key={ACCESS_KEY} --secret-key={SECRET_KEY}",
    )
    _tool(
        root,
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 "
        "-addext subjectAltName=IP:127.0.0.1 -keyout tls.key -out tls.pem",
    )
    _daemon(root, "radosgw -f -n client.rgw", children)


def _until(ready: Callable[[], bool], root: Path, children: list[subprocess.Popen[bytes]]) -> None:
    deadline_s = time.monotonic() + READY_S_MAX
    while not ready():
        dead = [str(child.args) for child in children if has_exited(child)]
        if dead or time.monotonic() > deadline_s:
            raise Unusable(f"the S3 server did not come up (ended: {dead}), logs are in {root}")
        time.sleep(_POLL_S)


def _keys(root: Path) -> None:
    """One keyring for everybody; the monitor takes it over when it is made."""
    new = " --create-keyring"
    for name in ("mon.", "client.admin", "client.rgw", "osd.0"):
        caps = [word for part in ("mon", "osd") for word in ("--cap", part, "allow *")]
        _tool(root, f"ceph-authtool keyring --gen-key -n {name}{new}", *caps)
        new = ""


def _env(root: Path) -> dict[str, str]:
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": path, "CEPH_CONF": str(root / "ceph.conf"), "HOME": str(root)}


def _daemon(root: Path, command: str, children: list[subprocess.Popen[bytes]]) -> None:
    argv = command.split()
    children.append(spawn(argv, env=_env(root), log=root / f"{argv[0]}.log", cwd=root))


def _tool(root: Path, command: str, *more: str) -> str:
    """Run a command to its end in `root`; its words hold no spaces, those of `more` may."""
    done = subprocess.run(
        [*command.split(), *more],
        env=_env(root),
        cwd=root,
        capture_output=True,
        text=True,
        timeout=TOOL_S_MAX,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        said = done.stderr[-800:]
        raise Unusable(f"`{command}` failed while starting the S3 server: {said}")
    return done.stdout


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False
