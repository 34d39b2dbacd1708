"""The fields that hold credentials are known to what shows lines of manifests."""

import typing

import pytest

from anygate.diagnostics.credentials import CREDENTIALS, CREDENTIALS_NEAR
from anygate.dialects import declare_rules
from anygate.manifests.fields import Sensitive
from anygate.manifests.kind import Node

KNOWN = {name.lower() for name in CREDENTIALS}.union(*CREDENTIALS_NEAR.values())
INSIDE = {
    "Auth": "below `auth`",
    "AwsAuth": "below `auth`",
    "BasicValue": "below `value`",
    "ConfigMap": "holds no credentials, only bytes",
    "HmacValue": "below `value`",
    "JwtValue": "below `value`",
    "KeyValue": "below `value`",
    "OpenIdSession": "below `session`",
    "Secret": "a Secret is shown nowhere",
}
"""Shapes whose fields are hidden by what they stand in."""


def find_sensitive(shape=Node):
    for one in shape.__subclasses__():
        for name, field in one.model_fields.items():
            if holds_sensitive(field.annotation):
                yield one, field.alias or name
        yield from find_sensitive(one)


def holds_sensitive(annotation):
    return annotation is Sensitive or any(map(holds_sensitive, typing.get_args(annotation)))


declare_rules()


@pytest.mark.parametrize(
    ("shape", "name"), [pytest.param(*one, id=f"{one[0].__name__}.{one[1]}") for one in find_sensitive()]
)
def test_every_credential_is_hidden(shape, name):
    assert name.lower() in KNOWN or shape.__name__ in INSIDE
