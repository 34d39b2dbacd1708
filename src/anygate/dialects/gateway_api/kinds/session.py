"""Session persistence, in the released shape and in the newer one with `cookie` and `header`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.violations import Violations, check_exclusive
from anygate.manifests.fields import Duration, HeaderName
from anygate.manifests.kind import Node

LifetimeType = Literal["Permanent", "Session"]


class CookieConfig(Node):
    """Cookie settings of the released shape."""

    lifetime_type: LifetimeType = "Session"


class SessionCookie(Node):
    """Cookie settings of the newer shape."""

    name: str | None = Field(default=None, min_length=1, max_length=128)
    path: str = "/"
    lifetime_type: LifetimeType = "Session"


class SessionHeader(Node):
    """Header settings of the newer shape."""

    name: HeaderName


class SessionPersistence(Node):
    """Requests of one session go to one backend."""

    type: Literal["Cookie", "Header"] = "Cookie"
    absolute_timeout: Duration | None = None
    # Released shape.
    session_name: str | None = Field(default=None, max_length=128)
    idle_timeout: Duration | None = None
    cookie_config: CookieConfig | None = None
    # Newer shape.
    cookie: SessionCookie | None = None
    header: SessionHeader | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        for name, content, type_ in (
            ("cookieConfig", self.cookie_config, "Cookie"),
            ("cookie", self.cookie, "Cookie"),
            ("header", self.header, "Header"),
        ):
            if content is not None and self.chosen_type != type_:
                found.add(f"{name} is only allowed when type is {type_}", name, code="forbidden")
        check_exclusive(found, cookieConfig=self.cookie_config, cookie=self.cookie)
        self._check_timeouts(found)
        found.refuse()
        return self

    def _check_timeouts(self, found: Violations) -> None:
        if self.lifetime_type == "Permanent" and self.absolute_timeout is None:
            text = "absoluteTimeout is required when the cookie's lifetimeType is Permanent"
            found.add(text, "absoluteTimeout", code="required")
        if self.absolute_timeout and self.idle_timeout and self.idle_timeout > self.absolute_timeout:
            found.add("must not be longer than absoluteTimeout", "idleTimeout")

    @property
    def chosen_type(self) -> Literal["Cookie", "Header"]:
        """What carries the session, by whichever name it goes."""
        return self.type

    @property
    def lifetime_type(self) -> LifetimeType:
        """How long the cookie lives, in whichever shape it is written."""
        settings = self.cookie or self.cookie_config
        return settings.lifetime_type if settings else "Session"

    @property
    def token_name(self) -> str | None:
        """Name of the cookie or header, in whichever shape it is written."""
        if self.cookie is not None and self.cookie.name is not None:
            return self.cookie.name
        return self.header.name if self.header is not None else self.session_name
