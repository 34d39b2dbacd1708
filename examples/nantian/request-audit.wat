;; The plugin of plugin.yaml: requests with the header x-forbidden are answered with 403, answers get x-audited: yes.
;; Compiled by: wat2wasm request-audit.wat, or in Python by wasmtime.wat2wasm.
(module
  (import "nantian" "get_header" (func $get_header (param i32 i32) (result i64)))
  (import "nantian" "set_header" (func $set_header (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "x-forbidden")
  (data (i32.const 16) "x-audited")
  (data (i32.const 32) "yes")
  (global $next (mut i32) (i32.const 1024))
  ;; Where the host may put a text.
  (func (export "alloc") (param $length i32) (result i32)
    (local $place i32)
    (local.set $place (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get $length)))
    (local.get $place))
  (func (export "on_request") (result i32)
    (if (result i32) (i64.eqz (call $get_header (i32.const 0) (i32.const 11)))
      (then (i32.const 0))
      (else (i32.const 403))))
  (func (export "on_response") (result i32)
    (call $set_header (i32.const 16) (i32.const 9) (i32.const 32) (i32.const 3))
    (i32.const 0)))
