"""Rules about which link goes where."""

from anygate.dialects.apisix.links.rules.example import DOOR, SHOP, declare

UNKNOWN_LINK = declare(
    "unknown-link",
    what="A link is of a type that does not exist.",
    why="There are 23 direct links (apisix-*), gateway-external_source_code and three of AI gateways (ai_gateway-*).",
    wrong=SHOP.replace("apisix-fastapi", "apisix-fastapy"),
    right=SHOP,
)
UNKNOWN_COMPONENT = declare(
    "unknown-component",
    what="A link names a component, a model or a gateway that the stack does not have.",
    why="There is nothing to route to or from.",
    wrong=SHOP.replace("to: shop", "to: shpo"),
    right=SHOP,
)
COMPONENT_TYPE = declare(
    "component-type",
    what="A component has a type that does not exist, or another one than the link goes to.",
    why="The type of a link says which Service and port of a component are routed.",
    wrong=SHOP.replace("apisix-fastapi", "apisix-grafana"),
    right=SHOP,
)
AMBIGUOUS_TARGET = declare(
    "ambiguous-target",
    what="A link leaves out where it goes or comes from, and there is more than one possibility.",
    why="Only when there is exactly one component or gateway of the type can it be left out.",
    wrong=SHOP.replace("components:", "components:\n- {name: cart, type: fastapi}").replace("  to: shop\n", ""),
    right=SHOP.replace("  to: shop\n", ""),
)
DUPLICATE_LINK = declare(
    "duplicate-link",
    what="Two links connect the same gateway with the same backend.",
    why="The backend would be a node twice, with two weights.",
    wrong=DOOR + "- {link: gateway-external_source_code, to: orders, weight: 10}\n",
    right=DOOR,
)
