"""The providers built from source know the same names as the Python SDK, which comes from the official ones.

A property that the bridge names otherwise than the SDK would be dropped on its way to the cloud, silently. So every
resource and function of the SDK is compared with what the built provider prints about itself
(`pulumi-resource-NAME mapping`): inputs, outputs, nested objects, and which outputs are secret.
"""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROVIDERS = ("openstack", "random", "tls")

# Deprecated second names of resources that the SDK also has under another name; the program uses the other one.
ALIASES = {
    "openstack:index/bgpvpnNetworkAssociateV2:BgpvpnNetworkAssociateV2",
    "openstack:index/bgpvpnPortAssociateV2:BgpvpnPortAssociateV2",
    "openstack:index/bgpvpnRouterAssociateV2:BgpvpnRouterAssociateV2",
    "openstack:index/bgpvpnV2:BgpvpnV2",
    "openstack:index/getFwGroupV2:getFwGroupV2",
    "openstack:index/getFwPolicyV2:getFwPolicyV2",
    "openstack:index/getFwRuleV2:getFwRuleV2",
    "openstack:index/workflowWorkflowV2:WorkflowWorkflowV2",
    "openstack:index/lbFlavorprofileV2:LbFlavorprofileV2",
    "openstack:index/lbLoadbalancerV2:LbLoadbalancerV2",
}


@dataclass(frozen=True)
class Property:
    """A property as the SDK declares it."""

    type: str  # bool, int, float, str, list, map, object
    object: "dict[str, Property]"  # properties of the nested object, or of those in the list


Properties = dict[str, Property]


@dataclass
class Shape:
    """What the SDK says of one resource or function."""

    inputs: Properties
    outputs: Properties
    secrets: set[str] = field(default_factory=set)


class Module:
    """One folder of an SDK package, read without importing it (importing all of it takes seconds)."""

    def __init__(self, folder: Path) -> None:
        self.trees = {file: ast.parse(file.read_text()) for file in sorted(folder.glob("*.py"))}
        self.classes = {node.name: node for tree in self.trees.values() for node in classes(tree)}

    def properties(self, class_name: str, seen: tuple[str, ...] = ()) -> Properties:
        """The class's properties by their Pulumi names, with those of nested classes of the same module."""
        found: Properties = {}
        for node in self.classes[class_name].body:
            if not isinstance(node, ast.FunctionDef) or (name := getter_name(node)) is None:
                continue
            text = ast.unparse(node.returns) if node.returns else ""
            nested = next((n for n in re.findall(r"\w+", text) if n in self.classes), None)
            deeper = nested is not None and nested not in seen
            inner = self.properties(nested, (*seen, nested)) if nested and deeper else {}
            found[name] = Property(type_name(text), inner)
        return found


def classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    return (node for node in tree.body if isinstance(node, ast.ClassDef))


def getter_name(node: ast.FunctionDef) -> str | None:
    """The Pulumi name of a property method of the SDK; None for any other method."""
    for decorator in node.decorator_list:
        match = re.match(r"pulumi\.getter(?:\(name='(\w+)'\))?$", ast.unparse(decorator))
        if match:
            return match[1] or node.name
    return None


def type_name(annotation: str) -> str:
    """The outermost type of a property: list for `pulumi.Input[Optional[Sequence[...]]]`."""
    words = re.findall(r"\w+", annotation)
    known = {"bool": "bool", "int": "int", "float": "float", "str": "str", "Sequence": "list", "Mapping": "map"}
    return next((known[word] for word in words if word in known), "object")


def secret_outputs(node: ast.ClassDef) -> set[str]:
    match = re.search(r"additional_secret_outputs=(\[[^]]*\])", ast.unparse(node))
    return set(ast.literal_eval(match[1])) if match else set()


