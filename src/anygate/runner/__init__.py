"""`anygate run`: manifests on a local Envoy, with stubs for what is not there, reloaded when files change."""
