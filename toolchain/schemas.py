"""What kubeconform reads manifests by: a JSON schema for each kind that the pinned kube-apiserver serves, made from the
description of its API that lies in Kubernetes' module. `.tools/kubernetes/schemas/KIND-GROUP-VERSION.json`."""

import json
import shutil
from pathlib import Path
from typing import Any

from toolchain import golang, nodes, shell

SCHEMAS = nodes.PROGRAMS / "schemas"
LOCATION = f"{SCHEMAS}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"  # kubeconform's template for a file's name
DESCRIPTION = "api/openapi-spec/swagger.json"
KIND = "x-kubernetes-group-version-kind"
# Written as text, read also as a number: what the server takes is wider than what its description says.
NUMBER_OR_TEXT = {"type": ["string", "number", "null"]}
WIDER = ("io.k8s.apimachinery.pkg.api.resource.Quantity", "io.k8s.apimachinery.pkg.util.intstr.IntOrString")
Schema = dict[str, Any]


def provide() -> None:
    """Make them if they are missing or out of date. Raises shell.Problem."""
    state = shell.digest(nodes.KUBE.state(), files=[Path(__file__)])
    if shell.done("schemas", state, SCHEMAS):
        return
    description = golang.module_file(nodes.KUBE, "k8s.io/kubernetes", DESCRIPTION)
    draft = SCHEMAS.with_name("schemas.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    for name, schema in of_kinds(json.loads(description.read_bytes())["definitions"]).items():
        (draft / f"{name}.json").write_text(json.dumps(schema))
    shutil.rmtree(SCHEMAS, ignore_errors=True)
    draft.rename(SCHEMAS)
    shell.finish("schemas", state)


def of_kinds(described: dict[str, Schema]) -> dict[str, Schema]:
    """A schema for each kind, with all that it refers to, by the name that kubeconform looks for. Pure."""
    strict = {name: NUMBER_OR_TEXT if name in WIDER else _strict(schema) for name, schema in described.items()}
    found = {}
    for name, schema in described.items():
        # what has several kinds (DeleteOptions) is in no manifest
        if len(kinds := schema.get(KIND, [])) == 1:
            kind, group, version = (str(kinds[0][key]) for key in ("kind", "group", "version"))
            needed = {one: strict[one] for one in _reached(strict, name)}
            parts = (kind, group.split(".")[0], version)
            found["-".join(filter(None, parts)).lower()] = {
                "$ref": f"#/definitions/{name}",
                "definitions": needed,
            }
    return found


def _strict(schema: Any) -> Any:
    """The same, where fields that the server does not know are wrong, and null is as good as absent, as for it."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items() if key not in ("description", "default", "properties")}
    if "properties" in schema:
        made["properties"] = {name: _or_null(_strict(value)) for name, value in schema["properties"].items()}
        made.setdefault("additionalProperties", False)
    return made


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _reached(schemas: dict[str, Schema], name: str) -> set[str]:
    """All that a schema refers to, and itself."""
    found: set[str] = set()
    todo = [name]
    while todo:
        if (one := todo.pop()) not in found:
            found.add(one)
            todo += _references(schemas[one])
    return found


def _references(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["$ref"].rpartition("/")[2]] if isinstance(schema.get("$ref"), str) else []
        return own + [name for value in schema.values() for name in _references(value)]
    return [name for value in schema for name in _references(value)] if isinstance(schema, list) else []
