"""What is said about formats of access logs agrees with the real Envoy."""

import json
import subprocess
from pathlib import Path

import pytest

from anygate.envoy.binary import executable
from anygate.model.log_format import OPERATORS, problem_of

ARGUMENTS = {
    "CEL": "(request.path)",
    "COALESCE": '({"operators": ["PROTOCOL"]})',
    "COMMON_DURATION": "(DS_RX_BEG:DS_TX_BEG:ms)",
    "METADATA": "(ROUTE:anygate)",
    "TYPED_CEL": "(request.path)",
}
_TYPES = "type.googleapis.com/envoy.extensions."


def envoy_accepts(text: str, folder: Path) -> bool:
    log = {"@type": f"{_TYPES}access_loggers.file.v3.FileAccessLog", "path": "/dev/null"}
    log["log_format"] = {"text_format_source": {"inline_string": text}}  # type: ignore[assignment]
    proxy = {"@type": f"{_TYPES}filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "a", "cluster": "a"}
    proxy["access_log"] = [{"name": "file", "typed_config": log}]  # type: ignore[assignment]
    chain = {"filters": [{"name": "tcp", "typed_config": proxy}]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 1}}
    config = folder / "envoy.json"
    config.write_text(json.dumps({"static_resources": {"listeners": [{"address": address, "filter_chains": [chain]}]}}))
    done = subprocess.run([executable(), "--mode", "validate", "-c", config, "-l", "off"], timeout=60)
    return done.returncode == 0


def test_every_operator_is_envoys(tmp_path: Path) -> None:
    bare = [name for name in sorted(OPERATORS) if problem_of(f"%{name}%") is None]
    needy = [name + ARGUMENTS.get(name, "(a)") for name in sorted(OPERATORS.difference(bare))]
    text = " ".join(f"%{one}%" for one in (*bare, *needy))
    assert len(needy) > 10
    assert problem_of(text) is None
    assert envoy_accepts(text, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "plain", "50%%", "%REQ(a?b):5%", "%START_TIME(%Y-%m-%d)%", "%START_TIME(%%%)%", "%PATH:5%"),
        *("100%", "%REQ(a", "x%RESPONSE_CODE", "%response_code%", "% %", "%REQ(a)x%", "%REQ(a):x%", "%REQ(X)%%"),
        *("%STATUS%", "%REQ%", "%REQ()%", "%REQ(a?b?c)%", "%RESP(a b)%", "%CLUSTER_METADATA%"),
        *("%RESPONSE_CODE:5%", "%PROTOCOL(a)%", "%START_TIME:5%", "%UPSTREAM_METADATA(a):5%"),
    ],
)
def test_agrees_with_envoy(text: str, tmp_path: Path) -> None:
    assert (problem_of(text) is None) == envoy_accepts(text, tmp_path)


def test_names_the_nearest_operator() -> None:
    assert problem_of("%RESPONSE_COD%") == "Envoy knows no operator RESPONSE_COD; did you mean RESPONSE_CODE?"
