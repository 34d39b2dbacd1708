"""Temporary keys of AWS for a token of an OpenID provider.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

import re
from xml.etree import ElementTree

from anygate.credentials.oidc import fetch_identity
from anygate.credentials.problem import FetchProblem
from anygate.credentials.sources import Outside, Secrets
from anygate.credentials.token import AwsKeys, read_expiry, read_text
from anygate.credentials.web import Answer
from anygate.manifests.sensitive import Sensitive
from anygate.model.inference import AwsExchange

_VERSION = "2011-06-15"
_LONGEST_SESSION = 64
_FIELDS = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")


async def fetch_aws(source: AwsExchange, region: str, secrets: Secrets, outside: Outside) -> AwsKeys:
    """Return keys of the role; raises FetchProblem."""
    identity = await fetch_identity(source.oidc, secrets, outside)
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": _VERSION,
        "RoleArn": source.role,
        "RoleSessionName": session_name(source.session),
        "WebIdentityToken": identity,
    }
    answer = await outside.web.post_form(outside.endpoints.aws(region) + "/", form, proxy=outside.endpoints.aws_proxy)
    return read_keys(answer, outside.now())


def session_name(text: str) -> str:
    """A session name as AWS allows it: 2 to 64 characters, and not every character."""
    return re.sub(r"[^\w+=,.@-]", "-", text, flags=re.ASCII)[:_LONGEST_SESSION].ljust(2, "-")


def read_keys(answer: Answer, now: float) -> AwsKeys:
    """Read the XML that the service answers with; raises FetchProblem."""
    found = _read_xml(answer.body)
    if answer.status != 200:
        words = ": ".join(found[name] for name in ("Code", "Message") if found.get(name))
        said = answer.quote(words)
        raise FetchProblem(f"{answer.host} answered {answer.status}" + (f": {said}" if said else ""))
    missing = [name for name in _FIELDS if not found.get(name)]
    if missing:
        raise FetchProblem(f"the answer of {answer.host} has no {', '.join(missing)}")
    return AwsKeys(
        read_text(found, "AccessKeyId"),
        Sensitive(read_text(found, "SecretAccessKey").encode()),
        Sensitive(read_text(found, "SessionToken").encode()),
        read_expiry(found["Expiration"], now),
    )


def _read_xml(body: bytes) -> dict[str, str]:
    """The text of every element by its name, without namespaces; nothing if it is not XML."""
    # Entities, which could grow without bounds or reach for files, need a document type.
    if b"<!" in body:
        return {}
    try:
        root = ElementTree.fromstring(body)  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError):
        return {}
    return {str(one.tag).rpartition("}")[2]: (one.text or "").strip() for one in root.iter()}
