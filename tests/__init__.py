"""The specification of spanlake, as tests."""
