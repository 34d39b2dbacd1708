"""Checks that Envoy has nothing for: a service of ours beside it is asked about each request, and says who calls.

Those that recognise somebody put the name into `header`, for the backend and for the checks behind them.
"""

from datetime import timedelta

from anygate.model.origin import Node, Origin


class HmacCheck(Node, frozen=True, tag_field="check", tag="hmac"):
    """A signature over parts of the request, with a key that both sides know.

    `secret` names an `Opaque` with a JSON object of key id to the caller's name and key. Of the request all of
    `signed_headers` have to be signed. Its date may differ from ours by `clock_skew`. Bodies of at most `body_limit`
    bytes are held against their digest, with 0 none is looked at. Who is not recognised is called `anonymous`, or is
    refused with `challenge` if that is empty.
    """

    origin: Origin
    secret: str
    header: str
    algorithms: tuple[str, ...] = ("hmac-sha1", "hmac-sha256", "hmac-sha512")
    clock_skew: timedelta = timedelta(minutes=5)
    signed_headers: tuple[str, ...] = ("date",)
    body_limit: int = 0
    hide_credentials: bool = False
    challenge: str = ""
    anonymous: str = ""


class CsrfCheck(Node, frozen=True, tag_field="check", tag="csrf"):
    """A token in a cookie that every answer sets anew; requests that change something repeat it in a header.

    `secret` names an `Opaque` with the key by which tokens are known. Tokens hold for `lifetime`, for good with 0.
    """

    origin: Origin
    secret: str
    name: str
    lifetime: timedelta


class LdapCheck(Node, frozen=True, tag_field="check", tag="ldap"):
    """A user name and a password by which a directory lets somebody in, who is one of `users` (DN, name).

    The DN is that of the entry below `base_dn` whose `attribute` is the user name. The directory is reached at
    `reached` (address, port) where that is given.
    """

    origin: Origin
    host: str
    port: int
    base_dn: str
    attribute: str
    users: tuple[tuple[str, str], ...]
    header: str
    challenge: str = ""
    tls: bool = False
    verify: bool = False
    reached: tuple[str, int] | None = None


class WolfApplication(Node, frozen=True):
    """An application that a wolf server knows: its id, what its callers are called, and the server's URL.

    What the server says of a user is put into headers whose names begin with `header_prefix`. It is reached at
    `reached` (address, port) where that is given.
    """

    id: str
    caller: str
    server: str
    header_prefix: str = ""
    verify: bool = True
    reached: tuple[str, int] | None = None

    @property
    def user_headers(self) -> tuple[str, ...]:
        """The headers with a user's id, name and nickname."""
        return tuple(f"{self.header_prefix}{name}" for name in ("UserId", "Username", "Nickname"))


class WolfCheck(Node, frozen=True, tag_field="check", tag="wolf"):
    """A token of an application, and whether the wolf server of that application lets its owner do this."""

    origin: Origin
    applications: tuple[WolfApplication, ...]
    header: str


Check = HmacCheck | CsrfCheck | LdapCheck | WolfCheck
"""What is asked about a request; all checks of a rule have to let it pass, in order."""
