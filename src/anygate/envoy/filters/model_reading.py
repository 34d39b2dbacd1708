"""The model of an AI request, read from its body into a header by which the final route is found."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.model_form import MODEL_FORM
from anygate.envoy.names import MODEL_KEY, MODEL_NAMESPACE, STREAM_KEY
from anygate.model.inference import MODEL_HEADER, ModelEndpoint
from anygate.model.inference_rows import MALFORMED, NAMELESS
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.providers.paths import MULTIPART

_JSON, _FORM, _HEADER, _AGAIN = (
    "anygate/model/json",
    "anygate/model/form",
    "anygate/model/header",
    "anygate/model/again",
)


class ModelReadingFilter:
    """Four entries: read the JSON, read the form, set the header, ask the route table again.

    The body is held until it is whole and goes on byte for byte as it came. Tried on Envoy 1.40: what comes after
    these entries runs for the final route, but only those entries take part that the first route turned on. Of two
    `model` members the last counts; null, objects and lists count as none, numbers as their text. JSON nested deeper
    than 1000 levels counts as malformed.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/json_to_metadata_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entries where a rule is one of AI requests."""
        del server
        if not any(rule.inference for rule in rules):
            return []
        made = ((_JSON, _read_json()), (_FORM, _read_form()), (_HEADER, _set_header()), (_AGAIN, _ask_again()))
        return [ChainEntry(name, config, disabled=True, inert=True) for name, config in made]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return nothing: only entrances turn it on."""
        del rule, scope
        return {}


def reading_entries(endpoint: ModelEndpoint) -> tuple[str, ...]:
    """The entries that read the model of a request for an endpoint."""
    return (_JSON, *((_FORM,) if endpoint in MULTIPART else ()), _HEADER, _AGAIN)


def _read_json() -> Any:
    place = {"metadata_namespace": MODEL_NAMESPACE, "key": MODEL_KEY}
    rule = {
        "selectors": [{"key": "model"}],
        "on_present": place,
        "on_missing": {**place, "value": {"string_value": NAMELESS}},
        "on_error": {**place, "value": {"string_value": MALFORMED}},
    }
    # Tells rows apart (`envoy/inference_variants.py`).
    stream = {"selectors": [{"key": "stream"}], "on_present": {**place, "key": STREAM_KEY}}
    return build(
        "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata",
        # Whatever it is called: clients forget the content type, or name curl's.
        request_rules={
            "rules": [rule, stream],
            "allow_empty_content_type": True,
            "allow_content_types_regex": {"regex": ".*"},
        },
    )


def _read_form() -> Any:
    code = {"inline_string": MODEL_FORM.replace("NAMESPACE", MODEL_NAMESPACE).replace("KEY", MODEL_KEY)}
    return build("envoy.extensions.filters.http.lua.v3.Lua", default_source_code=code)


def _set_header() -> Any:
    option = {
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        "header": {"key": MODEL_HEADER, "value": f"%DYNAMIC_METADATA({MODEL_NAMESPACE}:{MODEL_KEY})%"},
    }
    return build(
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations={"request_mutations": [{"append": option}]},
    )


def _ask_again() -> Any:
    """Filter state that nobody reads: the filter is there for its `clear_route_cache`."""
    value = {
        "object_key": "anygate.model.read",
        "factory_key": "envoy.string",
        "format_string": {"text_format_source": {"inline_string": "yes"}},
    }
    config = "envoy.extensions.filters.http.set_filter_state.v3.Config"
    return build(config, clear_route_cache=True, on_request_headers=[value])
