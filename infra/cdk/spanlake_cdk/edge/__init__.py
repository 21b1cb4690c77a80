"""The edge: what gRPC and UDP need, which no function can speak. It costs something all the time."""
