"""Checks HTTP responses against api/openapi.yaml: what is not declared is an error."""

import pathlib
import re

import jsonschema
import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

# What the `default` response stands for.
TRANSPORT_STATUSES = {400, 405, 408, 431, 500}


class ContractError(AssertionError):
    pass


class Contract:
    def __init__(self, path=REPOSITORY / "api" / "openapi.yaml"):
        self.document = yaml.safe_load(path.read_text())
        self.paths = {
            re.compile("^" + re.sub(r"{[^}]*}", "[^/]+", template.replace("{path}", ".+")) + "$"): item
            for template, item in self.document["paths"].items()
        }

    def resolve(self, node):
        """A copy of `node` with local references replaced by what they name. No cycles allowed."""
        if isinstance(node, list):
            return [self.resolve(part) for part in node]
        if not isinstance(node, dict):
            return node
        if "$ref" not in node:
            return {key: self.resolve(value) for key, value in node.items()}
        reference = node["$ref"]
        if not reference.startswith("#/"):
            raise ContractError(f"not a local reference: {reference}")
        target = self.document
        for part in reference[2:].split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        return {**self.resolve(target), **self.resolve(siblings)}

    def schema(self, name):
        return self.resolve(self.document["components"]["schemas"][name])

    def _declared(self, method, path, status):
        """The response object that `status` falls under."""
        item = next((i for p, i in self.paths.items() if p.match(path)), None)
        responses = self.document["components"]["responses"]
        if item is None:
            if status not in (400, 404, 431):
                raise ContractError(f"{path} is not in the contract, but answers {status}")
            return self.resolve(responses["NotFound" if status == 404 else "Transport"])
        if method == "OPTIONS" and status == 204:
            return {"headers": self.resolve({"Allow": {"$ref": "#/components/headers/Allow"}})}
        operation = item.get("get" if method == "HEAD" else method.lower())
        if operation is None:
            if status not in (400, 405, 431):
                raise ContractError(f"{method} {path} is not in the contract, but answers {status}")
            return self.resolve(responses["Transport"])
        declared = operation["responses"].get(str(status))
        if declared is None and status in TRANSPORT_STATUSES:
            declared = operation["responses"].get("default")
        if declared is None:
            raise ContractError(f"{method} {path}: undeclared status {status}")
        return self.resolve(declared)

    def check(self, method, target, status, headers, body, value):
        """`value` is the decoded JSON body; `headers` has lower-case names."""
        where = f"{method} {target[:200]} -> {status}"
        declared = self._declared(method, target.split("?")[0], status)
        for name, header in declared.get("headers", {}).items():
            text = headers.get(name.lower())
            if text is None:
                if header.get("required"):
                    raise ContractError(f"{where}: no {name} header")
                continue
            self._validate(f"{where}, header {name}", text, header["schema"])
        if (status == 405 or (method, status) == ("OPTIONS", 204)) and "allow" not in headers:
            raise ContractError(f"{where}: no Allow header")
        if method == "HEAD":
            if body:
                raise ContractError(f"{where}: HEAD has a body")
            return
        if "content" not in declared:
            if body or "content-type" in headers:
                raise ContractError(f"{where}: undeclared content")
            return
        kind = headers.get("content-type", "").split(";")[0].strip()
        if kind not in declared["content"]:
            raise ContractError(f"{where}: undeclared content type {kind!r}")
        if kind.endswith("json"):
            self._validate(where, value, declared["content"][kind]["schema"])
            if kind == "application/problem+json":
                if value["status"] != status:
                    raise ContractError(f"{where}: the body says status {value['status']}")
                if value["request_id"] != headers["x-request-id"]:
                    raise ContractError(f"{where}: request_id and X-Request-Id differ")

    def check_event(self, kind, data):
        """`data` is the decoded JSON of an event of /v1/execute/{id}/events."""
        schema = {"status": "JobSummary", "stdout": "OutputEvent", "stderr": "OutputEvent",
                  "usage": "LiveUsage", "result": "Job"}[kind]
        self._validate(f"event {kind}", data, self.schema(schema))

    def check_webhook(self, message):
        """`message` is the decoded JSON that a webhook was sent."""
        self._validate("webhook", message, self.schema("WebhookMessage"))

    def check_message(self, message):
        """`message` is a decoded message of the server's in /v1/interactive."""
        self._validate("message", message, self.schema("SessionMessage"))
        if message["type"] == "error":
            self._validate("error", message["data"], self.schema("Problem"))
        else:
            self.check_event(message["type"], message["data"])

    @staticmethod
    def _validate(where, value, schema):
        validator = jsonschema.Draft202012Validator(schema)
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        if error is not None:
            place = "/".join(str(p) for p in error.absolute_path) or "the value"
            raise ContractError(f"{where}: {place}: {error.message[:600]}")
