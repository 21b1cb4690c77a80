"""Services as their spans show them: rate, errors and durations, and who calls whom."""
