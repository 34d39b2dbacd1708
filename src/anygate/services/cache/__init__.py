"""The cache: answers of backends, kept in memory, which Envoy asks for by `envoy.service.ext_proc.v3`.

It guards nothing. Without it every request goes to its backend.
"""
