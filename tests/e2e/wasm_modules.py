"""Plugins in WebAssembly's text format: kind ones, and hostile ones."""

from base64 import b64encode
from hashlib import sha256

from wasmtime import wat2wasm

PARTS = """
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 8192))
  (func (export "alloc") (param $length i32) (result i32)
    (local $place i32)
    (local.set $place (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get $length)))
    (local.get $place))
"""
"""What every module by Nantian's rules needs: memory, and a place in it for what its host gives."""

NO_ALLOC = '(memory (export "memory") 1)'

IMPORTS = """
  (import "HOST" "get_header" (func $get_header (param i32 i32) (result i64)))
  (import "HOST" "set_header" (func $set_header (param i32 i32 i32 i32)))
  (import "HOST" "get_body" (func $get_body (param i32 i32) (result i32)))
  (import "HOST" "get_all_headers" (func $get_all_headers (param i32 i32) (result i32)))
  (import "HOST" "log" (func $log (param i32 i32 i32)))
"""


def build(functions: str, host: str = "nantian", parts: str = PARTS) -> bytes:
    return bytes(wat2wasm(f"(module {IMPORTS.replace('HOST', host)} {parts} {functions})"))


def inline(module: bytes) -> str:
    return b64encode(module).decode()


def digest(module: bytes) -> str:
    return sha256(module).hexdigest()


COPY = """
  (data (i32.const 0) "x-in") (data (i32.const 16) "x-out") (data (i32.const 32) "x-seen") (data (i32.const 48) "yes")
  (func (export "on_request") (result i32)
    (local $value i64)
    (local.set $value (call $get_header (i32.const 0) (i32.const 4)))
    (if (i64.eqz (local.get $value)) (then (return (i32.const 0))))
    (call $set_header (i32.const 16) (i32.const 5)
      (i32.wrap_i64 (i64.shr_u (local.get $value) (i64.const 32))) (i32.wrap_i64 (local.get $value)))
    (i32.const 0))
  (func (export "on_response") (result i32)
    (call $set_header (i32.const 32) (i32.const 6) (i32.const 48) (i32.const 3))
    (i32.const 0))
"""
"""Copies a header of requests to another, and marks answers."""

BODY = """
  (data (i32.const 0) "x-body")
  (func (export "on_request") (result i32)
    (local $length i32)
    (local.set $length (call $get_body (i32.const 1024) (i32.const 1024)))
    (call $set_header (i32.const 0) (i32.const 6) (i32.const 1024) (local.get $length))
    (i32.const 0))
"""
"""Puts the body of a request into a header."""

CONTEXT = """
  (data (i32.const 0) "x-context")
  (func (export "on_request") (param $place i32) (param $length i32) (result i32)
    (call $set_header (i32.const 0) (i32.const 9) (local.get $place) (local.get $length))
    (i32.const 0))
"""
"""Puts what it is told of a request into a header."""


def refusing(status: int, function: str = "on_request") -> str:
    return f'(func (export "{function}") (result i32) (i32.const {status}))'


LOOP = '(func (export "on_request") (result i32) (loop $again (br $again)) (i32.const 0))'
TRAP = '(func (export "on_request") (result i32) unreachable)'
UNREACHABLE, ILLEGAL = b"\x00\x00\x0b", b"\x00\xff\x0b"
"""The end of a function as it is in binary, and as no engine takes it."""

GREEDY = """
  (func (export "on_request") (result i32)
    (loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (i32.store (i32.mul (memory.size) (i32.const 65536)) (i32.const 1))
    (i32.const 0))
"""
"""Takes all the memory that it gets, and then more."""
DEEP = '(func $down (export "on_request") (result i32) (i32.add (call $down) (i32.const 1)))'
OUTSIDE = """
  (func (export "on_request") (result i32)
    (call $set_header (i32.const -1) (i32.const 5) (i32.const 0) (i32.const 2000000000)) (i32.const 0))
"""
"""Points at memory that it does not have."""

CHUNKS = """
  (data (i32.const 0) "secret")
  (func (export "on_stream_chunk") (result i32)
    (local $length i32) (local $at i32)
    (local.set $length (call $get_body (i32.const 1024) (i32.const 4096)))
    (loop $again
      (if (i32.and (i32.eq (i32.load (i32.add (i32.const 1024) (local.get $at))) (i32.load (i32.const 0)))
                   (i32.eq (i32.load16_u (i32.add (i32.const 1028) (local.get $at))) (i32.load16_u (i32.const 4))))
        (then (return (i32.const 451))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $at) (local.get $length))))
    (i32.const 0))
"""
"""Refuses answers with a word in them."""

PROXY_IMPORTS = """
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $bytes (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call"
    (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
"""


def build_proxy(request: str, more: str = "", memory: str = "1", starts: str = "(i32.const 1)") -> bytes:
    """A module of proxy-wasm that does something with the headers of a request."""
    return bytes(
        wat2wasm(f"""(module {PROXY_IMPORTS}
  (memory (export "memory") {memory})
  (data (i32.const 0) "x-native") (data (i32.const 16) "yes")
  (global $next (mut i32) (i32.const 8192))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $length i32) (result i32)
    (local $place i32)
    (local.set $place (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get $length)))
    (local.get $place))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) {starts})
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {request} (i32.const 0))
  {more})""")
    )


MARK = "(drop (call $add (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 16) (i32.const 3)))"
"""Adds a header to requests."""
NATIVE_TRAP = "unreachable"
NATIVE_GREEDY = """
  (loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
  (i32.store (i32.mul (memory.size) (i32.const 65536)) (i32.const 1))
"""
