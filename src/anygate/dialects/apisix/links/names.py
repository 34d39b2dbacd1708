"""Names, hosts and addresses as stack files write them."""

import ipaddress
import re

from anygate.diagnostics import Rule
from anygate.dialects.apisix.links.entry import Entry, is_placeholder
from anygate.dialects.apisix.links.rules.attributes import HOST, SUBDOMAIN
from anygate.dialects.apisix.links.rules.shape import DOMAIN, NAME

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
LABEL = re.compile(_LABEL)
DNS_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_LABEL_TEXT = 'use at most 63 lower-case letters, digits and "-", with a letter or digit at both ends'


def read_name(entry: Entry, rule: Rule = NAME) -> str | None:
    """An RFC 1123 label."""
    found = entry.text()
    if found is None or _is_label(found):
        return found
    if is_placeholder(found):
        _refuse_placeholder(entry, rule, "a name", found)
        return None
    guess = re.sub(r"[^a-z0-9]+", "-", found.lower()).strip("-")[:63].strip("-")
    hint = f'{_LABEL_TEXT}, such as "{guess}"' if guess else _LABEL_TEXT
    entry.refuse(rule, f'"{found[:80]}" is not a valid name', hint=hint)
    return None


def read_object_name(entry: Entry, rule: Rule = NAME) -> str | None:
    """The name of a Kubernetes object: labels with dots between them."""
    found = entry.text()
    if found is None or (len(found) <= 253 and DNS_NAME.fullmatch(found)):
        return found
    hint = 'use lower-case letters, digits, "-" and ".", with a letter or digit at both ends'
    entry.refuse(rule, f'"{found[:80]}" is not a valid name', hint=hint)
    return None


def read_subdomain(entry: Entry) -> str | None:
    """One or more DNS labels, in lower case."""
    found = entry.text()
    if found is None:
        return None
    if is_placeholder(found):
        _refuse_placeholder(entry, SUBDOMAIN, "a subdomain", found)
        return None
    name = found.strip().lower()
    if len(name) <= 253 and DNS_NAME.fullmatch(name) and all(len(label) <= 63 for label in name.split(".")):
        return name
    hint = f"{_LABEL_TEXT}; the domain is added to it"
    entry.refuse(SUBDOMAIN, f'"{found[:80]}" is not a valid subdomain', hint=hint)
    return None


def _refuse_placeholder(entry: Entry, rule: Rule, what: str, found: str) -> None:
    seen = f'the placeholder "{found[:60]}"' if found.strip() else "an empty text"
    entry.refuse(rule, f"expected {what}, found {seen}", hint="give it its real name")


def read_domain(entry: Entry) -> str | None:
    """The domain of the stack."""
    found = entry.text()
    if found is None:
        return None
    if not is_placeholder(found) and len(found) <= 253 and DNS_NAME.fullmatch(found) and is_host(found):
        return found
    hint = "leave out the wildcard: hosts are made of a subdomain and the domain" if "*" in found else ""
    hint = hint or "use lower-case letters, digits, hyphens and dots, such as lab.example.org"
    entry.refuse(DOMAIN, f'"{found[:80]}" is not a domain', hint=hint)
    return None


def is_host(text: str) -> bool:
    """Whether a text is a DNS name, "*." allowed in front, short enough in whole and in part, and no address."""
    if len(text) > 253 or not _HOST.fullmatch(text) or any(len(label) > 63 for label in text.split(".")):
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return True
    return False


def check_host(host: str, entry: Entry) -> None:
    """Report a derived host that is too long."""
    label = next((label for label in host.split(".") if len(label) > 63), None)
    if label is not None:
        hint = "shorten the subdomain or the name of the port"
        entry.refuse(HOST, f'the label "{label}" of {host} has {len(label)} characters, 63 are allowed', hint=hint)
    elif len(host) > 253:
        entry.refuse(HOST, f"{host[:60]}... has {len(host)} characters, 253 are allowed", hint="shorten the subdomain")


def is_network(text: str) -> bool:
    """Whether a text is an IP address or a CIDR block."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    # Python also reads a netmask behind the slash, which APISIX does not.
    return "/" not in text or text.rpartition("/")[2].isdecimal()


def _is_label(text: str) -> bool:
    return len(text) <= 63 and LABEL.fullmatch(text) is not None
