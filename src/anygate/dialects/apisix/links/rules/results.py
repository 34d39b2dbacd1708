"""Rules about what is generated, and about the folder that it goes to."""

from anygate.diagnostics import Severity
from anygate.dialects.apisix.links.rules.example import DOOR, SHOP, declare

DUPLICATE_ROUTE = declare(
    "duplicate-route",
    what="Two links are for the same host and path.",
    why="Only one of them could ever answer.",
    wrong=SHOP.replace("links:", "- {name: cart, type: python}\nlinks:")
    + "- {link: apisix-python, to: cart, subdomain: shop}\n",
    right=SHOP.replace("links:", "- {name: cart, type: python}\nlinks:")
    + "- {link: apisix-python, to: cart, subdomain: cart}\n",
)
DUPLICATE_OBJECT = declare(
    "duplicate-object",
    what="Two links generate an object of the same kind, namespace and name.",
    why="The second would overwrite the first in the cluster.",
    wrong=DOOR.replace("links:", "- {name: api, type: python}\nlinks:")
    + "- {link: apisix-python, to: api, subdomain: other}\n",
    right=DOOR.replace("links:", "- {name: api-python, type: python}\nlinks:")
    + "- {link: apisix-python, to: api-python, subdomain: other}\n",
)
DUPLICATE_API_KEY = declare(
    "duplicate-api-key",
    what="Two consumers have the same API key.",
    why="A key says who is calling; APISIX takes any one of them.",
    wrong=DOOR.replace(
        "- {name: api, subdomain: api}",
        "- {name: api, subdomain: api, api_key: k1}\n  - {name: b, subdomain: b, api_key: k1}",
    ).replace("to: orders,", "to: orders, from: api,")
    + "- {link: gateway-external_source_code, from: b, to: orders}\n",
    right=DOOR.replace(
        "- {name: api, subdomain: api}",
        "- {name: api, subdomain: api, api_key: k1}\n  - {name: b, subdomain: b, api_key: k2}",
    ).replace("to: orders,", "to: orders, from: api,")
    + "- {link: gateway-external_source_code, from: b, to: orders}\n",
)
FOREIGN_FILE = declare(
    "foreign-file",
    what="A file that is to be written exists and was not written by `anygate links`.",
    why="Somebody's own work would be lost.",
    wrong="# a hand-written route/grafana.yaml, and a link apisix-grafana",
    right="# the hand-written file under another name",
)
FOREIGN_FILE_KEPT = declare(
    "foreign-file-kept",
    what="A file has the name of a link's that the stack does not have, and was not written by `anygate links`.",
    why="It is left as it is; its routes are still applied.",
    wrong="# a hand-written route/grafana.yaml, and no link apisix-grafana",
    right="# the hand-written file under another name",
    severity=Severity.WARNING,
)
