"""What happens to requests inside the cluster of a model provider, once for each attempt.

Envoy keeps one set of request headers for all attempts, so what the chain of one cluster does to them is there when
the chain of the next one starts: its path, its `content-length`, its credential. Every chain therefore sets or removes
all that any other may have touched. The body always is the client's.

What is removed here is gone from access logs too. Who needs the model or the path reads it from metadata.
"""
