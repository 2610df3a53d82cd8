"""What is under deploy/ can be used as it stands: manifests, compose files and proxies."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

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
    assert secrets["pipeline-health-api"] == {"keys", "webhook-secret"}
    found = documents(MANIFESTS)
    services = {each["metadata"]["name"] for each in found if each["kind"] == "Service"}
    routed = {path["backend"]["service"]["name"] for each in found if each["kind"] == "Ingress"
              for rule in each["spec"]["rules"] for path in rule["http"]["paths"]}  # fmt: skip
    assert routed == services == {"api", "app"}
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in found if each["kind"] == "HorizontalPodAutoscaler"}
    assert scaled == {"api", "app"}


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
