"""TraceQL metrics: evaluation of time series, exemplars and compare()."""
