"""wolf-rbac: a token, and whether a wolf server lets its owner do this.

https://apisix.apache.org/docs/apisix/plugins/wolf-rbac/
"""

from collections.abc import Sequence

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.kinds.apisixconsumer import WolfValue
from anygate.dialects.apisix.plugins.changes import with_check
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.consumers import CALLER
from anygate.dialects.apisix.plugins.plugin import Answered, Consumer, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security.recognition import by_credential, keep_out
from anygate.model.checks import WolfApplication, WolfCheck
from anygate.model.route import HttpRule
from anygate.urls import split_url

_APPLICATION, _SERVER, _PREFIX = "unset", "http://127.0.0.1:12180", "X-"


class WolfRbacConfig(Config):
    """Nothing: what counts is what the consumer says."""

    appid: str | None = None
    server: str | None = None
    header_prefix: str | None = None
    ssl_verify: bool | None = None


class WolfRbac:
    """The wolf server is asked by our own service."""

    name = "wolf-rbac"
    config = WolfRbacConfig
    is_guard = True

    def apply(
        self, config: WolfRbacConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Want a token of an application that is a consumer."""
        for name in sorted(config.model_fields_set):
            surroundings.note(NOT_HONOURED, "what counts is what the consumer says", (name,))
        found = _find_applications(surroundings)
        if not found:
            return keep_out(rule, self.name, "is an application of wolf", surroundings)
        applications = tuple(_read_application(name, one) for name, one in sorted(found.items()))
        check = WolfCheck(origin=surroundings.origin, applications=applications, header=CALLER)
        return (with_check(rule, check),)


def _find_applications(surroundings: Surroundings) -> dict[str, Consumer]:
    """The consumer of each application."""

    def read(consumer: Consumer) -> str | None:
        if not _is_usable(consumer.credential):
            surroundings.note(NOT_HONOURED, f"the server of {consumer.id} is no URL, so it does not get in")
            return None
        return consumer.credential.appid or _APPLICATION

    return by_credential(surroundings, "wolfRBAC", "appid", read)


def _is_usable(credential: WolfValue) -> bool:
    parts = split_url(credential.server or _SERVER)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query


def _read_application(name: str, consumer: Consumer) -> WolfApplication:
    written: WolfValue = consumer.credential
    prefix = _PREFIX if written.header_prefix is None else written.header_prefix
    server = (written.server or _SERVER).rstrip("/")
    # APISIX looks at the server's certificate only if it is told to; here it has to be told not to.
    verify = written.ssl_verify is not False
    return WolfApplication(id=name, caller=consumer.id, server=server, header_prefix=prefix, verify=verify)
