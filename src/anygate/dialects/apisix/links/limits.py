"""The attribute `rate_limiting`, and the same settings of the whole stack."""

from anygate.dialects.apisix.links.entry import Entry
from anygate.dialects.apisix.links.rules.shape import INVALID_VALUE
from anygate.dialects.apisix.links.stack import Config
from anygate.dialects.apisix.links.values import parse_rate, read_seconds

_DEFAULTS: Config = {
    "count": 100,
    "time_window": 60,
    "key_type": "var",
    "key": "remote_addr",
    "policy": "local",
    "rejected_code": 429,
}
_FIELDS = (
    *_DEFAULTS,
    "rejected_msg",
    "window_type",
    "group",
    "allow_degradation",
    "show_limit_quota_header",
    "rules",
    "redis_host",
    "redis_port",
    "redis_username",
    "redis_password",
    "redis_ssl",
    "redis_ssl_verify",
    "redis_database",
    "redis_timeout",
    "redis_cluster_nodes",
    "redis_cluster_name",
    "redis_cluster_ssl",
    "redis_cluster_ssl_verify",
)
_MOST = 2**31 - 1


def read_limit(entry: Entry, defaults: Config) -> Config | None:
    """The configuration of limit-count: a boolean, a rate such as `200/30s`, or a mapping of the plugin's fields."""
    config = {**_DEFAULTS, **defaults}
    flag = entry.as_flag()
    if flag is not None:
        return config if flag else None
    if isinstance(entry.value, str) and "/" in entry.value and ":" not in entry.value:
        rate = parse_rate(entry.value)
        if rate is None:
            hint = "write it COUNT/TIME, such as 200/30s or 10/1m"
            entry.refuse(INVALID_VALUE, f'"{entry.value[:60]}" is not a rate', hint=hint)
            return None
        return {**config, "count": rate[0], "time_window": rate[1]}
    if not isinstance(entry.value, dict) and not (isinstance(entry.value, str) and ":" in entry.value):
        entry.flag()
        return None
    fields = entry.mapping()
    return {**config, **read_limit_fields(fields, _FIELDS)} if fields is not None else None


def read_limit_fields(fields: Entry, known: tuple[str, ...]) -> Config:
    """The fields of a mapping, with those that are numbers checked."""
    fields.check_keys(known)
    config: Config = {key: value for key, value in fields.value.items() if value is not None}
    for key in ("count", "limit"):
        found = fields.get(key)
        if found is not None:
            config[key] = found.number(1, _MOST)
    window = fields.get("time_window")
    if window is not None:
        config["time_window"] = read_seconds(window)
    code = fields.get("rejected_code")
    if code is not None:
        config["rejected_code"] = code.number(200, 599)
    return config
