"""What a user gives `new`: checked, completed with defaults and made safe to stand in YAML."""

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from string import Template as Text

import yaml

from anygate.dialects.template import Template
from anygate.errors import UsageError
from anygate.manifests.names import suggest_word

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NAMESPACE = re.compile(_LABEL)
_SERVICE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_HOSTNAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_PATH = re.compile(r"/([-A-Za-z0-9._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
_DURATION = re.compile(r"([0-9]{1,5}(h|m|s|ms)){1,4}")
_WILDCARD_KINDS = ("AIGatewayRoute", "Gateway", "HTTPRoute", "GRPCRoute", "TLSRoute", "Secret")


def check_options(template: Template, name: str, options: Mapping[str, str], parts: Sequence[str]) -> None:
    """Raise UsageError for the first option that the kind does not take or whose value does not fit."""
    taken = {*template.options, *(["namespace"] if template.namespaced else [])}
    for option in options:
        if option not in taken:
            hint = f"it takes {template.list_options()}"
            raise UsageError(f"--{option} has no meaning for kind {template.kind}\nhint: {hint}")
    for part in parts:
        if part not in template.parts:
            raise UsageError(_render_unknown_part(template, part))
    _check_name("NAME", name, service=template.kind == "Service")
    for option, value in options.items():
        _check_option(template, option, value)


def complete_values(template: Template, name: str, options: Mapping[str, str]) -> dict[str, str]:
    """Every placeholder's value, written so that YAML reads it as it was meant."""
    values = {"name": name, "namespace": "default", **options}
    for key, default in {**template.options, **template.derived}.items():
        values.setdefault(key, Text(default).substitute(values))
    if template.kind == "Service":
        values["family"] = "IPv6" if ":" in values["address"] else "IPv4"
    numbers = {"port": values.pop("port")} if "port" in values else {}
    quoted = {key: quote(value) for key, value in values.items()} | numbers
    if template.kind == "Secret":
        from anygate.cli.certificate import make_certificate

        made = make_certificate(values["hostname"])
        quoted |= {"certificate_pem": made.certificate, "key_pem": made.key}
    return quoted


def quote(text: str) -> str:
    """A text as a YAML scalar: in quotes only where it would otherwise be read as something else."""
    try:
        plain = yaml.safe_load(f"[{text}]") == [text]
    except (yaml.YAMLError, ValueError):
        plain = False
    return text if plain else json.dumps(text)


def _render_unknown_part(template: Template, part: str) -> str:
    if not template.parts:
        return f"--with has no meaning for kind {template.kind}"
    hint = suggest_word(part, template.parts) or f"choose from {', '.join(template.parts)}"
    return f'kind {template.kind} has no part "{part}"\nhint: {hint}'


def _check_option(template: Template, option: str, value: str) -> None:
    if option == "port":
        _check_port(value)
    elif option == "hostname":
        wildcard = template.kind in _WILDCARD_KINDS
        if len(value) > 253 or not _HOSTNAME.fullmatch(value) or (value.startswith("*") and not wildcard):
            extra = ', "*." allowed in front' if wildcard else ""
            raise UsageError(f'--hostname "{value}" is not a lower-case host name{extra}')
    elif option == "path":
        if len(value) > 1024 or not _PATH.fullmatch(value) or re.search(r"//|/\.\.?(/|$)|%2[fF]", value):
            raise UsageError(f'--path "{value}" is not an absolute path without "//", "." and ".."')
    elif option in ("namespace", "from"):
        if len(value) > 63 or not _NAMESPACE.fullmatch(value):
            text = 'at most 63 lower-case letters, digits and "-", with a letter or digit at both ends'
            raise UsageError(f'--{option} "{value}" is not a valid namespace\nhint: use {text}')
    elif option == "address":
        _check_address(value)
    elif option in ("model", "override"):
        if len(value) > 4096 or not value.isprintable():
            raise UsageError(f"--{option} is not the name of a model")
    elif option == "timeout":
        if not _DURATION.fullmatch(value):
            raise UsageError(
                f'--timeout "{value}" is not a duration\nhint: use numbers with h, m, s or ms, such as 300s'
            )
    else:
        _check_name(f"--{option}", value, service=option == "service")


def _check_name(what: str, value: str, *, service: bool) -> None:
    """Kubernetes' rules: a DNS label that begins with a letter for Services, a DNS subdomain otherwise."""
    pattern, longest = (_SERVICE, 63) if service else (_NAME, 253)
    if len(value) > longest or not pattern.fullmatch(value):
        begin = ", beginning with a letter" if service else ""
        characters = '"-"' if service else '"-" and "."'
        text = f"at most {longest} lower-case letters, digits, {characters}{begin}, with a letter or digit at the end"
        guess = re.sub(r"[^a-z0-9.-]+", "-", value.lower()).strip("-.")
        better = f', such as "{guess}"' if pattern.fullmatch(guess) and len(guess) <= longest else ""
        raise UsageError(f'{what} "{value}" is not a valid name\nhint: use {text}{better}')


def _check_port(value: str) -> None:
    if not (value.isascii() and value.isdecimal() and 1 <= int(value[:6]) <= 65535):
        raise UsageError(f'--port "{value}" is not a number from 1 to 65535')


def _check_address(value: str) -> None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise UsageError(f'--address "{value}" is not an IP address') from None
