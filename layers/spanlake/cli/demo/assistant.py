"""The shop's assistant: an agent that asks a language model, uses tools, and asks again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from random import Random

from spanlake.cli.demo.operation import CLIENT, INTERNAL, Attributes, Call, Failure, Operation, Varying
from spanlake.cli.demo.parts import http, index

_MODEL = "gpt-5-mini"
_QUESTIONS = (
    (
        "Do you have a waterproof jacket under 120 euros?",
        "waterproof jacket",
        "Yes: the Fjell jacket, 109 €, in four colours.",
    ),
    (
        "Which tent fits three people and weighs less than 3 kg?",
        "tent 3 person light",
        "The Skog 3 weighs 2.6 kg and has room for three.",
    ),
    ("I need a present for a runner.", "running gift", "Runners like the Puls head torch, or a pair of merino socks."),
    ("Can I send back boots that I wore once?", "return policy boots", "Yes, within 30 days, if they are clean."),
    (
        "What is the warmest sleeping bag that you have?",
        "sleeping bag winter",
        "The Frost 18, filled with down, comfortable down to 11 °C below zero.",
    ),
)
_INSTRUCTIONS = (
    "You are the assistant of an outdoor shop. Answer in one or two sentences. Use search_products for facts."
)


@dataclass(frozen=True)
class Question:
    """A visitor's question, the search that the model makes for it, and the answer."""

    asked: str
    words: str
    answer: str


QUESTIONS = tuple(Question(*texts) for texts in _QUESTIONS)


def assistant(question: Question) -> Operation:
    """Return the operation that answers a question: about three seconds and some two thousand tokens."""
    find = http("assistant", "search", "GET", "/products", 6, Call(index("search", "search")))
    tool = Operation(
        "assistant",
        "execute_tool search_products",
        INTERNAL,
        3,
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "search_products",
            "gen_ai.tool.type": "function",
        },
        calls=(Call(find),),
        library="genai",
    )
    first, last = _chat(partial(_calls_tool, question), 900), _chat(partial(_answers, question), 2100)
    agent = Operation(
        "assistant",
        "invoke_agent shop-assistant",
        INTERNAL,
        12,
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "shop-assistant",
            "gen_ai.provider.name": "openai",
        },
        calls=(Call(_embedding()), Call(first), Call(tool), Call(last)),
        library="genai",
    )
    return http("gateway", "assistant", "POST", "/ask", 5, Call(agent))


def _embedding() -> Operation:
    attributes: Attributes = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "text-embedding-3-small",
        "server.address": "api.openai.example",
        "server.port": 443,
    }

    def tokens(random: Random) -> Attributes:
        return {"gen_ai.usage.input_tokens": random.randrange(8, 30)}

    return Operation("assistant", "embeddings text-embedding-3-small", CLIENT, 85, attributes, tokens, library="genai")


def _chat(said: Varying, own_ms: float) -> Operation:
    attributes: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": _MODEL,
        "gen_ai.response.model": f"{_MODEL}-2026-08-07",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 800,
        "server.address": "api.openai.example",
        "server.port": 443,
    }
    limited = Failure(0.03, "openai.RateLimitError", "429: rate limit reached for gpt-5-mini, try again in 1.2 s")
    failed: Attributes = {"error.type": "rate_limit_exceeded"}
    return Operation(
        "assistant",
        f"chat {_MODEL}",
        CLIENT,
        own_ms,
        attributes,
        said,
        failure=limited,
        on_error=failed,
        library="genai",
    )


def _messages(*turns: tuple[str, Mapping[str, object]]) -> str:
    return json.dumps([{"role": role, "parts": [part]} for role, part in turns], ensure_ascii=False)


def _text(content: str) -> dict[str, object]:
    return {"type": "text", "content": content}


def _calls_tool(question: Question, random: Random) -> Attributes:
    call: Mapping[str, object] = {
        "type": "tool_call",
        "name": "search_products",
        "arguments": {"query": question.words},
    }
    return {
        "gen_ai.system_instructions": json.dumps([_text(_INSTRUCTIONS)]),
        "gen_ai.input.messages": _messages(("user", _text(question.asked))),
        "gen_ai.output.messages": _messages(("assistant", call)),
        "gen_ai.usage.input_tokens": random.randrange(380, 520),
        "gen_ai.usage.output_tokens": random.randrange(18, 34),
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "gen_ai.response.id": f"chatcmpl-{random.getrandbits(80):020x}",
    }


def _answers(question: Question, random: Random) -> Attributes:
    result: Mapping[str, object] = {"type": "tool_call_response", "result": f"3 products for “{question.words}”"}
    return {
        "gen_ai.system_instructions": json.dumps([_text(_INSTRUCTIONS)]),
        "gen_ai.input.messages": _messages(("user", _text(question.asked)), ("tool", result)),
        "gen_ai.output.messages": _messages(("assistant", _text(question.answer))),
        "gen_ai.usage.input_tokens": random.randrange(900, 2400),
        "gen_ai.usage.output_tokens": random.randrange(30, 160),
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.id": f"chatcmpl-{random.getrandbits(80):020x}",
    }
