"""The table of plugins, and what is written about them."""

from pathlib import Path

import anygate.dialects.apisix
from anygate.dialects.apisix.plugins.order import PRIORITIES
from anygate.dialects.apisix.plugins.table import PLUGINS


def test_every_plugin_has_its_place_in_the_order() -> None:
    assert PRIORITIES.keys() == PLUGINS.keys()
    assert list(PLUGINS) == sorted(PLUGINS)


def test_the_readme_lists_every_plugin() -> None:
    text = Path(anygate.dialects.apisix.__file__).with_name("README.md").read_text()
    listed = text.partition("## Plugins")[2].partition("\n## ")[0]
    assert [name for name in PLUGINS if f"`{name}`" not in listed] == []
