"""BackendSecurityPolicy: the credential of each backend, read once; one that cannot be had closes its backends."""

from collections.abc import Iterator
from dataclasses import dataclass

from anygate.diagnostics import FieldPath, ObjectRef, Rule
from anygate.dialects.envoy_ai.context import Context, origin
from anygate.dialects.envoy_ai.kinds.backendsecuritypolicy import (
    AWSCredentials,
    AzureCredentials,
    BackendSecurityPolicySpec,
    CredentialOverride,
    GCPCredentials,
    OIDCExchangeToken,
)
from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP, POOL_GROUP
from anygate.dialects.envoy_ai.normalise import Normal
from anygate.dialects.envoy_ai.route_findings import (
    CREDENTIAL_NOT_FOUND,
    NOT_HONOURED,
    POLICY_NOT_FOUND,
    POLICY_TARGET_NOT_FOUND,
    REF_NOT_PERMITTED,
)
from anygate.manifests.grants import is_granted
from anygate.manifests.names import suggest_word
from anygate.manifests.object import Manifest
from anygate.manifests.references import SecretObjectReference
from anygate.manifests.sensitive import Sensitive
from anygate.model import inference
from anygate.model.inference import (
    AwsCredential,
    AwsExchange,
    AzureToken,
    GcpFederation,
    GcpToken,
    KeyCredential,
    OidcClient,
    TokenCredential,
    UpstreamCredential,
)
from anygate.model.tls import Opaque

_OVERRIDE_HEADERS = {
    "APIKey": "x-aigw-api-key",
    "AnthropicAPIKey": "x-aigw-anthropic-api-key",
    "GeminiAPIKey": "x-aigw-gemini-api-key",
    "AzureAPIKey": "x-aigw-azure-api-key",
    "AzureCredentials": "x-aigw-azure-access-token",
    "GCPCredentials": "x-aigw-gcp-access-token",
    "AWSCredentials": "x-aigw-aws-",
}
_NEEDS_STATIC = "credentialOverride with fallbackToConfigured=true requires a static credential to be configured"


@dataclass(frozen=True)
class Access:
    """What requests to a backend carry to be let in, and what the policy says of the place that they go to."""

    credential: UpstreamCredential | None = None
    override: inference.CredentialOverride | None = None
    region: str = ""
    project: str = ""


@dataclass(frozen=True)
class Closed:
    """Why a backend must not be reached."""

    reason: str


class _Trouble(Exception):  # noqa: N818 - a mistake in a manifest is no defect
    def __init__(self, rule: Rule, message: str, path: FieldPath, hint: str = "") -> None:
        super().__init__(message)
        self.rule, self.message, self.path, self.hint = rule, message, path, hint


