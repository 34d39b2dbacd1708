"""Objects of APISIX as YAML, each with a `---` before it. Plugins are written as `{name: cors, config: {}}`."""

WEB = "backends: [{serviceName: web, servicePort: 80}]"


def route(name: str, *plugins: str, match: str = "", target: str = WEB, more: str = "") -> str:
    """An ApisixRoute of one rule, for all paths below its name unless there is another `match`; `more` is one line."""
    return f"""
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {{name: {name}}}
spec:
  http:
    - name: {name}
      match: {{{match or f'paths: ["/{name}/*"]'}}}
      {target}
      {more}
      plugins: {_list(plugins)}
"""


def consumer(name: str, credential: str, *plugins: str) -> str:
    """An ApisixConsumer, such as with the credential `keyAuth: {value: {key: k}}`."""
    return f"""
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {{name: {name}}}
spec:
  authParameter: {{{credential}}}
  plugins: {_list(plugins)}
"""


def _list(plugins: tuple[str, ...]) -> str:
    return "".join(f"\n      - {plugin}" for plugin in plugins) or "[]"
