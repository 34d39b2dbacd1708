"""Rules about the fields of an object."""

from anygate.diagnostics import Rule, Severity

_SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: cart
spec:
  ports:
  - port: 80
"""

UNKNOWN_FIELD = Rule(
    id="unknown-field",
    severity=Severity.ERROR,
    what="A field has a name that its object does not have.",
    why="Kubernetes would drop or refuse it; ignoring it silently would change what the manifest means.",
    wrong=_SERVICE.replace("port: 80", "port: 80\n    prot: UDP"),
    right=_SERVICE.replace("port: 80", "port: 80\n    protocol: UDP"),
)

MISSING_FIELD = Rule(
    id="missing-field",
    severity=Severity.ERROR,
    what="A field that must be set is absent.",
    why="It has no default, so the object cannot be used without it.",
    wrong=_SERVICE.replace("port: 80", "name: http"),
    right=_SERVICE.replace("port: 80", "name: http\n    port: 80"),
)

WRONG_TYPE = Rule(
    id="wrong-type",
    severity=Severity.ERROR,
    what="A value has another type than its field: a string where a number belongs, and the like.",
    why='Kubernetes does not convert between types; "80" in quotes is a string, 80 is a number.',
    wrong=_SERVICE.replace("port: 80", 'port: "80"'),
    right=_SERVICE,
)

INVALID_VALUE = Rule(
    id="invalid-value",
    severity=Severity.ERROR,
    what="A value has the right type but is not one of those the field accepts.",
    why="Kubernetes would refuse the object.",
    wrong=_SERVICE.replace("port: 80", "port: 80000"),
    right=_SERVICE.replace("port: 80", "port: 8000"),
)
