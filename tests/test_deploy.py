"""What is under deploy/ can be used as it stands: manifests, compose files and proxies."""

import ipaddress
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from api.settings import ApiSettings
from app.settings import DashboardSettings
from collector.settings import CollectorSettings
from core.settings import ConfigError, EnvironmentSettings
from db.__main__ import Settings as DatabaseSettings
from tests.test_project import SETTINGS

ROOT = Path(__file__).parents[1]
KUBERNETES = ROOT / "deploy" / "kubernetes"
# Read by uvicorn itself.
OTHERS = {"FORWARDED_ALLOW_IPS"}
MANIFESTS = sorted(path for path in KUBERNETES.rglob("*.yaml") if path.name != "kustomization.yaml")


def documents(paths: list[Path]) -> list[dict[str, Any]]:
    return [found for path in paths for found in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def pods() -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"]
            for each in documents(MANIFESTS) if each["kind"] == "Deployment"}  # fmt: skip


def containers() -> list[dict[str, Any]]:
    return [each for pod in pods().values() for each in pod.get("initContainers", []) + pod["containers"]]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_every_manifest_is_what_kubernetes_takes(path: Path) -> None:
    for document in documents([path]):
        kubernetes_validate.validate(document, "1.37", strict=True)


def test_no_pod_may_do_more_than_it_must() -> None:
    assert set(pods()) == {"collector", "api", "app"}
    for name, pod in pods().items():
        context = pod["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 10001), name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
    for each in containers():
        context = each["securityContext"]
        assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False), each["name"]
        assert context["capabilities"] == {"drop": ["ALL"]}, each["name"]
        for kind in ("requests", "limits"):
            assert set(each["resources"][kind]) == {"cpu", "memory"}, each["name"]


def test_every_setting_of_the_manifests_exists_and_every_volume_too() -> None:
    names = set(re.findall(r"^([A-Z_]+)=", (KUBERNETES / "example/settings.env").read_text(encoding="utf-8"), re.M))
    names |= {entry["name"].removesuffix("_FILE") for each in containers() for entry in each.get("env", [])}
    assert names - SETTINGS - OTHERS == set()
    for pod in pods().values():
        volumes = {volume["name"] for volume in pod["volumes"]}
        mounts = {mount["name"]: mount["mountPath"] for each in pod.get("initContainers", []) + pod["containers"]
                  for mount in each["volumeMounts"]}  # fmt: skip
        assert set(mounts) == volumes
        files = [
            entry["value"] for each in pod["containers"] for entry in each["env"] if entry["name"].endswith("_FILE")
        ]
        assert all(any(file.startswith(f"{path}/") for path in mounts.values()) for file in files)


def test_what_is_mounted_and_routed_is_there() -> None:
    example = yaml.safe_load((KUBERNETES / "example/kustomization.yaml").read_text(encoding="utf-8"))
    secrets = {
        each["name"]: {entry.partition("=")[0] for entry in each["files"]} for each in example["secretGenerator"]
    }
    files = [entry.partition("=")[2] for each in example["secretGenerator"] for entry in each["files"]]
    assert all((KUBERNETES / "example" / file).is_file() for file in files)
    asked = {
        volume["secret"]["secretName"] for pod in pods().values() for volume in pod["volumes"] if "secret" in volume
    }
    assert asked == set(secrets)
    assert secrets["pipeline-health-api"] == {"keys", "metrics-key"}
    found = documents(MANIFESTS)
    services = {each["metadata"]["name"] for each in found if each["kind"] == "Service"}
    routed = {path["backend"]["service"]["name"] for each in found if each["kind"] == "Ingress"
              for rule in each["spec"]["rules"] for path in rule["http"]["paths"]}  # fmt: skip
    assert routed == services == {"api", "app"}
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in found if each["kind"] == "HorizontalPodAutoscaler"}
    assert scaled == {"api", "app"}


