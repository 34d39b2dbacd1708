"""Bedrock's runtime as a whole: its paths, its signatures, its errors."""

import re
from urllib.parse import unquote

from anygate.stubs.providers.bedrock import errors
from anygate.stubs.providers.bedrock.converse import converse, converse_stream
from anygate.stubs.providers.bedrock.invoke import count_prompt, invoke, invoke_stream
from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault
from anygate.stubs.providers.provider import INVALID_KEY, Provider, Route
from anygate.stubs.providers.rejection import Rejection
from anygate.stubs.vendor import Vendor

_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, *"
    r"SignedHeaders=([a-z0-9;_-]+), *Signature=[0-9a-f]{64}"
)


class Bedrock(Provider):
    """https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html."""

    vendor: Vendor = "aws-bedrock"

    def __init__(self, *, is_open: bool = False) -> None:
        super().__init__(is_open=is_open)
        cache = self.cache

        def at(operation: str) -> re.Pattern[str]:
            return re.compile(f"/model/([^/]+)/{operation}")

        self._routes: tuple[Route, ...] = (
            ("POST", at("converse"), lambda call, match: converse(call, unquote(match[1]), cache)),
            ("POST", at("converse-stream"), lambda call, match: converse_stream(call, unquote(match[1]), cache)),
            ("POST", at("invoke"), lambda call, match: invoke(call, unquote(match[1]), cache)),
            (
                "POST",
                at("invoke-with-response-stream"),
                lambda call, match: invoke_stream(call, unquote(match[1]), cache),
            ),
            ("POST", at("count-tokens"), lambda call, match: count_prompt(call, unquote(match[1]))),
        )

    def routes(self) -> tuple[Route, ...]:
        """Return the operations."""
        return self._routes

    def check_credentials(self, call: Call) -> None:
        """Require a SigV4 signature for `bedrock`, or a Bedrock API key; the signature itself is not verified."""
        authorization = call.headers.get("authorization", "")
        if not authorization:
            raise Rejection(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        if authorization.lower().startswith("bearer "):
            if authorization[7:].strip() in ("", INVALID_KEY):
                message = "Authentication failed: Please make sure your API Key is valid."
                raise Rejection(403, "AccessDeniedException", message)
            return
        signed = _SIGNED.fullmatch(authorization)
        if signed is None:
            message = "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' parameters."
            raise Rejection(403, "IncompleteSignatureException", message)
        if signed[1] == INVALID_KEY:
            message = "The security token included in the request is invalid."
            raise Rejection(403, "UnrecognizedClientException", message)
        if signed[4] != "bedrock":
            message = f"Credential should be scoped to correct service: 'bedrock'. It is scoped to '{signed[4]}'."
            raise Rejection(403, "InvalidSignatureException", message)
        names = signed[5].split(";")
        if "host" not in names or "x-amz-date" not in names or "x-amz-date" not in call.headers:
            message = "'Host' and 'X-Amz-Date' must be 'SignedHeader's in the AWS Authorization."
            raise Rejection(403, "InvalidSignatureException", message)

    def reject_route(self, call: Call, methods: tuple[str, ...]) -> Rejection:
        """Return the error of an unknown operation."""
        return errors.reject_route()

    def reject_field(self, fault: FieldFault, call: Call) -> Rejection:
        """Return the error of a field."""
        return errors.reject_field(fault, call)

    def reject_status(self, status: int, call: Call) -> Rejection:
        """Return the error that goes with `status`."""
        return errors.reject_status(status)

    def render_error(self, rejection: Rejection, call: Call | None) -> bytes:
        """Return the body of an error."""
        return errors.render_error(rejection, call)

    def list_headers(self, call: Call, rejection: Rejection | None) -> tuple[tuple[str, str], ...]:
        """Return the request's id, and the type of an error."""
        digest = call.digest
        identity = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
        headers: tuple[tuple[str, str], ...] = (("x-amzn-requestid", identity),)
        if rejection is not None:
            headers += (("x-amzn-errortype", f"{rejection.kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"),)
        return headers
