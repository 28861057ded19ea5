"""The files of deploy/ are what Compose and Kubernetes take, and name variables that exist."""

import json
import os
import re
import subprocess

import kubernetes.client
import pytest
import yaml

from contract import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
COMPOSE = "/usr/bin/docker-compose"
COMPOSE_FILES = sorted(DEPLOY.glob("*/compose.yaml"))
KUBERNETES = DEPLOY / "kubernetes"
MANIFESTS = [path for path in sorted(KUBERNETES.glob("*.yaml")) if path.name != "kustomization.yaml"]

# Kinds whose types the client library does not have by that version, or at all.
SAME_TYPE = {"autoscaling/v2 HorizontalPodAutoscaler": "V2beta2HorizontalPodAutoscaler"}
NOT_BUILT_IN = {"keda.sh/v1alpha1 ScaledObject"}


def variables():
    document = (REPOSITORY / "docs" / "configuration.md").read_text()
    return set(re.findall(r"^\|\s*`([A-Z][A-Z0-9_]+)`\s*\|", document, re.MULTILINE))


def documents():
    """(file, object) of every Kubernetes object."""
    return [(path.name, document) for path in MANIFESTS
            for document in yaml.safe_load_all(path.read_text())]


def objects(kind):
    return [document for _, document in documents() if document["kind"] == kind]


def named(kind, name):
    return next(o for o in objects(kind) if o["metadata"]["name"] == name)


# Compose ------------------------------------------------------------------------------------------


def resolved(path, **environment):
    """The file as Compose understands it."""
    content = yaml.safe_load(path.read_text())
    for service in content["services"].values():
        # Compose 1.29 does not know the key; the specification has it, and Compose 2 does.
        assert service.pop("cgroup", "host") in ("host", "private")
    done = subprocess.run(
        [COMPOSE, "--project-directory", path.parent, "-f", "-", "config"], text=True,
        input=yaml.safe_dump(content), capture_output=True, timeout=60,
        cwd=path.parent, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | environment)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)["services"]


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=lambda path: path.parent.name)
def test_composeFile_isValid(path):
    for name, service in resolved(path).items():
        build = service.get("build")
        if build:
            file = path.parent / build["context"] / build["dockerfile"]
            assert file.exists(), f"{name}: {file}"
            if "target" in build:
                assert f" AS {build['target']}\n" in file.read_text()


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=lambda path: path.parent.name)
def test_composeFile_namesVariablesThatExist(path):
    for service in resolved(path).values():
        assert set(service.get("environment", {})) <= variables()


def test_composeFile_ofTheDockerBackend_isAsThePredecessors():
    services = resolved(DEPLOY / "docker" / "compose.yaml")
    assert set(services) == {"runner", "redis", "api"}
    assert services["runner"]["container_name"] == "code-sandbox-runner"
    api = services["api"]["environment"]
    assert api["REDIS_ADDR"] == "redis:6379"
    assert api["SANDBOX_CONTAINER"] == "code-sandbox-runner"
    assert api["SANDBOX_JOB_DIR"] == "/tmp/jobs"
    # The folder of the jobs has one path everywhere.
    for name in ("runner", "api"):
        assert any(volume.split(":")[:2] == ["/tmp/jobs", "/tmp/jobs"]
                   for volume in services[name]["volumes"])


def test_composeFile_followsTheCallersVariables():
    services = resolved(DEPLOY / "docker" / "compose.yaml", SANDBOX_CONTAINER="mine",
                        SANDBOX_JOB_DIR="/srv/jobs", HTTP_PORT="9000")
    assert services["runner"]["container_name"] == "mine"
    assert services["api"]["environment"]["SANDBOX_CONTAINER"] == "mine"
    assert services["api"]["environment"]["SANDBOX_JOB_DIR"] == "/srv/jobs"
    assert all(any(volume.startswith("/srv/jobs:/srv/jobs") for volume in services[name]["volumes"])
               for name in ("runner", "api"))
    assert services["api"]["ports"] == ["127.0.0.1:9000:8080/tcp"]


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=lambda path: path.parent.name)
def test_composeFile_publishesOnLoopbackOnly(path):
    for service in resolved(path).values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


# Kubernetes ---------------------------------------------------------------------------------------


def check(type_name, value, where):
    """Checks a value against a type of the client library: names, types, required fields."""
    if inner := re.fullmatch(r"list\[(.+)\]", type_name):
        assert isinstance(value, list), f"{where} is a list"
        return [check(inner[1], one, f"{where}[{n}]") for n, one in enumerate(value)]
    if inner := re.fullmatch(r"dict\(str, (.+)\)", type_name):
        assert isinstance(value, dict), f"{where} is a map"
        return {key: check(inner[1], one, f"{where}.{key}") for key, one in value.items()}
    plain = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}
    if type_name in plain:
        assert isinstance(value, plain[type_name]), f"{where} is a {type_name}: {value!r}"
        assert type_name != "int" or not isinstance(value, bool), where
        return value
    model = getattr(kubernetes.client, type_name)
    assert isinstance(value, dict), f"{where} is a {type_name}"
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    unknown = value.keys() - names.keys()
    assert not unknown, f"{where}: {type_name} has no {sorted(unknown)}"
    members = {names[key]: check(model.openapi_types[names[key]], one, f"{where}.{key}")
               for key, one in value.items()}
    try:
        return model(**members)  # raises for what is required and absent
    except ValueError as error:
        raise AssertionError(f"{where}: {error}") from error


