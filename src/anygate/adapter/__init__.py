"""The provider adapter: a server that converts between the formats of clients and providers."""
