# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs come up, go down, keep to themselves, and recover from kill -9 of anything."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.lab.sockets import listening
from tests.integration.lab_cli import LabCli
from tests.lab import build, process, state
from tests.lab import lab as lab_module
from tests.lab.kubeapi import KubeApi
from tests.lab.paths import default_name

_DEADLINE = 60.0


def wait_for(what: str, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited {_DEADLINE:.0f} s for {what} in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[LabCli, LabCli]]:
    """Two labs, brought up at the same moment."""
    labs = LabCli(f"{default_name()}-a"), LabCli(f"{default_name()}-b")
    try:
        starts = [lab.popen("up") for lab in labs]
        for start in starts:
            _stdout, stderr = start.communicate(timeout=120)
            assert start.returncode == 0, stderr
            print(stderr)
        yield labs
    finally:
        for lab in labs:
            lab.down()


def test_two_labs_run_at_once_and_share_nothing(pair: tuple[LabCli, LabCli]) -> None:
    first, second = (lab.running() for lab in pair)
    assert not set(first.ports.values()) & set(second.ports.values())
    assert first.database_url != second.database_url
    for lab in pair:
        result = lab.call("status")
        assert result.returncode == 0, result.stdout
        assert all("healthy" in line for line in result.stdout.splitlines())


def test_everything_listens_on_loopback_only(pair: tuple[LabCli, LabCli]) -> None:
    for lab in pair:
        recorded = state.living(lab.state_dir)
        found = {name: listening(pid) for name, pid in recorded.items()}
        strays = {f"unrecorded {pid}": listening(pid) for pid in state.marked(lab.state_dir)}
        silent = [name for name, sockets in found.items() if not sockets and name != "kubelet"]
        assert not silent, "no listening socket was found, so this test sees too little"
        for name, addresses in (found | strays).items():
            assert all(address.is_loopback for address, _port in addresses), f"{name} listens on {addresses}"


def test_up_leaves_a_healthy_lab_alone(pair: tuple[LabCli, LabCli]) -> None:
    lab = pair[0]
    before = state.living(lab.state_dir)
    result = lab.call("up")
    assert result.returncode == 0
    assert "is up already" in result.stderr
    assert state.living(lab.state_dir) == before


def test_env_makes_a_shell_ready(pair: tuple[LabCli, LabCli]) -> None:
    lab = pair[0]
    result = lab.call("env", "--environment", "staging")
    exports, path = result.stdout.splitlines()
    assert exports.startswith("export KUBECONFIG=")
    assert path.startswith("export PATH=")
    script = f"{result.stdout}\nkubectl get nodes -o name && helm version --short && echo $ROUTER_URL && which -a kwok"
    shell = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert "node/gpu-node-0\nnode/gpu-node-1\n" in shell.stdout, shell.stderr
    assert "\nv3." in shell.stdout
    assert lab.running().router_url("staging") in shell.stdout
    assert sorted(os.listdir(build.tools())) == ["helm", "kubectl"]


def test_lab_dir_is_private(pair: tuple[LabCli, LabCli]) -> None:
    for lab in pair:
        assert lab.state_dir.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("victims", [["postgres", "kubelet"], ["kube-apiserver", "valkey"]])
def test_up_after_a_kill_starts_anew_and_leaves_nothing_behind(pair: tuple[LabCli, LabCli], victims: list[str]) -> None:
    lab, other = pair
    before, untouched = state.living(lab.state_dir), state.living(other.state_dir)
    for name in victims:
        os.kill(before[name], signal.SIGKILL)
    wait_for("the victims to end", lambda: not set(victims) & set(state.living(lab.state_dir)))
    status = lab.call("status")
    assert status.returncode == 1
    assert all(f"{name} " in status.stdout for name in victims)
    assert "NOT HEALTHY: its process has ended" in status.stdout
    lab.up()
    after = state.living(lab.state_dir)
    assert set(after) >= set(before)
    assert not set(after.values()) & set(before.values())
    _assert_no_strays(lab)
    assert state.living(other.state_dir) == untouched


def test_a_lost_node_stays_lost_until_its_label_goes(pair: tuple[LabCli, LabCli]) -> None:
    """Not in the shared lab: a lost node would disturb others."""
    api, path = KubeApi(Path(pair[1].running().kubeconfig)), "/api/v1/nodes/gpu-node-0"
    api.patch(path, {"metadata": {"labels": {"lab-lost": "true"}}})
    condition = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "lost"}
    api.patch(f"{path}/status", {"status": {"conditions": [condition]}})
    # The node lifecycle controller reacts; by then kwok would long have made it Ready again.
    wait_for("the taint of a lost node", lambda: "node.kubernetes.io/unreachable" in _taints(api, path))
    assert _ready(api, path) == "Unknown"
    api.patch(path, {"metadata": {"labels": {"lab-lost": None}}})
    wait_for("the node to come back", lambda: _ready(api, path) == "True")


