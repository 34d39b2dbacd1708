"""Directories and wolf servers that are somewhere else than the manifests say, by `--resolve`."""

from collections.abc import Sequence

import msgspec

from anygate.model import Model
from anygate.model.checks import Check, LdapCheck, WolfApplication, WolfCheck
from anygate.model.places import Place, change_rules
from anygate.model.root import list_rules
from anygate.model.route import HttpRule
from anygate.runner.destinations import Resolution, match_resolution
from anygate.urls import split_url

_PORTS = {"http": 80, "https": 443}


def redirect_checks(model: Model, resolutions: Sequence[Resolution]) -> Model:
    """The model with checks that ask where resolutions lead."""
    if not find_asked(model, resolutions):
        return model

    def redirect(place: Place) -> HttpRule:
        security = place.rule.security
        if security is None or not security.checks:
            return place.rule
        checks = tuple(_redirect(one, resolutions) for one in security.checks)
        return msgspec.structs.replace(place.rule, security=msgspec.structs.replace(security, checks=checks))

    return change_rules(model, redirect)


def find_asked(model: Model, resolutions: Sequence[Resolution]) -> set[Resolution]:
    """The resolutions that lead to somebody whom a check asks."""
    if not resolutions:
        return set()
    checks = {one for rule in list_rules(model) if rule.security for one in rule.security.checks}
    places = {_place_of(one) for one in checks if isinstance(one, LdapCheck)}
    places |= {_place_of(one) for check in checks if isinstance(check, WolfCheck) for one in check.applications}
    found = {match_resolution({host}, port, resolutions) for host, port in places}
    return {one for one in found if one is not None}


def _redirect(check: Check, resolutions: Sequence[Resolution]) -> Check:
    if isinstance(check, LdapCheck):
        return msgspec.structs.replace(check, reached=_find_address(check, resolutions))
    if isinstance(check, WolfCheck):
        applications = tuple(
            msgspec.structs.replace(one, reached=_find_address(one, resolutions)) for one in check.applications
        )
        return msgspec.structs.replace(check, applications=applications)
    return check


def _find_address(asked: LdapCheck | WolfApplication, resolutions: Sequence[Resolution]) -> tuple[str, int] | None:
    host, port = _place_of(asked)
    found = match_resolution({host}, port, resolutions)
    return (found.address, found.to_port) if found is not None else None


def _place_of(asked: LdapCheck | WolfApplication) -> tuple[str, int]:
    if isinstance(asked, LdapCheck):
        return asked.host, asked.port
    parts = split_url(asked.server)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
