"""Rules about the file, its fields and its names."""

from anygate.dialects.apisix.links.rules.example import DOOR, SHOP, declare, with_attribute

SHAPE = declare(
    "shape",
    what="A stack file is not one YAML mapping.",
    why="It describes one stack: its domain, its components and the links to them.",
    wrong=SHOP + "---\n" + SHOP,
    right=SHOP,
)
UNKNOWN_FIELD = declare(
    "unknown-field",
    what="A field or attribute has a name that is not known where it stands.",
    why="Ignoring it silently would change what the stack means, such as a limit that is not there.",
    wrong=with_attribute("rate_limit: true"),
    right=with_attribute("rate_limiting: true"),
)
MISSING_FIELD = declare(
    "missing-field",
    what="A field that must be set is absent or empty.",
    why="It has no default.",
    wrong=SHOP.replace("- {name: shop, type: fastapi}", "- {name: shop}"),
    right=SHOP,
)
WRONG_TYPE = declare(
    "wrong-type",
    what="A value is of another type than its field takes.",
    why='Booleans may be written true, false, yes, no, 1 or 0, numbers also in quotes; "maybe" is neither.',
    wrong=with_attribute("cors: maybe"),
    right=with_attribute("cors: true"),
)
INVALID_VALUE = declare(
    "invalid-value",
    what="A value has the right type but is not one that the field accepts.",
    why="APISIX or Kubernetes would refuse what is generated from it, or read it in another way.",
    wrong=SHOP + "apisix: {external_traffic: Everywhere}\n",
    right=SHOP + "apisix: {external_traffic: Local}\n",
)
NAME = declare(
    "name",
    what="A name is not an RFC 1123 label, or is still a placeholder.",
    why="""
        It becomes part of the names of Kubernetes objects: at most 63 lower-case letters, digits and "-", starting and
        ending with a letter or digit. A placeholder such as "Default Value" would end up as a name in the cluster.
    """,
    wrong=SHOP.replace("name: shop", "name: My_Shop").replace("to: shop", "to: My_Shop"),
    right=SHOP,
)
DUPLICATE_NAME = declare(
    "duplicate-name",
    what="Two components, two models of one component or two gateways have the same name.",
    why="Links find their targets by name.",
    wrong=SHOP.replace("components:", "components:\n- {name: shop, type: grafana}"),
    right=SHOP.replace("components:", "components:\n- {name: charts, type: grafana}"),
)
DOMAIN = declare(
    "domain",
    what="The stack has no domain, or it is not a lower-case DNS name.",
    why="Every host is made of a subdomain and the domain; the certificate is for every host below it.",
    wrong=SHOP.replace("lab.example.org", '"*.example.org"'),
    right=SHOP,
)
ENVIRONMENT = declare(
    "environment",
    what="A secret is to be taken from an environment variable that is not set or empty.",
    why="Without it the generated files would hold an empty key.",
    wrong=DOOR.replace("subdomain: api}", "subdomain: api, api_key: {env: NOBODY_SETS_THIS}}"),
    right=DOOR.replace("subdomain: api}", "subdomain: api, api_key: {secret: api-key}}"),
)
