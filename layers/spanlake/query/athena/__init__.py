"""Amazon Athena as an engine for ranges that outgrow a function: queries printed in its dialect, run, and read back."""
