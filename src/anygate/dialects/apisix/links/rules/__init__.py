"""The rules about stack files, `stack-*`, by what they are about. Their examples are stack files, not manifests."""
