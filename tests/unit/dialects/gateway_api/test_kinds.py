"""The kinds of this dialect: rich manifests validate, and each mistake is named at its field."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from anygate.dialects.gateway_api.kinds import KINDS
from anygate.dialects.gateway_api.kinds.backendtlspolicy import BackendTLSPolicyV1Alpha2

ABSENT = object()

MANIFESTS = r"""
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: envoy}
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
  description: Envoy on a laptop
  parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: custom, namespace: infra}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: infra}
spec:
  gatewayClassName: envoy
  defaultScope: All
  infrastructure:
    labels: {team: edge, example.com/tier: front}
    annotations: {example.com/owner: "edge team"}
    parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: custom}
  addresses:
  - {value: 10.0.0.7}
  - {type: Hostname, value: web.example.com}
  - {type: Hostname}
  - {type: example.com/pool, value: blue}
  allowedListeners: {namespaces: {from: Selector, selector: {matchLabels: {listeners: "yes"}}}}
  backendTLS: {clientCertificateRef: {name: client}}
  tls:
    backend: {clientCertificateRef: {name: client, namespace: certs}}
    frontend:
      default: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}}
      perPort:
      - port: 8443
        tls:
          validation:
            mode: AllowInsecureFallback
            caCertificateRefs: [{group: "", kind: ConfigMap, name: ca, namespace: certs}]
  listeners:
  - {name: http, port: 80, protocol: HTTP, hostname: "*.example.com"}
  - {name: lower, port: 81, protocol: http}
  - name: https
    port: 443
    protocol: HTTPS
    hostname: www.example.com
    tls:
      certificateRefs: [{name: www}, {kind: Secret, group: "", name: other, namespace: certs}]
      frontendValidation: {caCertificateRefs: [{kind: ConfigMap, name: ca}]}
      options: {example.com/min-version: "1.2"}
    allowedRoutes:
      namespaces:
        from: Selector
        selector: {matchExpressions: [{key: env, operator: In, values: [prod, test]}]}
      kinds: [{kind: HTTPRoute}, {group: gateway.networking.k8s.io, kind: GRPCRoute}]
  - {name: pass, port: 8443, protocol: TLS, tls: {mode: Passthrough}}
  - {name: tcp, port: 9000, protocol: TCP}
  - {name: udp, port: 9000, protocol: UDP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more, namespace: shop}
spec:
  parentRef: {name: web, namespace: infra, kind: Gateway, group: gateway.networking.k8s.io}
  listeners: [{name: shop, port: 80, protocol: HTTP, hostname: shop.example.com}]
---
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XListenerSet
metadata: {name: more}
spec:
  parentRef: {name: web}
  listeners: [{name: a, protocol: HTTP}, {name: b, port: 0, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: shop, labels: {app: shop}}
spec:
  useDefaultGateways: All
  parentRefs:
  - {name: web, namespace: infra, sectionName: https, port: 443}
  - {name: web, namespace: infra, sectionName: http, port: 80}
  - {group: "", kind: Service, name: shop, port: 80}
  hostnames: [shop.example.com, "*.shop.example.com"]
  rules:
  - name: buy
    matches:
    - path: {type: Exact, value: /buy}
      method: POST
      headers: [{name: Version, value: v2}, {name: version, type: RegularExpression, value: "v[0-9]+"}]
      queryParams: [{name: q, value: a b, type: RegularExpression}]
    - path: {type: RegularExpression, value: "//[a-z]+.*#"}
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        set: [{name: x-a, value: "1"}]
        add: [{name: x-a, value: "2"}, {name: X-A, value: "3"}]
        remove: [x-b]
    - {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [server]}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 80}, percent: 0}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 80}, fraction: {numerator: 1}}}
    - type: CORS
      cors:
        allowOrigins: ["https://*.example.com", "http://localhost:3000"]
        allowMethods: [GET, PATCH]
        allowHeaders: [x-a]
        exposeHeaders: ["*"]
        allowCredentials: true
        maxAge: 60
    - type: ExternalAuth
      externalAuth:
        protocol: HTTP
        backendRef: {name: auth, port: 8080}
        http: {path: /check, allowedHeaders: [x-a], allowedResponseHeaders: [x-user]}
        forwardBody: {maxSize: 1024}
    - {type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: more}}
    backendRefs:
    - {name: shop, port: 8080, weight: 9}
    - name: next
      namespace: beta
      port: 8080
      weight: 0
      filters:
      - type: URLRewrite
        urlRewrite: {hostname: next.example.com, path: {type: ReplaceFullPath, replaceFullPath: /}}
    timeouts: {request: 10s, backendRequest: 2500ms}
    retry: {codes: [500, 503], attempts: 2, backoff: 100ms}
    sessionPersistence:
      sessionName: shop
      type: Cookie
      absoluteTimeout: 1h
      idleTimeout: 10m
      cookieConfig: {lifetimeType: Permanent}
  - matches: [{path: {value: /old}}]
    filters:
    - type: RequestRedirect
      requestRedirect:
        scheme: https
        hostname: new.example.com
        port: 8443
        statusCode: 308
        path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}
  - backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: outside}]
    timeouts: {request: 0s, backendRequest: 5s}
    sessionPersistence:
      absoluteTimeout: 5m
      cookie: {name: sid, path: /a, lifetimeType: Permanent}
  - backendRefs: [{name: shop, port: 8080}]
    sessionPersistence: {type: Header, header: {name: x-session}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: orders}
