"""String matches and other small parts that several Envoy Gateway settings share."""

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from anygate.manifests.kind import Node

HttpStatus = Annotated[int, Field(ge=100, le=599)]
Percent = Annotated[int, Field(ge=0, le=100)]
UInt32 = Annotated[int, Field(ge=0, le=4_294_967_295)]


def _check_cidr(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
        valid = "/" in text
    except ValueError:
        valid = False
    if not valid:
        raise PydanticCustomError("invalid", "must be an address range such as 10.0.0.0/8")
    return text


Cidr = Annotated[str, AfterValidator(_check_cidr)]


class StringMatch(Node):
    """How a text is compared; regular expressions are RE2 and match the whole text."""

    type: Literal["Exact", "Prefix", "Suffix", "RegularExpression"] = "Exact"
    value: str = Field(min_length=1, max_length=1024)
