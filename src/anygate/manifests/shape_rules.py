"""Rules about what makes a document a Kubernetes object."""

from anygate.diagnostics import Rule, Severity

_NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata:
  name: shop
"""

NOT_AN_OBJECT = Rule(
    id="not-an-object",
    severity=Severity.ERROR,
    what="A document, or an item of a List, is not a mapping with apiVersion, kind and metadata.",
    why="Without apiVersion, kind and metadata.name nothing can tell what the document means.",
    wrong="- shop\n- store",
    right=_NAMESPACE,
)

INVALID_NAME = Rule(
    id="invalid-name",
    severity=Severity.ERROR,
    what="The name or namespace of an object is not one that Kubernetes accepts.",
    why="""
        A name is a DNS-1123 subdomain: lower-case letters, digits, "-" and ".", at most 253 characters,
        starting and ending with a letter or digit. A namespace has no "." and at most 63 characters.
    """,
    wrong="""
        apiVersion: v1
        kind: Namespace
        metadata:
          name: Shop_Frontend
    """,
    right="""
        apiVersion: v1
        kind: Namespace
        metadata:
          name: shop-frontend
    """,
)

DUPLICATE_OBJECT = Rule(
    id="duplicate-object",
    severity=Severity.ERROR,
    what="Two documents describe the same object. With identical content this is only a warning.",
    why="A cluster holds one of them; the first is used here and the second is ignored.",
    wrong=_NAMESPACE
    + """---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels:
    team: web
""",
    right="""
        apiVersion: v1
        kind: Namespace
        metadata:
          name: shop
          labels:
            team: web
    """,
)