def type_of(document):
    kind = f"{document['apiVersion']} {document['kind']}"
    version = document["apiVersion"].rpartition("/")[2]
    return SAME_TYPE.get(kind, version.capitalize() + document["kind"])


@pytest.mark.parametrize("file,document", documents(),
                         ids=[f"{file}-{d['kind']}-{d['metadata']['name']}" for file, d in documents()])
def test_manifest_hasTheTypesOfTheApi(file, document):
    if f"{document['apiVersion']} {document['kind']}" in NOT_BUILT_IN:
        assert {"apiVersion", "kind", "metadata", "spec"} == document.keys()
        return
    check(type_of(document), document, file)


@pytest.mark.parametrize("change,complaint", [
    (lambda o: o["spec"].pop("selector"), "selector"),
    (lambda o: o["spec"].update(replica=3), "replica"),
    (lambda o: o["spec"].update(replicas="3"), "int"),
    (lambda o: o["spec"]["template"]["spec"]["containers"][0].pop("name"), "name"),
], ids=["required", "unknown", "type", "nested"])
def test_manifestCheck_finds(change, complaint):
    broken = json.loads(json.dumps(named("Deployment", "api")))
    change(broken)
    with pytest.raises(AssertionError, match=complaint):
        check("V1Deployment", broken, "broken")


def test_manifests_areAllListedOrOptional():
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert sorted([*listed, "worker-autoscaling.yaml"]) == [path.name for path in MANIFESTS]


def pod_templates():
    return [(o["metadata"]["name"], o["spec"]["template"]) for kind in ("Deployment", "StatefulSet")
            for o in objects(kind)]


def test_manifests_selectWhatIsThere():
    labels = {name: template["metadata"]["labels"].items() for name, template in pod_templates()}

    def hits(selector):
        return any(selector.items() <= found for found in labels.values())

    for kind in ("Deployment", "StatefulSet"):
        for one in objects(kind):
            assert one["spec"]["selector"]["matchLabels"].items() <= labels[one["metadata"]["name"]]
    for service in objects("Service"):
        assert hits(service["spec"]["selector"])
    for budget in objects("PodDisruptionBudget"):
        assert hits(budget["spec"]["selector"]["matchLabels"])
    for policy in objects("NetworkPolicy"):
        assert hits(policy["spec"]["podSelector"]["matchLabels"])
    for scaler in objects("HorizontalPodAutoscaler") + objects("ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        scaled = named(target["kind"], target["name"])
        assert "replicas" not in scaled["spec"], "or each apply would undo the scaling"


def test_manifests_portsProbesAndVolumesExist():
    for name, template in pod_templates():
        spec = template["spec"]
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for s in objects("StatefulSet")
                    if s["metadata"]["name"] == name for claim in s["spec"]["volumeClaimTemplates"]}
        for container in spec["containers"]:
            ports = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                for action in ("httpGet", "tcpSocket"):
                    if action in container.get(probe, {}):
                        assert container[probe][action]["port"] in ports
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    for service in objects("Service"):
        containers = dict(pod_templates())[service["metadata"]["name"]]["spec"]["containers"]
        ports = {port["name"] for container in containers for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


@pytest.mark.parametrize("name", ["api", "worker"])
def test_manifests_configureTheServiceByVariablesThatExist(name):
    template = dict(pod_templates())[name]["spec"]
    environment = {one["name"]: one.get("value") for one in template["containers"][0]["env"]}
    assert set(environment) <= variables()
    assert environment["ROLE"] == name
    container = template["containers"][0]
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"


def test_manifests_giveOnlyWorkersPrivileges():
    for name, template in pod_templates():
        security = template["spec"]["containers"][0]["securityContext"]
        assert template["spec"]["automountServiceAccountToken"] is False
        if name != "worker":
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert template["spec"]["securityContext"]["runAsNonRoot"] is True


def test_redis_losesNothing_everywhere():
    settings = ("appendonly yes", "appendfsync always", "maxmemory-policy noeviction")
    configuration = named("ConfigMap", "redis")["data"]["redis.conf"]
    assert all(setting in configuration for setting in settings)
    for path in COMPOSE_FILES:
        command = " ".join(resolved(path)["redis"]["command"])
        assert all(f"--{setting}" in command for setting in settings)