class Credentials:
    """Finds what a backend or a pool needs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: dict[ObjectRef, Access | Closed] = {}
        self._broken = dict(_list_broken(context))
        for policy in context.policies.values():
            self._read_policy(policy)
        for ref, attached in context.attachments.conflicts.items():
            names = " ".join(sorted(one.policy.ref.name for one in attached))
            for one in attached:
                message = f"multiple BackendSecurityPolicies found for {ref.kind} {ref.name}: [{names}]"
                context.conditions.refuse(one.policy.ref, message)

    def find(self, target: ObjectRef, policy_name: str | None = None) -> Access | Closed:
        """What the policy of an AIServiceBackend or of an InferencePool gives; nothing when it has none.

        `policy_name` is the policy that an older backend itself names.
        """
        if target in self._broken:
            return Closed(f"{self._broken[target]} is not valid")
        if target in self._context.attachments.conflicts:
            return Closed(f"multiple BackendSecurityPolicies found for {target.kind} {target.name}")
        attached = self._context.attachments.policies.get(target)
        if policy_name and (target.namespace, policy_name) not in self._context.policies:
            return Closed(f"there is no BackendSecurityPolicy {policy_name}")
        return Access() if attached is None else self._known[attached.policy.ref]

    def check_named(self, manifest: Manifest, policy_name: str) -> None:
        """Report a policy that a backend names and that is not there."""
        if (manifest.namespace, policy_name) in self._context.policies:
            return
        names = [name for namespace, name in self._context.policies if namespace == manifest.namespace]
        message = f"there is no BackendSecurityPolicy/{manifest.namespace}/{policy_name}"
        path = ("spec", "backendSecurityPolicyRef", "name")
        self._context.add(POLICY_NOT_FOUND, message, manifest, path, hint=suggest_word(policy_name, names))
        self._context.conditions.refuse(manifest.ref, message)

    def _read_policy(self, policy: Normal[BackendSecurityPolicySpec]) -> None:
        self._check_targets(policy)
        try:
            self._known[policy.ref] = _Reader(self._context, policy).read()
        except _Trouble as trouble:
            self._context.add(trouble.rule, trouble.message, policy.kind.manifest, trouble.path, hint=trouble.hint)
            self._context.conditions.refuse(policy.ref, trouble.message)
            self._known[policy.ref] = Closed(trouble.message)

    def _check_targets(self, policy: Normal[BackendSecurityPolicySpec]) -> None:
        for number, target in enumerate(policy.spec.target_refs):
            known = self._context.backends if target.kind == "AIServiceBackend" else self._context.pools
            namespace = policy.ref.namespace
            broken = {(one.namespace, one.name) for one in self._context.index.broken(target.kind)}
            # One that is not valid is there all the same, and has been reported.
            if (namespace, target.name) not in (known.keys() | broken):
                message = f"there is no {target.kind}/{namespace}/{target.name}"
                hint = suggest_word(target.name, [name for own, name in known if own == namespace])
                path = ("spec", "targetRefs", number, "name")
                self._context.add(POLICY_TARGET_NOT_FOUND, message, policy.kind.manifest, path, hint=hint)


class _Reader:
    """Reads one policy."""

    def __init__(self, context: Context, policy: Normal[BackendSecurityPolicySpec]) -> None:
        self._context = context
        self._manifest = policy.kind.manifest
        self._spec = policy.spec
        self._ref = policy.ref
        self._name = f"{policy.ref.namespace}/{policy.ref.name}"

    def read(self) -> Access:
        """The credential; raises _Trouble when it cannot be had."""
        spec = self._spec
        if spec.api_key is not None:
            access = self._key(spec.api_key.secret_ref, "apiKey", "authorization", "Bearer ")
        elif spec.anthropic_api_key is not None:
            access = self._key(spec.anthropic_api_key.secret_ref, "anthropicAPIKey", "x-api-key")
        elif spec.gemini_api_key is not None:
            access = self._key(spec.gemini_api_key.secret_ref, "geminiAPIKey", "x-goog-api-key")
        elif spec.azure_api_key is not None:
            access = self._key(spec.azure_api_key.secret_ref, "azureAPIKey", "api-key")
        elif spec.aws_credentials is not None:
            access = self._aws(spec.aws_credentials)
        elif spec.azure_credentials is not None:
            access = self._azure(spec.azure_credentials)
        else:
            assert spec.gcp_credentials is not None
            access = self._gcp(spec.gcp_credentials)
        return access if spec.credential_override is None else self._override(access, spec.credential_override)

    def _key(self, reference: SecretObjectReference, field: str, header: str, prefix: str = "") -> Access:
        path = ("spec", field)
        value = self._find(reference, "apiKey", (*path, "secretRef"))
        try:
            text = value.reveal_text().strip()
        except UnicodeDecodeError:
            text = ""
        if not text or not text.isprintable() or not text.isascii():
            message = f"the key apiKey of Secret {reference.name} is no header's value"
            raise _Trouble(CREDENTIAL_NOT_FOUND, message, (*path, "secretRef"))
        here = origin(self._manifest, path)
        name = f"ai-key/{self._name}"
        secret = self._context.index.secret(reference.namespace or self._ref.namespace, reference.name)
        assert secret is not None
        key = Sensitive(f"{prefix}{text}".encode())
        self._context.secrets[name] = Opaque(origin=origin(secret.manifest), name=name, value=key)
        return Access(KeyCredential(origin=here, secret=name, header=header))

    def _aws(self, spec: AWSCredentials) -> Access:
        path: FieldPath = ("spec", "awsCredentials")
        file, profile, exchange = "", "default", None
        if spec.credentials_file is not None:
            at = (*path, "credentialsFile", "secretRef")
            file = self._keep(spec.credentials_file.secret_ref, "credentials", at)
            profile = spec.credentials_file.profile
            if spec.oidc_exchange_token is not None:
                text = "the credentials file is used, and no token is exchanged"
                self._context.add(NOT_HONOURED, text, self._manifest, (*path, "oidcExchangeToken"))
        elif spec.oidc_exchange_token is not None:
            exchange = AwsExchange(
                name=self._name,
                role=spec.oidc_exchange_token.aws_role_arn,
                session=f"ai-gateway-{self._ref.name}",
                oidc=self._oidc(spec.oidc_exchange_token, (*path, "oidcExchangeToken")),
            )
        here = origin(self._manifest, path)
        return Access(AwsCredential(origin=here, region=spec.region, file=file, profile=profile, exchange=exchange))

    def _azure(self, spec: AzureCredentials) -> Access:
        path: FieldPath = ("spec", "azureCredentials")
        secret, oidc = "", None
        if spec.client_secret_ref is not None:
            secret = self._keep(spec.client_secret_ref, "client-secret", (*path, "clientSecretRef"))
        elif spec.oidc_exchange_token is not None:
            oidc = self._oidc(spec.oidc_exchange_token, (*path, "oidcExchangeToken"))
        source = AzureToken(tenant=spec.tenant_id, client_id=spec.client_id, secret=secret, oidc=oidc)
        return Access(self._token(source, path))

    def _gcp(self, spec: GCPCredentials) -> Access:
        path: FieldPath = ("spec", "gcpCredentials")
        file, federation = "", None
        wanted = spec.workload_identity_federation_config
        if spec.credentials_file is not None:
            at = (*path, "credentialsFile", "secretRef")
            file = self._keep(spec.credentials_file.secret_ref, "service_account.json", at)
        elif wanted is not None:
            account = wanted.service_account_impersonation
            federation = GcpFederation(
                project_id=wanted.project_id,
                project_name=spec.project_name,
                pool=wanted.workload_identity_pool_name,
                provider=wanted.workload_identity_provider_name,
                oidc=self._oidc(
                    wanted.oidc_exchange_token, (*path, "workloadIdentityFederationConfig", "oidcExchangeToken")
                ),
                service_account=account.service_account_name if account else "",
            )
        source = GcpToken(file=file, federation=federation)
        return Access(self._token(source, path), region=spec.region, project=spec.project_name)

    def _token(self, source: inference.TokenSource, path: FieldPath) -> TokenCredential:
        return TokenCredential(origin=origin(self._manifest, path), secret=f"ai-token/{self._name}", source=source)

    def _oidc(self, spec: OIDCExchangeToken, path: FieldPath) -> OidcClient:
        oidc = spec.oidc
        for name, value in (("grantType", spec.grant_type), ("aud", spec.aud)):
            if value:
                text = f"{name} has no effect, as in a cluster: the client-credentials flow is used"
                self._context.add(NOT_HONOURED, text, self._manifest, (*path, name))
        client_id = oidc.client_id
        if client_id is None:
            assert oidc.client_id_ref is not None
            held = self._find(oidc.client_id_ref, "client-id", (*path, "oidc", "clientIDRef"))
            client_id = held.reveal().decode("utf-8", "replace").strip()
        return OidcClient(
            issuer=oidc.provider.issuer,
            client_id=client_id,
            secret=self._keep(oidc.client_secret, "client-secret", (*path, "oidc", "clientSecret")),
            token_endpoint=oidc.provider.token_endpoint or "",
            scopes=tuple(oidc.scopes),
        )

    def _override(self, access: Access, wanted: CredentialOverride) -> Access:
        base: FieldPath = ("spec", "credentialOverride")
        source = wanted.from_request_headers or wanted.from_dynamic_metadata
        assert source is not None
        default_gcp = (
            isinstance(access.credential, TokenCredential) and access.credential.source == GcpToken()
        )  # The environment's credentials may not be there at all.
        if source.fallback_to_configured and default_gcp:
            raise _Trouble(POLICY_NOT_FOUND, _NEEDS_STATIC, base)
        if wanted.from_request_headers is None:
            path = (*base, "fromDynamicMetadata")
            if not source.fallback_to_configured:
                message = "credentials from dynamic metadata are not supported here, and no other may be used"
                raise _Trouble(NOT_HONOURED, message, path, "use fromRequestHeaders")
            text = "credentials from dynamic metadata are not supported here: the configured one is always used"
            self._context.add(NOT_HONOURED, text, self._manifest, path)
            return access
        header = wanted.from_request_headers.header or _OVERRIDE_HEADERS[self._spec.type]
        override = inference.CredentialOverride(header=header.lower(), fallback=source.fallback_to_configured)
        return Access(access.credential, override, access.region, access.project)

    def _keep(self, reference: SecretObjectReference, key: str, path: FieldPath) -> str:
        """The name of the model's `Opaque` for a key of a Secret."""
        value = self._find(reference, key, path)
        secret = self._context.index.secret(reference.namespace or self._ref.namespace, reference.name)
        assert secret is not None
        name = f"opaque/{secret.namespace}/{secret.name}/{key}"
        self._context.secrets[name] = Opaque(origin=origin(secret.manifest), name=name, value=value)
        return name

    def _find(self, reference: SecretObjectReference, key: str, path: FieldPath) -> Sensitive:
        namespace = reference.namespace or self._ref.namespace
        target = ObjectRef("", "Secret", namespace, reference.name)
        if (reference.group, reference.kind) != ("", "Secret"):
            message = f"a credential cannot come from a {reference.kind}"
            raise _Trouble(CREDENTIAL_NOT_FOUND, message, path, "use a Secret")
        index = self._context.index
        if not is_granted(index, AI_GATEWAY_GROUP, "BackendSecurityPolicy", self._ref.namespace, *target):
            message = (
                f"cross-namespace reference from BackendSecurityPolicy in namespace {self._ref.namespace} to Secret "
                f"{reference.name} in namespace {namespace} is not permitted: no valid ReferenceGrant found in "
                f"namespace {namespace}"
            )
            raise _Trouble(REF_NOT_PERMITTED, message, path, f"add a ReferenceGrant to namespace {namespace}")
        secret = index.secret(namespace, reference.name)
        if secret is None:
            hint = suggest_word(reference.name, index.names("", "Secret", namespace))
            raise _Trouble(CREDENTIAL_NOT_FOUND, f"there is no {target}", (*path, "name"), hint)
        value = secret.values.get(key)
        if value is not None and not value:
            raise _Trouble(CREDENTIAL_NOT_FOUND, f"the key {key} of {target} is empty", path)
        if value is None:
            hint = f"its keys are {', '.join(sorted(secret.values))}" if secret.values else ""
            raise _Trouble(CREDENTIAL_NOT_FOUND, f"{target} has no key {key}", path, hint)
        return value


def _list_broken(context: Context) -> Iterator[tuple[ObjectRef, ObjectRef]]:
    """What the unreadable policies are for, with the policy: all of their namespace when even that cannot be read."""
    possible = [
        ObjectRef(group, kind, namespace, name)
        for group, kind, known in (
            (AI_GATEWAY_GROUP, "AIServiceBackend", context.backends),
            (POOL_GROUP, "InferencePool", context.pools),
        )
        for namespace, name in known
    ]
    for manifest in context.index.broken("BackendSecurityPolicy"):
        near = [one for one in possible if one.namespace == manifest.namespace]
        named = _named_targets(manifest)
        for one in near:
            own = context.backends.get((one.namespace, one.name)) if one.kind == "AIServiceBackend" else None
            if not named or one.name in named or (own is not None and own.policy_name == manifest.name):
                yield one, manifest.ref


def _named_targets(manifest: Manifest) -> set[str]:
    """The names of a policy's targets; none when there may be others than can be told."""
    spec = manifest.value.get("spec")
    targets = spec.get("targetRefs") if isinstance(spec, dict) else None
    if not isinstance(targets, list) or not all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in targets
    ):
        return set()
    return {one["name"] for one in targets}
