"""Modules as files: what they say of themselves, whatever their bytes are."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmtime import Engine, Module, Store, wat2wasm
from wasmtime import Instance as Running

from anygate.wasm.binary import PAGE, ModuleError, Signature, limit_memory, read_outline
from anygate.wasm.inspection import Inspected, Unusable, inspect

WHOLE = bytes(
    wat2wasm("""(module
      (import "nantian" "log" (func (param i32 i32 i32)))
      (memory (export "memory") 2)
      (func (export "alloc") (param i32) (result i32) (i32.const 0))
      (func (export "on_request") (param i32 i32) (result i32) (memory.grow (i32.const 3))))""")
)


def test_an_outline_has_imports_and_exports() -> None:
    found = read_outline(WHOLE)
    assert found.imports == {("nantian", "log")}
    assert found.functions == {"alloc": Signature(1, 1), "on_request": Signature(2, 1)}
    assert (found.memories, found.pages) == ({"memory"}, 2)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(ModuleError):
        read_outline(content)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_changed_byte_is_never_a_traceback(at: int, byte: int) -> None:
    found = inspect(WHOLE[:at] + bytes((byte,)) + WHOLE[at + 1 :])
    assert isinstance(found, Inspected | Unusable)


@pytest.mark.parametrize(("pages", "grown"), [(2, -1), (4, -1), (5, 2), (100, 2)])
def test_memory_never_grows_beyond_its_limit(pages: int, grown: int) -> None:
    text = '(module (memory (export "memory") 2) (func (export "grow") (result i32) (memory.grow (i32.const 3))))'
    content = limit_memory(bytes(wat2wasm(text)), pages * PAGE)
    store = Store(Engine())
    exports = Running(store, Module(store.engine, content), []).exports(store)
    assert exports["grow"](store) == grown


def test_a_limit_of_its_own_is_kept_and_too_much_memory_is_refused() -> None:
    content = bytes(wat2wasm('(module (memory (export "memory") 2 3))'))
    assert limit_memory(content, 100 * PAGE) == content
    with pytest.raises(ModuleError, match="needs 131072 bytes"):
        limit_memory(content, PAGE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('(module (memory (export "memory") 1))', "memory and alloc"),
        ('(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))', "neither malloc"),
        (
            '(module (memory (export "memory") 1) (func (export "alloc") (param i32) (result i32) i32.const 0))',
            "none of",
        ),
        (
            '(module (memory (export "memory") 1) (func (export "alloc") (param i32) (result i32) i32.const 0)'
            ' (func (export "on_request") (param i64) (result i32) i32.const 0))',
            "takes 1 values",
        ),
        (
            '(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))'
            ' (memory (export "memory") 1) (func (export "alloc") (param i32) (result i32) i32.const 0)'
            ' (func (export "on_request") (result i32) i32.const 0))',
            "not offered",
        ),
    ],
)
def test_what_is_no_plugin_says_why(text: str, reason: str) -> None:
    found = inspect(bytes(wat2wasm(text)))
    assert isinstance(found, Unusable)
    assert reason in found.message
