"""WebAssembly modules as files: what they import and export, and whether they can be run as plugins."""
