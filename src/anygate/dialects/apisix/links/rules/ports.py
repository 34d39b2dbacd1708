"""Rules about the ports of components."""

from anygate.diagnostics import Severity
from anygate.dialects.apisix.links.rules.example import GAME, SHOP, declare, with_attribute

PORT_SPEC = declare(
    "port-spec",
    what='A port is not written "name:port:protocol" or "name:port:protocol:stream".',
    why="Name and number become those of the Service; the last word says that the port is not HTTP.",
    wrong=GAME.replace("web:8080:TCP", "web:8080:HTTP"),
    right=GAME,
)
DUPLICATE_PORT = declare(
    "duplicate-port",
    what="A component has the same port name twice, or the same number with the same protocol.",
    why="A Service can have neither.",
    wrong=GAME.replace("play:7000", "web:7000"),
    right=GAME,
)
NO_HTTP_PORT = declare(
    "no-http-port",
    what="A link goes to a component none of whose ports can be routed.",
    why="HTTP goes to the first TCP port without `stream`; stream ports are routed only with route_all.",
    wrong=GAME.replace("    web:8080:TCP\n", "").replace("route_all: true", "route_all: false"),
    right=GAME,
)
STREAM_PORT_TAKEN = declare(
    "stream-port-taken",
    what="A stream port is used by two components.",
    why="A stream has no host, so that a port of the load balancer leads to one component only.",
    wrong=GAME.replace("links:", '- {name: chess, type: image_base, ports: "play:7000:UDP:stream"}\nlinks:')
    + "- {link: apisix-image_base, to: chess, route_all: true}\n",
    right=GAME.replace("links:", '- {name: chess, type: image_base, ports: "play:7001:UDP:stream"}\nlinks:')
    + "- {link: apisix-image_base, to: chess, route_all: true}\n",
)
STREAM_PORT_RESERVED = declare(
    "stream-port-reserved",
    what="A stream port is one that APISIX itself listens on.",
    why="The port is taken already; apisix.reserved_ports lists them.",
    wrong=GAME.replace("7000", "9443"),
    right=GAME,
)
ROUTE_ALL = declare(
    "route-all",
    what="The attribute route_all stands on a link to a component without a list of ports.",
    why="Only image_base has `ports`; any other component may have `stream_ports`.",
    wrong=with_attribute("route_all: true"),
    right=SHOP,
)
UDP_NOT_ROUTED = declare(
    "udp-not-routed",
    what="A UDP port is not routed because it is not marked as a stream.",
    why="HTTP routes are TCP, and streams are routed only where the port says so.",
    wrong=GAME.replace(":UDP:stream", ":UDP"),
    right=GAME,
    severity=Severity.WARNING,
)
POSTGRESQL_HTTP = declare(
    "postgresql-http",
    what="An HTTP route goes to PostgreSQL, which does not speak HTTP.",
    why="It only makes sense for an HTTP front such as pgAdmin, whose port must be given.",
    wrong=SHOP.replace("type: fastapi", "type: postgresql").replace("apisix-fastapi", "apisix-postgresql"),
    right=SHOP.replace("type: fastapi", "type: postgresql, port: 8080").replace("apisix-fastapi", "apisix-postgresql"),
    severity=Severity.WARNING,
)
