"""Questions about a whole trace, which is at hand as a span table: statistics, critical path, difference."""