def resources_of(module: Module) -> Iterator[tuple[str, Shape]]:
    for name, node in module.classes.items():
        for decorator in node.decorator_list:
            match = re.match(r"pulumi\.type_token\('(\w+:\w+/\w+:\w+)'\)", ast.unparse(decorator))
            if match and any("CustomResource" in ast.unparse(base) for base in node.bases):
                outputs = module.properties(name)
                yield match[1], Shape(module.properties(f"{name}Args"), outputs, secret_outputs(node))


def functions_of(module: Module) -> Iterator[tuple[str, Shape]]:
    for tree in module.trees.values():
        for node in (n for n in tree.body if isinstance(n, ast.FunctionDef)):
            text = ast.unparse(node)
            call = re.search(r"runtime\.invoke\('([\w:/]+)'.*typ=(\w+)\)", text)
            if call:
                types = {a.arg: type_name(ast.unparse(a.annotation)) for a in node.args.args if a.annotation}
                inputs = re.findall(r"__args__\['(\w+)'\] = (\w+)", text)
                args = {name: Property(types[argument], {}) for name, argument in inputs}
                yield call[1], Shape(args, module.properties(call[2]))


@cache
def sdk(provider: str) -> dict[str, dict[str, Shape]]:
    """Resources and functions of the installed package pulumi_PROVIDER, by token."""
    spec = importlib.util.find_spec(f"pulumi_{provider}")
    assert spec and spec.origin, f"the package pulumi_{provider} is not installed: run `make tools`"
    top = Path(spec.origin).parent
    found: dict[str, dict[str, Shape]] = {"resources": {}, "functions": {}}
    for folder in [top, *(f.parent for f in top.glob("*/__init__.py") if f.parent.name != "config")]:
        module = Module(folder)
        found["resources"].update(resources_of(module))
        found["functions"].update(functions_of(module))
    return found


@cache
def built(provider: str) -> dict[str, Any]:
    """What the provider built from source prints about itself."""
    subprocess.run([sys.executable, "-m", "toolchain", "--only-build-providers"], check=True, cwd=ROOT)
    binary = ROOT / ".tools/build/providers" / provider
    shown = subprocess.run([binary, "mapping"], check=True, capture_output=True, text=True)
    mapping: dict[str, Any] = json.loads(shown.stdout)
    return mapping


def missing(wanted: Properties, known: dict[str, Any], where: str, inputs: bool = False) -> Iterator[str]:
    """What the SDK declares and the provider does not have, or has with another type."""
    for name, declared in wanted.items():
        prop = known.get(name)
        if prop is None or (inputs and not prop["input"]):
            yield f"{where}.{name} is not {'an input' if inputs else 'a property'}"
        elif prop["type"] != declared.type:
            yield f"{where}.{name} is {prop['type']}, in the SDK {declared.type}"
        elif declared.object:
            yield from missing(declared.object, prop.get("object") or {}, f"{where}.{name}")


def every(kind: str) -> list[Any]:
    return [
        pytest.param(provider, token, shape, id=token)
        for provider in PROVIDERS
        for token, shape in sdk(provider)[kind].items()
        if token not in ALIASES
    ]


def differences(provider: str, kind: str, token: str, shape: Shape) -> list[str]:
    known = built(provider)[kind].get(token)
    assert known is not None, f"{token} is in the SDK, but not in toolchain/providers/{provider}"
    outputs = {name: prop for name, prop in shape.outputs.items() if name != "id"}
    return [
        *missing(shape.inputs, known, token, inputs=True),
        *missing(outputs, known, token),
        *(f"{token}.{name} must be secret" for name in shape.secrets if not known[name]["secret"]),
    ]


@pytest.mark.parametrize(("provider", "token", "shape"), every("resources"))
def test_a_built_provider_knows_every_property_of_a_resource(provider: str, token: str, shape: Shape) -> None:
    assert differences(provider, "resources", token, shape) == []


@pytest.mark.parametrize(("provider", "token", "shape"), every("functions"))
def test_a_built_provider_knows_every_property_of_a_function(provider: str, token: str, shape: Shape) -> None:
    assert differences(provider, "functions", token, shape) == []
