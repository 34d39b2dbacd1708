"""From where a stream may be used: the plugin ip-restriction as streams have it."""

from dataclasses import dataclass

from pydantic import ValidationError

from anygate.dialects.apisix.context import Context, Fault
from anygate.dialects.apisix.findings import PLUGIN_CONFIG
from anygate.dialects.apisix.kinds.values import Network
from anygate.dialects.apisix.plugins.entries import Entry
from anygate.manifests.faults import report_faults
from anygate.manifests.fields import Many
from anygate.manifests.kind import Node


class SourceRestriction(Node):
    """Addresses that are let in, or that are not."""

    whitelist: Many[Network] = ()
    blacklist: Many[Network] = ()
    message: str = ""


@dataclass(frozen=True)
class Sources:
    """Addresses that are let in, all where there are none, and addresses that are not."""

    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()


def read_sources(context: Context, entry: Entry) -> Sources | Fault:
    """What an entry of ip-restriction says."""
    try:
        found = SourceRestriction.model_validate(entry.config)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        report_faults(entry.owner.manifest, SourceRestriction, faults, context.report, entry.config_path)
        return Fault(PLUGIN_CONFIG, "the configuration of ip-restriction is not valid", entry.path)
    if entry.secret or bool(found.whitelist) == bool(found.blacklist):
        return Fault(PLUGIN_CONFIG, "expected either a whitelist or a blacklist, in the configuration", entry.path)
    return Sources(found.whitelist, found.blacklist)
