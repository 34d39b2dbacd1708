"""`envoy.service.auth.v3.Authorization`: makes the checks that an order names."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from anygate.envoy.api import message
from anygate.envoy.check_orders import ORDER_KEY, Order, read_order
from anygate.model.checks import Check, CsrfCheck, HmacCheck, LdapCheck
from anygate.services.checks.asked import read_asked
from anygate.services.checks.directory import DirectoryCheck
from anygate.services.checks.forms import FormCheck
from anygate.services.checks.signatures import SignatureCheck
from anygate.services.checks.verdict import Refused, RequestCheck, Verdict
from anygate.services.checks.wolf import WolfClients, WolfServerCheck
from anygate.services.complaints import Complaints

if TYPE_CHECKING:
    import grpc

NAME = "envoy.service.auth.v3.Authorization"
_NAME_OF_FILE = re.compile(r"[0-9a-f]{64}\.order")
_ADD, _OVERWRITE = 0, 2  # APPEND_IF_EXISTS_OR_ADD, OVERWRITE_IF_EXISTS_OR_ADD
_SEVERAL = frozenset(("set-cookie",))
_PERMISSION_DENIED = 7
_FORBIDDEN = 403


class CheckService:
    """Makes the checks of the orders in a folder. What cannot be checked is an error, with which Envoy refuses."""

    name = NAME

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._request = message("envoy.service.auth.v3.CheckRequest")
        self._response = message("envoy.service.auth.v3.CheckResponse")
        self._complaints = Complaints()
        self._clients = WolfClients()
        self._orders: dict[str, tuple[RequestCheck, ...]] = {}
        codes = self._response().denied_response.status.DESCRIPTOR.fields_by_name["code"].enum_type
        self._statuses = frozenset(codes.values_by_number) - {0}

    def methods(self) -> "Mapping[str, grpc.RpcMethodHandler]":
        """Return the one method."""
        import grpc

        return {"Check": grpc.unary_unary_rpc_method_handler(self._check)}

    async def open(self) -> None:
        """Nothing: orders are read when they are named for the first time."""

    async def close(self) -> None:
        """Close connections."""
        await self._clients.close()

    async def _check(self, raw: bytes, context: Any) -> bytes:
        import grpc

        asked = self._request.FromString(raw).attributes
        try:
            checks = self._find(asked.context_extensions.get(ORDER_KEY, ""))
        except (OSError, msgspec.DecodeError, KeyError):
            self._complaints.tell("a request is refused, as what to check of it is not known")
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "there is no such order")
            raise AssertionError from None
        verdict = Verdict()
        request = read_asked(asked)
        for check in checks:
            await check.ask(request, verdict)
            if verdict.refused is not None:
                break
        return self._write(verdict)

    def _find(self, name: str) -> tuple[RequestCheck, ...]:
        """The checks of an order; raises KeyError, OSError or DecodeError if there is none of that name."""
        found = self._orders.get(name)
        if found is None:
            if not _NAME_OF_FILE.fullmatch(name):
                raise KeyError(name)
            order = read_order((self._folder / name).read_bytes())
            found = self._orders[name] = tuple(map(partial(self._make, order), order.checks))
        return found

    def _make(self, order: Order, check: Check) -> RequestCheck:
        if isinstance(check, HmacCheck):
            return SignatureCheck(check, order.secrets[check.secret])
        if isinstance(check, CsrfCheck):
            return FormCheck(check, order.secrets[check.secret])
        if isinstance(check, LdapCheck):
            return DirectoryCheck(check, self._complaints)
        return WolfServerCheck(check, self._clients, self._complaints)

    def _write(self, verdict: Verdict) -> bytes:
        response = self._response()
        if verdict.refused is not None:
            self._write_refusal(response, verdict, verdict.refused)
        else:
            passed = response.ok_response
            passed.SetInParent()
            for name, value in verdict.headers.items():
                _put(passed.headers, name, value)
            passed.headers_to_remove.extend(sorted(verdict.removed - verdict.headers.keys()))
            for name, value in verdict.answer:
                _put(passed.response_headers_to_add, name, value)
        return bytes(response.SerializeToString())

    def _write_refusal(self, response: Any, verdict: Verdict, refused: Refused) -> None:
        response.status.code = _PERMISSION_DENIED
        denied = response.denied_response
        denied.status.code = refused.status if refused.status in self._statuses else _FORBIDDEN
        denied.body = refused.body
        for name, value in verdict.answer:
            _put(denied.headers, name, value)


def _put(headers: Any, name: str, value: str) -> None:
    """Tried on Envoy 1.40: of an answer to ext_authz it takes `value`, and has no eye for `raw_value`."""
    option = headers.add(append_action=_ADD if name in _SEVERAL else _OVERWRITE)
    option.header.key, option.header.value = name, value
