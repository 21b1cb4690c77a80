"""How much of the language is answered."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is answered beyond what Tempo 3.1 answers, or better. All of it parses either way.

    ``parent_scope``: ``{ parent.span.http.method = "GET" }``, ``{ parent.duration > 1s }``, ``{ parent = nil }``.
    ``scalar_expressions``: aggregates on both sides of a comparison and in arithmetic, scalars of pipelines.
    ``mixed_pipelines``: pipelines in parentheses wherever a spanset may stand. Tempo takes them as the operands of a
    query that has only one stage, and no plain spansets beside them.
    ``series_operands``: rankings and filters of the result of arithmetic between metrics inside of arithmetic.
    ``exact``: what Tempo estimates or loses track of is answered as it is: quantiles, sums of attributes, samples,
    unions of ancestors and descendants, attributes in comparisons.
    ``max_group_by``: how many fields metrics can be grouped by; None for any number.
    ``max_spansets``: how many spansets and pipeline stages there may be, ``max_terms`` how many fields and operators,
    where one of arithmetic counts as ten: planning takes the longer the more there are.
    """

    parent_scope: bool
    scalar_expressions: bool
    mixed_pipelines: bool
    series_operands: bool
    exact: bool
    max_group_by: int | None
    max_spansets: int = 100
    max_terms: int = 10_000

    @classmethod
    def tempo(cls) -> "Dialect":
        """What Tempo 3.1 answers, no more."""
        return cls(
            parent_scope=False,
            scalar_expressions=False,
            mixed_pipelines=False,
            series_operands=False,
            exact=False,
            max_group_by=5,
        )

    @classmethod
    def served(cls) -> "Dialect":
        """What Tempo 3.1 answers, and the parent scope, which it refuses although it makes sense."""
        return replace(cls.tempo(), parent_scope=True)

    @classmethod
    def extended(cls) -> "Dialect":
        """All that parses and makes sense."""
        return cls(
            parent_scope=True,
            scalar_expressions=True,
            mixed_pipelines=True,
            series_operands=True,
            exact=True,
            max_group_by=None,
        )
