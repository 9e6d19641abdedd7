"""setup/docker.sh undoes what a daemon leaves, and notices what it would not undo.

In a network namespace of its own, so that no rule of this machine is touched; takes root, iptables.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "setup" / "docker.sh"
TOOLS = ("unshare", "iptables", "ip6tables", "ip")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, TOOLS)),
    reason="setup/docker.sh installs iptables, and takes root",
)
AS_A_DAEMON = """
iptables -N DOCKER
iptables -A FORWARD -j DOCKER
iptables -P FORWARD DROP
iptables -t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE
ip6tables -P FORWARD DROP
ip link add docker0 type bridge
echo 1 >/proc/sys/net/ipv4/ip_forward
"""
UNDO = """
restore_rules iptables
restore_rules ip6tables
cat "$STATE/forward" >/proc/sys/net/ipv4/ip_forward
remove_links
"""


def left(folder: Path, *steps: str) -> list[str]:
    """What `left_behind` prints after `steps` in a fresh namespace; it says yes if it prints."""
    script = f"""
source {SCRIPT}
STATE={folder} DATA={folder}/data
iptables -A INPUT -s 192.0.2.1 -j DROP  # Somebody's own, from before.
remember_network
{"".join(steps)}
if left_behind; then echo clean; fi
"""
    said = subprocess.run(
        ["unshare", "-n", "bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return said.stdout.splitlines()


def test_what_a_daemon_leaves_is_undone(tmp_path: Path) -> None:
    """Chains, rules, policies, the bridge and forwarding are as before; foreign rules stay."""
    assert left(tmp_path, AS_A_DAEMON, UNDO, "iptables -C INPUT -s 192.0.2.1 -j DROP\n") == [
        "clean"
    ]


def test_what_is_left_is_named(tmp_path: Path) -> None:
    """Without the undoing each of them is told, one a line."""
    said = left(tmp_path, AS_A_DAEMON)
    assert "clean" not in said
    assert {"docker0", ":DOCKER -", ":FORWARD DROP", "-A FORWARD -j DOCKER"} <= set(said)
    assert "-A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE" in said


def test_nothing_done_is_nothing_left(tmp_path: Path) -> None:
    """A run that ended before its daemon leaves nothing and is told so."""
    assert left(tmp_path) == ["clean"]