def test_each_pod_has_the_password_of_its_role_alone() -> None:
    """The owner's is for migrations, and the collector's is not the readers'."""
    volumes = {
        (name, volume["name"]): volume["secret"]["secretName"]
        for name, pod in pods().items() for volume in pod["volumes"] if "secret" in volume
    }  # fmt: skip
    held = {
        (name, each["name"], volumes[name, mount["name"]].removeprefix("pipeline-health-database"))
        for name, pod in pods().items() for each in pod.get("initContainers", []) + pod["containers"]
        for mount in each["volumeMounts"]
        if volumes.get((name, mount["name"]), "").startswith("pipeline-health-database")
    }  # fmt: skip
    assert held == {
        ("collector", "migrate", ""), ("collector", "migrate", "-collector"), ("collector", "migrate", "-reader"),
        ("collector", "collector", "-collector"), ("api", "api", "-reader"), ("app", "app", "-reader"),
    }  # fmt: skip
    users = {
        each["name"]: entry["value"] for each in containers() for entry in each["env"]
        if entry["name"] == "DATABASE_USER"
    }  # fmt: skip
    assert users == {
        "migrate": "health", "collector": "health_collector", "api": "health_reader", "app": "health_reader",
    }  # fmt: skip


@pytest.mark.parametrize("container", ["migrate", "collector", "api", "app"])
def test_the_example_does_not_run_with_its_own_secrets(
    container: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each program refuses each of the files that it is given, in one line that names it."""
    example = yaml.safe_load((KUBERNETES / "example/kustomization.yaml").read_text(encoding="utf-8"))
    files = {
        (each["name"], entry.partition("=")[0]): KUBERNETES / "example" / entry.partition("=")[2]
        for each in example["secretGenerator"] for entry in each["files"]
    }  # fmt: skip
    pod = next(pod for pod in pods().values() for each in containers_of(pod) if each["name"] == container)
    [spec] = [each for each in containers_of(pod) if each["name"] == container]
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    paths = {mount["mountPath"]: secrets[mount["name"]] for mount in spec["volumeMounts"] if mount["name"] in secrets}
    for line in (KUBERNETES / "example/settings.env").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            monkeypatch.setenv(*line.split("=", 1))
    placeholders = {}
    for entry in spec["env"]:
        if entry["name"].endswith("_FILE"):
            folder, _, key = entry["value"].rpartition("/")
            placeholders[entry["name"]] = files[paths[folder], key]
        elif "value" in entry:
            monkeypatch.setenv(entry["name"], entry["value"])
    assert placeholders
    (tmp_path / "real").write_text("0123456789abcdef0123456789abcdef\n")
    for name in placeholders:
        monkeypatch.setenv(name, str(tmp_path / "real"))
    settings: dict[str, type[EnvironmentSettings]] = {
        "migrate": DatabaseSettings, "collector": CollectorSettings, "api": ApiSettings, "app": DashboardSettings,
    }  # fmt: skip
    settings[container].load()
    for name, file in placeholders.items():
        monkeypatch.setenv(name, str(file))
        with pytest.raises(ConfigError, match=rf"^{name}: .* contains the example value change-me"):
            settings[container].load()
        monkeypatch.setenv(name, str(tmp_path / "real"))


def containers_of(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_webhooks_want_a_secret_of_their_own_which_the_example_leaves_out() -> None:
    example = yaml.safe_load((KUBERNETES / "example/kustomization.yaml").read_text(encoding="utf-8"))
    assert "components" not in example
    assert "GITHUB_WEBHOOK_SECRET" not in {
        entry["name"].removesuffix("_FILE") for entry in pods()["api"]["containers"][0]["env"]
    }
    component = yaml.safe_load((KUBERNETES / "webhooks/kustomization.yaml").read_text(encoding="utf-8"))
    [patch] = component["patches"]
    api = yaml.safe_load(
        json.dumps(
            next(
                each
                for each in documents(MANIFESTS)
                if each["kind"] == "Deployment" and each["metadata"]["name"] == "api"
            )
        )
    )
    for change in yaml.safe_load(patch["patch"]):
        assert change["op"] == "add"
        place: Any = api
        *steps, last = change["path"].strip("/").split("/")
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place[step]
        assert last == "-"
        place.append(change["value"])
    kubernetes_validate.validate(api, "1.37", strict=True)
    pod = api["spec"]["template"]["spec"]
    assert {"name": "GITHUB_WEBHOOK_SECRET_FILE", "value": "/run/secrets/webhooks/secret"} in pod["containers"][0][
        "env"
    ]
    assert {"name": "webhooks", "secret": {"secretName": "pipeline-health-webhooks"}} in pod["volumes"]


def test_the_proxies_that_are_believed_are_named() -> None:
    text = (KUBERNETES / "example/settings.env").read_text(encoding="utf-8")
    found = re.search(r"^FORWARDED_ALLOW_IPS=(.*)$", text, re.M)
    assert found
    assert [ipaddress.ip_network(each) for each in found[1].split(",")]


def test_no_container_of_compose_may_do_more_than_it_must() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    for name, each in services.items():
        assert each["read_only"] is True, name
        assert each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert set(each.get("cap_add", [])) <= (
            {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"} if name == "db" else set()
        )
    owners = {
        name for name, each in services.items() if (each.get("environment") or {}).get("DATABASE_USER") == "health"
    }
    assert owners == {"migrate"}
    assert {name for name, each in services.items() if "POSTGRES_PASSWORD" in str(each.get("environment"))} == {
        "db",
        "migrate",
    }
    held = {
        name: {volume.split(":")[0] for volume in each.get("volumes", [])} - {"db", "demo"}
        for name, each in services.items()
    }
    assert {name: found for name, found in held.items() if found} == {
        "passwords": {"collector-password", "reader-password", "redis-password"},
        "redis": {"redis-password"}, "migrate": {"collector-password", "reader-password"},
        "collector": {"collector-password", "redis-password"}, "api": {"reader-password", "redis-password"},
        "app": {"reader-password"},
    }  # fmt: skip


@pytest.mark.skipif(
    not shutil.which("kubectl"), reason="kubectl is not installed; the manifests are checked one by one"
)
def test_kustomize_puts_the_example_together() -> None:
    done = subprocess.run(["kubectl", "kustomize", KUBERNETES / "example"], capture_output=True, text=True, check=True)
    for document in yaml.safe_load_all(done.stdout):
        kubernetes_validate.validate(document, "1.37", strict=True)


@pytest.mark.parametrize("name", ["compose.secrets.yml", "compose.proxy.yml"])
def test_what_is_laid_over_the_compose_file_fits_it(name: str) -> None:
    """Settings exist, and whoever has a secret's file is told of it."""
    base = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    over = yaml.safe_load((ROOT / "deploy" / name).read_text(encoding="utf-8"))
    assert set(over["services"]) - set(base["services"]) <= {"proxy"}
    for service, each in over["services"].items():
        settings = {key.removesuffix("_FILE") for key in each.get("environment", {})}
        if service in ("collector", "api", "app", "migrate"):
            assert settings - SETTINGS - OTHERS == set()
            assert settings - {"FORWARDED_ALLOW_IPS"} <= set(base["services"][service]["environment"])
        files = {value.removeprefix("/run/secrets/") for key, value in each.get("environment", {}).items()
                 if key.endswith("_FILE")}  # fmt: skip
        assert files == set(each.get("secrets", [])) <= set(over.get("secrets", {}))


def test_the_api_never_holds_a_token_of_github() -> None:
    """And only what shows pages to people can be reached, unless somebody says so."""
    base = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    holders = {name for name, each in base.items() if "GITHUB_TOKEN" in (each.get("environment") or {})}
    holders |= {name for name, pod in pods().items() if any(each["name"] == "github" for each in pod["volumes"])}
    assert holders == {"collector"}
    assert {name: each["ports"][0].split(":-")[1][:9] for name, each in base.items() if "ports" in each} == {
        "api": "127.0.0.1", "app": "127.0.0.1",
    }  # fmt: skip


def test_the_api_hears_the_proxy_by_the_one_address_that_it_believes() -> None:
    base = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    over = yaml.safe_load((ROOT / "deploy/compose.proxy.yml").read_text(encoding="utf-8"))["services"]
    proxy = over["proxy"]["networks"]
    for service in ("api", "app"):
        assert {*base[service]["networks"], *over[service]["networks"]} & set(proxy) == {"proxied"}
    assert over["api"]["environment"]["FORWARDED_ALLOW_IPS"] == proxy["proxied"]["ipv4_address"]
