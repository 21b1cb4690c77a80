"""Spans in the order of a waterfall: each below its parent, siblings by start."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from spanlake.cli.client.trace import Span
from spanlake.cli.render.terminal import Glyphs

_LONGEST_GUIDES = 200  # characters kept; at greater depth only the nearest ancestors are drawn


class Place(Enum):
    """Position of a span in the tree."""

    USUAL = "usual"  # a root, or a child of its parent
    ORPHAN = "orphan"  # its parent is not in the trace
    CYCLE = "cycle"  # it is its own ancestor: the tree is cut above it


@dataclass(frozen=True, slots=True)
class Node:
    """A span at its position."""

    span: Span
    place: Place
    guides: str  # the lines that connect it with its ancestors
    below: str  # the lines below it, before those of its children


@dataclass(frozen=True, slots=True)
class _Visit:
    index: int
    place: Place
    lead: str
    is_root: bool
    is_last: bool


def arranged(spans: Sequence[Span], glyphs: Glyphs) -> Iterator[Node]:
    """Yield every span once, given the spans by start.

    Where several spans have the same id, children are below the first. Time and memory are linear in the number of
    spans, at any depth.
    """
    roots, children = _relations(spans)
    seen: set[int] = set()
    for root, place in roots:
        yield from _descend(_Visit(root, place, "", is_root=True, is_last=True), spans, children, seen, glyphs)
    for index in range(len(spans)):
        if index not in seen:
            start = _Visit(index, Place.CYCLE, "", is_root=True, is_last=True)
            yield from _descend(start, spans, children, seen, glyphs)


def _relations(spans: Sequence[Span]) -> tuple[list[tuple[int, Place]], dict[int, list[int]]]:
    """Return the roots, and the children of each span, as positions; spans of a cycle are not reached from any root."""
    positions: dict[bytes, int] = {}
    for index, span in enumerate(spans):
        positions.setdefault(span.message.span_id, index)
    roots: list[tuple[int, Place]] = []
    children: dict[int, list[int]] = {}
    for index, span in enumerate(spans):
        parent = positions.get(span.parent_id) if span.parent_id else None
        if parent is not None:
            children.setdefault(parent, []).append(index)
        else:
            roots.append((index, Place.ORPHAN if span.parent_id else Place.USUAL))
    return roots, children


def _descend(
    start: _Visit, spans: Sequence[Span], children: dict[int, list[int]], seen: set[int], glyphs: Glyphs
) -> Iterator[Node]:
    stack = [start]
    while stack:
        visit = stack.pop()
        seen.add(visit.index)
        below = [child for child in children.get(visit.index, ()) if child not in seen]
        lead = visit.lead + ("" if visit.is_root else glyphs.blank if visit.is_last else glyphs.pipe)
        lead = lead[-_LONGEST_GUIDES:]
        guides = visit.lead + ("" if visit.is_root else glyphs.last if visit.is_last else glyphs.branch)
        yield Node(spans[visit.index], visit.place, guides, lead + (glyphs.pipe if below else glyphs.blank))
        stack += [
            _Visit(child, Place.USUAL, lead, is_root=False, is_last=child == below[-1]) for child in reversed(below)
        ]
