"""The MCP gateway: many servers of the Model Context Protocol shown to clients as one.

It is an ordinary endpoint of Envoy's, which has checked who calls, and reaches the servers through Envoy's egress
listener, where their keys are put on. Envoy has a filter for this, `mcp_router`. Tried on Envoy 1.40 with the official
SDK (mcp 2.3) on both sides:

- Holds: initialize, tools/list, resources/list, prompts/list and tools/call of several servers, prefixes
  `server__tool` and `server+scheme://`, progress within an answer, bodies of 2 MB, one server that is down.
- Answers of another method than tools/call that a server gives as a stream (prompts/get, resources/read and
  resources/subscribe of the SDK's own servers) reach the client as events called `application/json`.
- A request whose id is a string is answered with the id 0, which no client can match.
- GET is answered with 405 and DELETE with 400, so that there are no notifications and sessions never end; what a
  client answers to a server's question (elicitation, sampling) is refused with 400, so that the tool hangs.
- The protocol version is 2025-06-18 whatever the client asked for; a tools/list without a session is answered with
  an empty list.
- The session id is base64 of the servers' session ids and the user, unsigned: whoever has seen one can write another.
- Nothing filters tools. It is a terminal filter: a connection manager that has it routes nothing else.

`mcp`, the filter that reads requests, does hold; it tells access logs the method and the tool (`envoy/filters/mcp.py`).
"""
