"""Endpoints beside Tempo's, which the web page asks: services, their map, attributes, and analyses of one trace."""
