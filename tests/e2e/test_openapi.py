"""api/openapi.yaml itself: sound, complete, and its examples follow their schemas."""

import json

import jsonschema
import pytest

from contract import Contract, ContractError

CONTRACT = Contract()
DOCUMENT = CONTRACT.document

OPERATIONS = [(path, method, operation)
              for path, item in DOCUMENT["paths"].items() for method, operation in item.items()]


def media_types():
    """Every (place, media type object) of requests and responses."""
    for path, method, operation in OPERATIONS:
        place = f"{method} {path}"
        if "requestBody" in operation:
            for kind, media in operation["requestBody"]["content"].items():
                yield f"{place} request {kind}", CONTRACT.resolve(media)
        for status, response in operation["responses"].items():
            for kind, media in CONTRACT.resolve(response).get("content", {}).items():
                yield f"{place} {status} {kind}", CONTRACT.resolve(media)


def test_document_isOpenApi31WithUniqueOperations():
    assert DOCUMENT["openapi"].startswith("3.1.")
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))
    assert {(path, method) for path, method, _ in OPERATIONS} >= {
        ("/health", "get"), ("/health/live", "get"), ("/health/ready", "get"),
        ("/v1/execute", "post"), ("/v1/batch", "post"), ("/v1/execute", "get"), ("/v1/execute/{id}", "get"),
        ("/v1/execute/{id}", "delete"), ("/v1/execute/{id}/events", "get"),
        ("/v1/execute/{id}/files/{path}", "get"), ("/v1/interactive", "get"), ("/v1/languages", "get")}


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_schema_isValid(name):
    schema = CONTRACT.schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    if schema.get("type") == "object":
        assert schema["additionalProperties"] is False


@pytest.mark.parametrize("place, media", list(media_types()), ids=lambda v: v if isinstance(v, str)
                         else "")
def test_examples_followTheirSchema(place, media):
    for example in media.get("examples", {}).values():
        jsonschema.Draft202012Validator(media["schema"]).validate(example["value"])


def test_components_areAllUsed():
    text = json.dumps(DOCUMENT)
    for kind in ("schemas", "responses", "headers", "examples", "parameters"):
        for name in DOCUMENT["components"][kind]:
            assert f'"#/components/{kind}/{name}"' in text, f"{kind}/{name} is not used"


HEALTH = {"status": "ok", "version": "1", "isolation": "full", "not_limited": [], "quarantined": 0,
          "store": "sqlite", "backend": "native", "role": "all"}
HEADERS = {"content-type": "application/json", "x-request-id": "a"}


def check(status=200, headers=HEADERS, value=HEALTH, method="GET", target="/health"):
    CONTRACT.check(method, target, status, headers, json.dumps(value).encode(), value)


def test_contract_takesWhatIsDeclared():
    check()


@pytest.mark.parametrize("wrong", [
    {"status": 204},
    {"value": {**HEALTH, "extra": 1}},
    {"value": {"status": "ok"}},
    {"headers": {"content-type": "application/json"}},
    {"headers": {**HEADERS, "content-type": "text/html"}},
    {"target": "/undeclared"},
    {"method": "PUT"},
], ids=str)
def test_contract_refusesWhatIsNot(wrong):
    with pytest.raises(ContractError):
        check(**wrong)
