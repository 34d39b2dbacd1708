"""The tables. They are written for SQLAlchemy Core alone, so that another database takes the same text."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

SCHEMA_VERSION = 1
"""Counted up with every change of the tables; `migrations.py` says how to get there."""

METADATA = MetaData()

SCHEMA = Table("schema_version", METADATA, Column("version", Integer, nullable=False))

USAGE = Table(
    "usage",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("time", BigInteger, nullable=False),  # milliseconds since 1970, when the request came in
    Column("request_id", String, nullable=False),
    Column("route", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("backend", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("format", String, nullable=False),
    Column("model", String, nullable=False),
    Column("sent_model", String, nullable=False),
    Column("answered_model", String, nullable=False),
    Column("key_hash", String, nullable=False),
    Column("key_label", String, nullable=False),
    Column("session", String, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("status", Integer, nullable=False),
    Column("outcome", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("cache_creation_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("total_tokens", BigInteger),
    Column("estimated", Boolean, nullable=False),
    Column("costs", JSON(none_as_null=True)),
    Column("ttft_ms", Float),
    Column("duration_ms", Float, nullable=False),
    Column("request_bytes", BigInteger, nullable=False),
    Column("response_bytes", BigInteger, nullable=False),
    Index("usage_time", "time"),
)
"""One row for each AI request. No bodies, and no headers but those that were asked for."""
