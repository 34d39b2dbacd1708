"""What the tests of the link generator share: a stack's text to files, objects and diagnostics."""

import json
from typing import Any

import yaml

from anygate.diagnostics import Diagnostic, Report, SourceFile
from anygate.dialects.apisix.links import Generated, Options, generate


def make(text: str, options: Options | None = None, environment: dict[str, str] | None = None) -> Generated:
    """The files of a stack without errors."""
    report = Report()
    made = generate(SourceFile("stack.yaml", text), report, options, environment or {})
    assert made is not None, "\n".join(map(str, report.diagnostics))
    assert not report.has_errors
    return made


def diagnose(text: str, options: Options | None = None, environment: dict[str, str] | None = None) -> list[Diagnostic]:
    report = Report()
    generate(SourceFile("stack.yaml", text), report, options, environment or {})
    return list(report.diagnostics)


def rules(text: str, options: Options | None = None) -> list[str]:
    return [one.rule.removeprefix("stack-") for one in diagnose(text, options)]


def read_objects(text: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(text) if one is not None]


def find(made: Generated, file: str, kind: str, name: str) -> dict[str, Any]:
    """The spec of one generated object."""
    [found] = [
        one for one in read_objects(made.routes[file]) if one["kind"] == kind and one["metadata"]["name"] == name
    ]
    return found["spec"]


def strip(value: dict[str, Any]) -> dict[str, Any]:
    """An object without what the examples of the specification leave out."""
    metadata = {key: one for key, one in value["metadata"].items() if key not in ("labels", "annotations")}
    return {**value, "metadata": metadata}


def in_order(value: Any) -> str:
    """A value as text that shows the order of its keys."""
    return json.dumps(value, indent=1)


DOMAIN = "domain: lab.example.org\n"


def stack(component: str, link: str, rest: str = "") -> str:
    """A stack of one component and one link, both in flow style."""
    return f"{DOMAIN}{rest}components: [{{{component}}}]\nlinks: [{{{link}}}]\n"


def shop(attributes: str = "", rest: str = "") -> str:
    """A FastAPI component and its link, with further attributes in block style."""
    lines = "".join(f"  {line}\n" for line in attributes.splitlines())
    return (
        f"{DOMAIN}{rest}components:\n- {{name: shop, type: fastapi}}\n"
        f"links:\n- link: apisix-fastapi\n  to: shop\n  subdomain: shop\n{lines}"
    )


def plugins(attributes: str, rest: str = "") -> dict[str, Any]:
    """The plugins of that link's route, without their names."""
    spec = find(make(shop(attributes, rest)), "fastapi.yaml", "ApisixRoute", "shop-route")
    return {
        one["name"]: {key: value for key, value in one.items() if key not in ("name", "enable")}
        for one in spec["http"][0].get("plugins", [])
    }


def config(attributes: str, name: str, rest: str = "") -> Any:
    return plugins(attributes, rest)[name]["config"]