spec:
  parentRefs: [{name: web}]
  hostnames: [grpc.example.com]
  rules:
  - name: read
    matches:
    - method: {service: shop.Orders, method: Get}
      headers: [{name: tenant, value: a}]
    - method: {type: RegularExpression, service: "shop[.].*"}
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 50051}}}
    backendRefs:
    - name: orders
      port: 50051
      filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: a, value: b}]}}]
    sessionPersistence: {sessionName: orders}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: pass}
spec:
  parentRefs: [{name: web, sectionName: pass}]
  hostnames: ["*.db.example.com"]
  rules: [{name: db, backendRefs: [{name: db, port: 5432, weight: 2}]}]
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: {name: tcp}
spec:
  parentRefs: [{name: web, sectionName: tcp}]
  rules: [{backendRefs: [{name: a, port: 1}]}, {backendRefs: [{name: b, port: 1}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: {name: udp}
spec: {rules: [{name: dns, backendRefs: [{name: dns, port: 53}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: db}
spec:
  targetRefs:
  - {group: "", kind: Service, name: db, sectionName: sql}
  - {group: "", kind: Service, name: db, sectionName: admin}
  options: {example.com/option: a}
  validation:
    hostname: db.example.com
    caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]
    subjectAltNames:
    - {type: Hostname, hostname: "*.db.example.com"}
    - {type: URI, uri: "spiffe://example.com/ns/db/sa/db"}
---
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackendTrafficPolicy
metadata: {name: budget}
spec:
  targetRefs: [{group: "", kind: Service, name: shop}]
  retryConstraint:
    budget: {percent: 30, interval: 1m}
    minRetryRate: {count: 3}
  sessionPersistence: {type: Header, sessionName: x-session}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: outside}
spec:
  endpoints:
  - {fqdn: {hostname: api.example.com, port: 443}, hostname: api.example.com, zone: a}
  - {fqdn: {hostname: spare.example.com, port: 443}}
  appProtocols: [gateway.envoyproxy.io/h2c]
  fallback: true
  tls:
    wellKnownCACertificates: System
    sni: api.example.com
    minVersion: "1.2"
    maxVersion: "1.3"
    alpnProtocols: [h2]
    clientCertificateRef: {name: client}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: shop}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop, sectionName: buy}]
  targetSelectors:
  - kind: HTTPRoute
    matchLabels: {app: shop}
    namespaces: {from: Selector, selector: {matchLabels: {env: prod}}}
  mergeType: StrategicMerge
  loadBalancer:
    type: ConsistentHash
    consistentHash: {type: Cookie, cookie: {name: sid, ttl: 60s, attributes: {SameSite: Lax}}, tableSize: 1021}
    endpointOverride: {extractFrom: [{header: x-endpoint}]}
    zoneAware: {weightedZones: [{zone: a, weight: 2}, {zone: b, weight: 1}]}
  retry:
    numRetries: 5
    numAttemptsPerPriority: 2
    retryOn: {triggers: [connect-failure, reset-before-request, retriable-status-codes], httpStatusCodes: [503]}
    perRetry: {timeout: 250ms, backOff: {baseInterval: 100ms, maxInterval: 10s}}
  proxyProtocol: {version: V2}
  tcpKeepalive: {probes: 3, idleTime: 20m, interval: 60s}
  healthCheck:
    panicThreshold: 40
    active:
      type: HTTP
      initialJitter: 1s
      http:
        path: /healthz
        method: GET
        expectedStatuses: [200, 204]
        retriableStatuses: [503]
        expectedResponse: {type: Text, text: ok}
      overrides: {port: 9090}
    passive:
      splitExternalLocalOriginErrors: true
      consecutive5XxErrors: 3
      consecutiveGatewayErrors: 2
      failurePercentageThreshold: 80
      alwaysEjectOneEndpoint: true
  circuitBreaker:
    maxConnections: 10
    perEndpoint: {maxConnections: 5}
    retryBudget: {percent: {numerator: 20}, minRetryConcurrency: 3}
  timeout:
    tcp: {connectTimeout: 5s}
    http: {connectionIdleTimeout: 1h, maxConnectionDuration: 2h, requestTimeout: 30s, streamIdleTimeout: 5m}
  connection: {bufferLimit: 50Mi, preconnect: {perEndpointPercent: 110}}
  dns: {dnsRefreshRate: 10s, respectDnsTtl: false, lookupFamily: IPv4AndIPv6}
  http2: {initialStreamWindowSize: 64Ki, maxConcurrentStreams: 50, connectionKeepalive: {interval: 30s}}
  rateLimit:
    type: Global
    global:
      rules:
      - clientSelectors:
        - headers: [{name: x-user, type: Distinct}]
          methods: [{value: POST, invert: true}]
          path: {value: /v1}
          sourceCIDR: {type: Distinct, value: 10.0.0.0/8}
          queryParams: [{name: plan, value: free}]
        limit: {requests: 1000, unit: Hour}
        cost:
          request: {from: Number, number: 0}
          response: {from: Metadata, metadata: {namespace: io.envoy.ai_gateway, key: total}}
        shared: true
        shadowMode: true
        xRateLimitHeaders: DraftVersion03
    local: {rules: [{limit: {requests: 10, unit: Second}}]}
  bandwidthLimit:
    request: {limit: {value: 1Mi, unit: Second}}
    response: {limit: {value: 10Mi, unit: Second}, responseTrailers: {prefix: x-eg}}
  faultInjection:
    delay: {fixedDelay: 100ms, percentage: 0.5}
    abort: {httpStatus: 503, percentage: 1}
  admissionControl:
    samplingWindow: 30s
    minSuccessRate: 90
    successCriteria: {http: {statusCodes: [200]}, grpc: {statusCodes: [Ok, NotFound]}}
  useClientProtocol: true
  compressor: [{type: Brotli, brotli: {quality: 4}, minContentLength: 100}, {type: Gzip}]
  responseOverride:
  - match: {statusCodes: [{value: 404}, {type: Range, range: {start: 500, end: 511}}]}
    source: Local
    response:
      contentType: application/json
      body: {inline: "{}"}
      statusCode: 500
  - match: {statusCodes: [{value: 401}]}
    redirect: {hostname: login.example.com, path: {type: ReplaceFullPath, replaceFullPath: /login}}
  httpUpgrade: [{type: websocket}, {type: CONNECT, connect: {terminate: true}}]
  requestBuffer: {limit: 4Mi, mode: LimitOnly}
  telemetry:
    tracing:
      samplingFraction: {numerator: 1, denominator: 1000}
      customTags: {env: {type: Environment, environment: {name: ENV, defaultValue: dev}}}
      tags: {path: "%REQ(:path)%"}
      spanName: {client: c, server: s}
    metrics: {routeStatName: "%ROUTE_NAME%"}
  routingType: Service
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {name: edge}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: web, sectionName: https}
  tcpKeepalive: {}
  proxyProtocol: {optional: true}
  clientIPDetection: {xForwardedFor: {trustedCIDRs: [10.0.0.0/8, "fd00::/8"]}}
  tls:
    minVersion: "1.2"
    ciphers: [ECDHE-RSA-AES128-GCM-SHA256]
    ecdhCurves: [X25519]
    fingerprints: [JA4]
    alpnProtocols: []
    session: {resumption: {stateless: {}, stateful: {}}}
    clientValidation:
      mode: VerifyIfGiven
      caCertificateRefs: [{kind: ConfigMap, name: ca}]
      spkiHashes: [NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=]
      certificateHashes: [df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a]
      subjectAltNames:
        dnsNames: [{type: Suffix, value: .example.com}]
        uris: [{type: Prefix, value: "spiffe://example.com"}]
        otherNames: [{oid: 1.3.6.1.4.1.311.20.2.3, value: user}]
      crl: {refs: [{name: crl}], onlyVerifyLeafCertificate: true}
  path: {escapedSlashesAction: RejectRequest, disableMergeSlashes: true}
  headers:
    enableEnvoyHeaders: true
    withUnderscoresAction: Allow
    requestID: Preserve
    xForwardedClientCert: {mode: AppendForward, certDetailsToAdd: [Subject, URI]}
    earlyRequestHeaders:
      addIfAbsent: [{name: x-id, value: "%REQ(x)%"}]
      removeOnMatch: [{type: Prefix, value: x-internal-}]
    lateResponseHeaders: {set: [{name: server, value: edge}]}
  timeout: {tcp: {idleTimeout: 1h}, http: {requestReceivedTimeout: 10s, idleTimeout: 1m, streamIdleTimeout: 5m}}
  connection:
    bufferLimit: 32768
    maxAcceptPerSocketEvent: 0
    connectionLimit: {value: 100, closeDelay: 1s, maxRequestsPerConnection: 1000}
  http1: {enableTrailers: true, preserveHeaderCase: true, http10: {useDefaultHost: true},
          ignoredUpgradeTypes: [{type: Prefix, value: TLS/}]}
  http2: {onInvalidMessage: TerminateStream}
  http3: {}
  grpc: {enableWeb: true}
  healthCheck: {path: /ready}
  scheme: MatchBackend
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: shop}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]
  apiKeyAuth:
    credentialRefs: [{name: keys}]
    extractFrom: [{headers: [x-api-key]}, {params: [key]}]
    forwardClientIDHeader: x-client
    sanitize: true
  cors:
    allowOrigins: ["https://*.example.com", "http://localhost:3000"]
    allowMethods: [GET, POST]
    maxAge: 24h
  basicAuth: {users: {name: users}, forwardUsernameHeader: x-user}
  jwt:
    optional: true
    providers:
    - name: example
      issuer: https://issuer.example.com
      audiences: [shop]
      remoteJWKS:
        uri: https://issuer.example.com/jwks.json
        cacheDuration: 60s
        backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: issuer, port: 443, fallback: false}]
        backendSettings: {retry: {numRetries: 3, perRetry: {backOff: {baseInterval: 1s}}}}
      claimToHeaders: [{header: x-sub, claim: sub}]
      recomputeRoute: true
      extractFrom: {headers: [{name: Authorization, valuePrefix: "Bearer "}], cookies: [jwt]}
    - {name: local, localJWKS: {type: ValueRef, valueRef: {group: "", kind: ConfigMap, name: jwks}}}
  oidc:
    provider: {issuer: https://accounts.example.com, tokenEndpoint: https://accounts.example.com/token}
    clientIDRef: {name: client}
    clientSecret: {name: client}
    cookieNames: {accessToken: a, idToken: b}
    cookieConfig: {sameSite: Strict}
    cookieDomain: example.com
    scopes: [email]
    redirectURL: https://shop.example.com/oauth2/callback
    denyRedirect: {headers: [{name: x-requested-with, type: Exact, value: XMLHttpRequest}]}
    forwardAccessToken: true
    forwardIDToken: {header: x-id-token}
    defaultTokenTTL: 1h
    defaultRefreshTokenTTL: 24h
    csrfTokenTTL: 5m
    passThroughAuthHeader: true
  extAuth:
    http:
      backendRefs: [{name: auth, port: 9001}]
      path: /check
      headersToBackend: [x-user]
    headersToExtAuth: [x-a]
    bodyToExtAuth: {maxRequestBytes: 8192}
    timeout: 1s
    failOpen: false
    contextExtensions: [{name: env, value: prod}]
    statusOnError: 503
  authorization:
    defaultAction: Deny
    rules:
    - name: staff
      action: Allow
      operation: {methods: [GET]}
      principal:
        clientCIDRs: [10.0.0.0/8]
        jwt: {provider: example, claims: [{name: org.team, valueType: StringArray, values: [edge]}], scopes: [read]}
        headers: [{name: x-user, values: [alice]}]
        clientIPGeoLocations: [{country: DE, asn: 3320, anonymous: {isVPN: false}}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {name: more}
spec:
  urlRewrite:
    hostname: {type: Header, header: x-host}
    path: {type: ReplaceRegexMatch, replaceRegexMatch: {pattern: "^/a/(.*)", substitution: '/b/\1'}}
    appendXForwardedHost: false
  directResponse: {contentType: text/plain, statusCode: 503, body: {type: Inline, inline: later}}
  credentialInjection: {header: x-key, overwrite: true, credential: {valueRef: {name: key}}}
  requestMirror: {clusterHeader: x-cluster, percent: 10, requestHeadersMutations: {remove: [cookie]}}
  matches: [{cookies: [{name: beta, value: "1"}]}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: custom}
spec: {logging: {level: {default: debug}}, anything: [1, {a: b}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: {name: patch}
spec: {type: JSONPatch, jsonPatches: []}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {name: lua}
spec: {lua: [{type: Inline, inline: "return"}]}
"""

VALID = {document["kind"]: document for document in yaml.safe_load_all(MANIFESTS)}
