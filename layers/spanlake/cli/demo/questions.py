"""Questions to try on the demo's traces, with links to the places of the web page where they are answered."""

from dataclasses import dataclass
from urllib.parse import urlencode

from spanlake.cli.demo.incident import Incident

_MS = 1_000_000
_BESIDE_MS = 5_400_000  # shown before and after the incident


@dataclass(frozen=True)
class Question:
    """A question, and the address of the page that answers it."""

    text: str
    link: str


def questions(url: str, incident: Incident) -> tuple[Question, ...]:
    """Three questions, for a server at an address."""
    start, end = incident.start_ns // _MS, incident.end_ns // _MS
    around = {"start": start - _BESIDE_MS, "end": end + _BESIDE_MS}
    checkouts = {"q": '{ name = "POST /checkout" }', "by": "status", **around}
    payments = {"q": '{ resource.service.name = "payment" && kind = server }', "by": "resource.cloud.region"}
    chats = (
        '{ span.gen_ai.operation.name = "chat" } | select(span.gen_ai.request.model, span.gen_ai.usage.output_tokens)'
    )
    return (
        Question(
            "Checkouts failed for a while. When, and for whom?",
            _link(url, "explore", checkouts),
        ),
        Question(
            'What do the slow and failed payments of that time have in common? (press "Errors" above the heatmap)',
            _link(url, "explore", {**payments, "start": start, "end": end}),
        ),
        Question(
            "What is the shop's assistant asked, and where do its three seconds go?",
            _link(url, "search", {"q": chats, "since": "24h"}),
        ),
    )


def _link(url: str, page: str, parameters: dict[str, object]) -> str:
    return f"{url}/#/{page}?{urlencode(parameters)}"
