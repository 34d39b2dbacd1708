"""The stack files that examples of rules are made of, and how such a rule is declared."""

from anygate.diagnostics import Rule, Severity

SHOP = """
domain: lab.example.org
components:
- {name: shop, type: fastapi}
links:
- link: apisix-fastapi
  to: shop
  subdomain: shop
"""
GAME = """
domain: lab.example.org
components:
- name: game
  type: image_base
  ports: |
    web:8080:TCP
    play:7000:UDP:stream
links:
- {link: apisix-image_base, to: game, subdomain: game, route_all: true}
"""
DOOR = """
domain: lab.example.org
apisix:
  gateways:
  - {name: api, subdomain: api}
components:
- {name: orders, type: external_source_code}
links:
- {link: gateway-external_source_code, to: orders, weight: 90}
"""
CHAT = """
domain: lab.example.org
apisix:
  ai_gateways:
  - {name: llm, subdomain: llm}
components:
- {name: qwen, type: vllm, models: [{name: qwen-7b}]}
links:
- {link: ai_gateway-vllm, to: qwen}
- link: ai_gateway-external_ai
  to: openai
  subdomain: openai
  ai_endpoint: api.openai.com
"""


def declare(name: str, what: str, why: str, wrong: str, right: str, severity: Severity = Severity.ERROR) -> Rule:
    """A rule about stack files; external, since its examples are no manifests and are tried by tests of their own."""
    return Rule(f"stack-{name}", severity, what, why, wrong, right, external=True)


def with_attribute(line: str, stack: str = SHOP) -> str:
    """The stack with one more attribute on its last link, which is written in block style."""
    return f"{stack.rstrip()}\n  {line}\n"
