"""The servers of one port, be it a gateway's or a sidecar's: plain, over TLS, or both on one port."""

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.certificates import read_server_tls
from anygate.dialects.app_mesh.context import Context, Fault
from anygate.dialects.app_mesh.kinds.connections import Logging
from anygate.dialects.app_mesh.kinds.tls import ListenerTls
from anygate.dialects.app_mesh.log_formats import find_wrong_formats
from anygate.manifests.kind import Kind
from anygate.model.listener import AccessLog, HttpServer, Server
from anygate.model.tls import ServerTls

HTTP = HttpServer(underscores="allow", escaped_slashes="keep")
"""How App Mesh's Envoys speak HTTP."""


def read_tls(
    context: Context, item: Kind, tls: ListenerTls | None, path: FieldPath, protocol: str
) -> ServerTls | Fault | None:
    """The TLS that a listener serves, none where it is switched off."""
    if tls is None or tls.mode == "DISABLED":
        return None
    return read_server_tls(context, item, tls, (*path, "tls"), protocol)


def build_servers(plain: Server, tls: ServerTls | None, wanted: ListenerTls | None) -> tuple[Server, ...]:
    """A server as it is without TLS, as it is with it, or both where a listener takes either."""
    if tls is None:
        return (plain,)
    protocol = "https" if plain.protocol == "http" else "tls_terminate"
    secure = msgspec.structs.replace(plain, name=protocol, protocol=protocol, tls=tls)
    return (plain, secure) if wanted is not None and wanted.mode == "PERMISSIVE" else (secure,)


def read_log(logging: Logging | None) -> AccessLog | None:
    """The file in which requests are written down; none with a format that Envoy would refuse."""
    found = logging.access_log.file if logging is not None and logging.access_log is not None else None
    if found is None or any(find_wrong_formats(logging)):
        return None
    form = found.format
    fields = tuple((one.key, one.value) for one in form.json_fields or ()) if form is not None else ()
    return AccessLog(path=found.path, text=(form.text or "") if form is not None else "", fields=fields)
