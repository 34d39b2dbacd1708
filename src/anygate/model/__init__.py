"""The gateway model: plain frozen values between the dialects and Envoy.

It knows no dialect, no Envoy message and no Kubernetes client. Every node carries its `Origin` first.
Absent (`None`, empty) means that nothing was asked for; durations are `timedelta`, sizes are bytes.
"""

from anygate.model.backend import Backend
from anygate.model.listener import Gateway, Listener, Server
from anygate.model.origin import Node, Origin
from anygate.model.root import Model

__all__ = ["Backend", "Gateway", "Listener", "Model", "Node", "Origin", "Server"]
