"""Rules about YAML itself."""

from anygate.diagnostics import Rule, Severity

_NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata:
  name: shop
"""

YAML_SYNTAX = Rule(
    id="yaml-syntax",
    severity=Severity.ERROR,
    what="The text is not YAML (or JSON), so the document that contains it cannot be read.",
    why="Other documents of the file are still read; this one is left out as a whole.",
    wrong="""
        apiVersion: v1
        kind: Namespace
        metadata:
          name: "shop
    """,
    right=_NAMESPACE,
)

DUPLICATE_KEY = Rule(
    id="duplicate-key",
    severity=Severity.ERROR,
    what="A mapping has the same key twice.",
    why="Tools disagree on which one counts, so the document is left out instead of guessed at.",
    wrong="""
        apiVersion: v1
        kind: Namespace
        metadata:
          name: shop
          name: store
    """,
    right=_NAMESPACE,
)

INVALID_KEY = Rule(
    id="invalid-key",
    severity=Severity.ERROR,
    what="A mapping key is not a string, or a merge key does not hold a mapping.",
    why="Kubernetes objects are JSON, whose keys are strings.",
    wrong="""
        apiVersion: v1
        kind: Namespace
        metadata:
          name: shop
          labels:
            ? [team, shop]
            : "true"
    """,
    right="""
        apiVersion: v1
        kind: Namespace
        metadata:
          name: shop
          labels:
            team: shop
    """,
)

YAML_TAG = Rule(
    id="yaml-tag",
    severity=Severity.ERROR,
    what="A YAML tag (!name) is unknown, or does not fit the value behind it.",
    why="Only YAML's own tags (!!str, !!int, !!float, !!bool, !!null, !!binary) mean something here.",
    wrong="""
        apiVersion: v1
        kind: Namespace
        metadata:
          name: !Ref shop
    """,
    right=_NAMESPACE,
)

NESTING_LIMIT = Rule(
    id="nesting-limit",
    severity=Severity.ERROR,
    what="Lists and mappings stand deeper in each other than any Kubernetes object does.",
    why="Such a document is a mistake or an attack; reading it could exhaust the stack.",
    wrong="apiVersion: v1\nkind: Namespace\nmetadata:\n  name: " + "[" * 201 + "]" * 201,
    right=_NAMESPACE,
)

ALIAS_LIMIT = Rule(
    id="alias-limit",
    severity=Severity.ERROR,
    what="Aliases (*name) of anchors that contain aliases multiply to a huge document.",
    why='A few lines could otherwise fill the memory (the "billion laughs" attack).',
    wrong="""
        a: &a [x, x, x, x, x, x, x, x, x, x]
        b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
        c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
        d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
        e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
        f: [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
    """,
    right=_NAMESPACE,
)

RECURSIVE_ANCHOR = Rule(
    id="recursive-anchor",
    severity=Severity.ERROR,
    what="An alias (*name) stands inside the value that its own anchor (&name) marks.",
    why="The value would contain itself without end.",
    wrong="""
        apiVersion: v1
        kind: Namespace
        metadata: &metadata
          name: shop
          labels: *metadata
    """,
    right=_NAMESPACE,
)

NOT_TEXT = Rule(
    id="not-text",
    severity=Severity.ERROR,
    what="A file is not UTF-8 (or UTF-16 with a byte order mark) text.",
    why="Manifests are text; a wrong guess at the encoding would change names and values.",
    wrong="# a file in Latin-1, or a binary file with the ending .yaml",
    right="# the same file saved as UTF-8",
    external=True,
)

FILE_TOO_LARGE = Rule(
    id="file-too-large",
    severity=Severity.ERROR,
    what="A file is larger than 50 MB.",
    why="No set of manifests is that large; the file is most likely something else.",
    wrong="# a 60 MB file",
    right="# the same objects in several files",
    external=True,
)

UNREADABLE_FILE = Rule(
    id="unreadable-file",
    severity=Severity.ERROR,
    what="A file in a folder cannot be opened.",
    why="Its objects are missing; everything else in the folder is still read.",
    wrong="# a file without read permission, or a link to a file that is gone",
    right="# the same file, readable",
    external=True,
)
