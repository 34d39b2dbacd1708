"""The sandbox: plugins of WebAssembly by Nantian's rules, in wasmtime, where bounds of memory and time hold.

A gRPC service that Envoy asks about each request and answer (`envoy.service.ext_proc.v3`), in a process of its own.
Each call is a new instance, so that nothing is left from one request to the next.
"""
