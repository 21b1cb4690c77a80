"""The clients of AWS's services that storage uses."""

from typing import Any

import pytest

from spanlake.store import aws_client
from tests.cloud import Reply


@pytest.mark.parametrize(("service", "operation"), [("s3", "list_buckets"), ("dynamodb", "list_tables")])
def test_clients_name_themselves_in_each_request(service: str, operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = aws_client.Session().client(service, aws_client.config(1.0))
    agents: list[str] = []

    def send(request: Any, **_: Any) -> Any:
        agent = request.headers["User-Agent"]
        agents.append(agent.decode() if isinstance(agent, bytes) else agent)
        return Reply(200, b"{}" if service == "dynamodb" else b"<R/>").to(request)

    client.meta.events.register("before-send", send)
    getattr(client, operation)()
    assert [agent.split("/")[0] for agent in agents] == ["spanlake botocore"]
