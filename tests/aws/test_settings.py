"""Tests the functions' settings from their environment."""

from datetime import timedelta

import pytest

from spanlake.aws.settings import claim_rules, settings, tokens_secret
from spanlake.settings.model import AthenaSettings
from spanlake.settings.units import MIB, InvalidSetting

LEAST = {"SPANLAKE_OBJECTS": "s3://lake", "SPANLAKE_INDEX": "dynamodb://index"}


def test_defaults_follow_the_memory() -> None:
    small, large = (settings(LEAST | {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": size}) for size in ("512", "3008"))
    assert small.retention == timedelta(days=14)
    assert (small.ingest.body_bytes, large.ingest.body_bytes) == (32 * MIB, 188 * MIB)
    assert (small.query.memory_bytes, large.query.memory_bytes) == (128 * MIB, 2496 * MIB)
    assert small.query.seconds < 30  # API Gateway's limit


def test_all_can_be_set() -> None:
    config = settings(
        LEAST
        | {
            "SPANLAKE_RETENTION": "0",
            "SPANLAKE_MAX_REQUEST_BYTES": "1MiB",
            "SPANLAKE_QUERY_TIMEOUT": "2.5",
            "SPANLAKE_QUERY_MEMORY": "2MiB",
            "SPANLAKE_QUERY_SPANS": "3",
            "SPANLAKE_QUERY_SERIES": "4",
            "SPANLAKE_QUERY_POINTS": "5",
            "SPANLAKE_QUERY_SPANSETS": "6",
            "SPANLAKE_QUERY_TERMS": "7",
            "SPANLAKE_GLUE_TABLE": "lake.spans",
            "SPANLAKE_ATHENA_WORKGROUP": "spanlake",
            "SPANLAKE_ATHENA_ABOVE": "3MiB",
        }
    )
    query = config.query
    assert (config.retention, config.ingest.body_bytes) == (None, MIB)
    assert (query.seconds, query.memory_bytes, query.spans, query.series) == (2.5, 2 * MIB, 3, 4)
    assert (query.points, query.spansets, query.terms) == (5, 6, 7)
    assert config.athena == AthenaSettings("lake.spans", "spanlake", 3 * MIB)


@pytest.mark.parametrize(
    ("environment", "wrong"),
    [
        ({"SPANLAKE_INDEX": "dynamodb://index"}, "SPANLAKE_OBJECTS is not set"),
        ({"SPANLAKE_OBJECTS": "s3://lake"}, "SPANLAKE_INDEX is not set"),
        (LEAST | {"SPANLAKE_RETENTION": "soon"}, "SPANLAKE_RETENTION: 'soon' is not an age"),
        (LEAST | {"SPANLAKE_MAX_REQUEST_BYTES": "0"}, "SPANLAKE_MAX_REQUEST_BYTES: '0' allows nothing"),
        (LEAST | {"SPANLAKE_QUERY_SPANS": "many"}, "SPANLAKE_QUERY_SPANS: "),
    ],
)
def test_what_is_refused(environment: dict[str, str], wrong: str) -> None:
    with pytest.raises(InvalidSetting, match=wrong):
        settings(environment)


def test_who_is_asked() -> None:
    assert claim_rules({}).tenant_claim == "tenant"
    assert claim_rules({"SPANLAKE_TENANT_CLAIM": "team"}).tenant_claim == "team"
    with pytest.raises(InvalidSetting, match="the roles are write, read, delete, admin"):
        claim_rules({"SPANLAKE_JWT_ROLES": "root"})
    assert tokens_secret({"SPANLAKE_TOKENS_SECRET": "arn:x"}) == "arn:x"
    with pytest.raises(InvalidSetting, match="SPANLAKE_TOKENS_SECRET is not set"):
        tokens_secret({})
