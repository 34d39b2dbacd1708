"""As much of LDAP as it takes to find out whether a directory takes a name and a password: one bind.

https://www.rfc-editor.org/rfc/rfc4511#section-4.2 and, for names, https://www.rfc-editor.org/rfc/rfc4514#section-2.4

No LDAP client for asyncio is kept up to date; the messages are pyasn1's.
"""

import asyncio
import ssl
from contextlib import suppress

_VERSION, _MESSAGE, _SUCCESS = 3, 1, 0
_SPECIAL = frozenset('"+,;<>\\=')
_LONGEST = 65_536
_PARTING = 0.5
"""How long, in seconds, the other side has to hang up over TLS, too."""


class LdapError(Exception):
    """A directory could not be asked, or did not answer as LDAP says."""


async def bind(
    place: tuple[str, int], name: str, password: str, tls: ssl.SSLContext | None = None, host: str = ""
) -> bool:
    """Whether the directory at an address and port takes the password for a DN; raises LdapError.

    `host` is what its certificate has to be for, unless that is the address.
    Without a password a directory lets everybody in as nobody (RFC 4513, 5.1.2), so it is not even asked then.
    """
    if not name or not password:
        return False
    try:
        named, parting = (host or place[0], _PARTING) if tls is not None else (None, None)
        reader, writer = await asyncio.open_connection(
            *place, limit=_LONGEST, ssl=tls, server_hostname=named, ssl_shutdown_timeout=parting
        )
    except (OSError, ValueError) as problem:
        raise LdapError(_reason(problem)) from None
    try:
        writer.write(_write_bind(name, password))
        await writer.drain()
        code = await _read_result(reader)
        writer.write(_write_unbind())
    except OSError as problem:
        raise LdapError(_reason(problem)) from None
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return code == _SUCCESS


def escape_value(text: str) -> str:
    """The value of an attribute as it stands in a DN, so that it is a value whatever is in it."""
    found = []
    for at, letter in enumerate(text):
        is_edge = (at == 0 and letter in " #") or (at == len(text) - 1 and letter == " ")
        if letter in _SPECIAL or is_edge:
            found.append(f"\\{letter}")
        elif letter < " " or letter == "\x7f":
            found.append(f"\\{ord(letter):02x}")
        else:
            found.append(letter)
    return "".join(found)


def _reason(problem: Exception) -> str:
    return (problem.strerror if isinstance(problem, OSError) else "") or str(problem) or type(problem).__name__


def _write_bind(name: str, password: str) -> bytes:
    from pyasn1.codec.ber import encoder
    from pyasn1_modules.rfc2251 import LDAPMessage

    message = LDAPMessage()
    message["messageID"] = _MESSAGE
    wanted = message["protocolOp"]["bindRequest"]
    wanted["version"] = _VERSION
    wanted["name"] = name.encode("utf-8", "surrogateescape")
    wanted["authentication"]["simple"] = password.encode("utf-8", "surrogateescape")
    return bytes(encoder.encode(message))


def _write_unbind() -> bytes:
    from pyasn1.codec.ber import encoder
    from pyasn1_modules.rfc2251 import LDAPMessage, UnbindRequest

    message = LDAPMessage()
    message["messageID"] = _MESSAGE + 1
    message["protocolOp"]["unbindRequest"] = UnbindRequest("")
    return bytes(encoder.encode(message))


async def _read_result(reader: asyncio.StreamReader) -> int:
    """The result code of the answer to our bind."""
    from pyasn1.codec.ber import decoder
    from pyasn1.error import PyAsn1Error, SubstrateUnderrunError
    from pyasn1_modules.rfc2251 import LDAPMessage

    received = b""
    while True:
        more = await reader.read(_LONGEST)
        if not more:
            raise LdapError("it closed the connection")
        received += more
        try:
            message, _ = decoder.decode(received, asn1Spec=LDAPMessage())
        except SubstrateUnderrunError:
            if len(received) > _LONGEST:
                raise LdapError("its answer is too long") from None
            continue
        except PyAsn1Error:
            raise LdapError("it does not speak LDAP") from None
        if message["messageID"] != _MESSAGE or message["protocolOp"].getName() != "bindResponse":
            raise LdapError("it answers something else")
        return int(message["protocolOp"]["bindResponse"]["resultCode"])