def test_down_is_idempotent_and_removes_the_state(pair: tuple[LabCli, LabCli]) -> None:
    """Both labs end here, so that the tests below have the machine for themselves."""
    for lab in pair:
        before = state.living(lab.state_dir)
        lab.down()
        assert not lab.state_dir.exists()
        assert not [name for name, pid in before.items() if state.start_time(pid) is not None]
        assert "is not up" in lab.call("down").stderr
        status = lab.call("status")
        assert status.returncode == 1
        assert "is not up" in status.stderr


@pytest.mark.parametrize("moment", ["etcd", "router"])
def test_up_after_a_kill_of_up_itself(moment: str) -> None:
    lab = LabCli(f"{default_name()}-killed")
    try:
        killed = lab.popen("up")
        # etcd's record is written late; its pid file shows the moment between fork and record.
        unrecorded = lab.state_dir / "kwok/clusters/lab/pids" / f"{moment}.pid"
        wait_for(f"{moment} to start", lambda: moment in state.living(lab.state_dir) or unrecorded.exists())
        killed.kill()
        killed.communicate()
        lab.up()
        assert lab.call("status").returncode == 0
        _assert_no_strays(lab)
    finally:
        lab.down()


def test_a_port_that_another_process_takes_leads_to_new_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    cli = LabCli(f"{default_name()}-ports")
    said: list[str] = []
    with socket.socket() as squatter:
        squatter.bind((process.LOOPBACK, 0))
        squatter.listen()
        taken = iter([{"kube-scheduler": squatter.getsockname()[1]}, {}])
        monkeypatch.setattr(lab_module, "free_ports", lambda names: process.free_ports(names) | next(taken))
        try:
            running = lab_module.up(cli.state_dir, said.append)
            assert running.ports["kube-scheduler"] != squatter.getsockname()[1]
            assert any("another process took one of the ports" in line for line in said)
        finally:
            cli.down()


def test_lab_comes_up_as_an_ordinary_user_with_a_deep_home(tmp_path: Path) -> None:
    home = tmp_path / ("deep-" * 12) / ("home-" * 12)
    home.mkdir(parents=True)
    uid, drop = (os.geteuid(), []) if os.geteuid() else drop_to("nobody", home)
    cache = build.binaries().parents[2]
    environ = {"HOME": str(home), "AI_AAS_CACHE": str(cache), "AI_AAS_STATE": "", "XDG_STATE_HOME": ""}
    lab = LabCli("ordinary", environ, drop)
    try:
        lab.up()
        living = state.living(lab.state_dir)
        owners = {name: Path(f"/proc/{pid}").stat().st_uid for name, pid in living.items()}
        assert set(owners.values()) == {uid}, owners
        assert lab.call("status").returncode == 0
    finally:
        lab.down()


def drop_to(name: str, home: Path) -> tuple[int, list[str]]:
    """Give a home to a user; return the user's id, and the words before a command that root runs as this user."""
    user = pwd.getpwnam(name)
    os.chown(home, user.pw_uid, user.pw_gid)
    # The capability only lets the user read root's Python and cache, which lie in folders closed to others.
    caps = "-all,+dac_read_search"
    drop = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs"]
    return user.pw_uid, [*drop, f"--inh-caps={caps}", f"--ambient-caps={caps}", f"--bounding-set={caps}"]


def _assert_no_strays(lab: LabCli) -> None:
    """Every process with the lab's marker is recorded, or a descendant of one that is."""
    recorded = set(state.living(lab.state_dir).values())
    for pid in state.marked(lab.state_dir):
        line = [pid]
        while line[-1] > 1 and not set(line) & recorded:
            line.append(_parent(line[-1]))
        assert set(line) & recorded, f"process {pid} is left over: {Path(f'/proc/{pid}/cmdline').read_bytes()!r}"


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def _ready(api: KubeApi, path: str) -> str:
    conditions = api.get(path)["status"]["conditions"]
    return next(str(entry["status"]) for entry in conditions if entry["type"] == "Ready")


def _taints(api: KubeApi, path: str) -> list[str]:
    return [taint["key"] for taint in api.get(path)["spec"].get("taints", [])]
