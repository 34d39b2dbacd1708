"""User names and passwords that a directory knows.

https://apisix.apache.org/docs/apisix/plugins/ldap-auth/
"""

import asyncio
import re
import ssl
from base64 import b64decode
from binascii import Error as Base64Error

from anygate.model.checks import LdapCheck
from anygate.services.checks.asked import Asked
from anygate.services.checks.ldap import LdapError, bind, escape_value
from anygate.services.checks.verdict import Passed, Refused, Verdict
from anygate.services.complaints import Complaints

_BASIC = re.compile(r"Basic\s+(\S+)\s*")
_PATIENCE = 10.0
_UNKNOWN = "Invalid user authorization"


class DirectoryCheck:
    """Binds as the user. A directory that cannot be asked refuses everybody."""

    def __init__(self, settings: LdapCheck, complaints: Complaints) -> None:
        self._settings = settings
        self._complaints = complaints
        self._users = dict(settings.users)
        self._tls = _make_tls(settings.verify) if settings.tls else None

    async def ask(self, asked: Asked, verdict: Verdict) -> None:
        """Put the name on the request of a user whom the directory takes, and who is somebody here."""
        authorization = asked.headers.get("authorization")
        if authorization is None:
            verdict.add(self._refuse("Missing authorization in request"))
            return
        given = _read_credentials(authorization)
        if given is None:
            verdict.add(self._refuse("Invalid authorization in request"))
            return
        settings = self._settings
        name = f"{settings.attribute}={escape_value(given[0])},{settings.base_dn}"
        # A directory may know people who are nobody here, but nobody is asked for whom there is nothing to gain.
        caller = self._users.get(name)
        if caller is None or not await self._is_taken(name, given[1]):
            verdict.add(self._refuse(_UNKNOWN))
            return
        verdict.add(Passed({settings.header: caller}))

    async def _is_taken(self, name: str, password: str) -> bool:
        settings = self._settings
        try:
            async with asyncio.timeout(_PATIENCE):
                place = settings.reached or (settings.host, settings.port)
                return await bind(place, name, password, self._tls, settings.host)
        except TimeoutError:
            reason = f"nothing within {_PATIENCE:g} s"
        except LdapError as problem:
            reason = str(problem)
        self._complaints.tell(f"the directory {settings.host}:{settings.port} cannot be asked: {reason}")
        return False

    def _refuse(self, message: str) -> Refused:
        challenge = self._settings.challenge
        return Refused(401, {"message": message}, {"www-authenticate": challenge} if challenge else {})


def _read_credentials(authorization: str) -> tuple[str, str] | None:
    """The user name and the password, both of which may be empty."""
    found = _BASIC.fullmatch(authorization)
    if found is None:
        return None
    try:
        text = b64decode(found.group(1), validate=True).decode("utf-8", "surrogateescape")
    except (Base64Error, ValueError):
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None


def _make_tls(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
