"""What may import what: the contracts of pyproject.toml."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lint(folder: Path, config: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", str(config), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_no_module_imports_from_a_layer_above_it():
    ran = lint(ROOT, ROOT / "pyproject.toml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 broken" in ran.stdout
    assert "0 kept" not in ran.stdout


def test_a_broken_contract_is_noticed(tmp_path):
    (tmp_path / "setup.cfg").write_text(
        "[importlinter]\nroot_package = anygate\n"
        "[importlinter:contract:upside-down]\nname = upside down\ntype = layers\n"
        "layers =\n    anygate.diagnostics\n    anygate.manifests\n"
    )
    ran = lint(ROOT, tmp_path / "setup.cfg")
    assert ran.returncode == 1
    assert "1 broken" in ran.stdout
