import time

from jaeger_client import Config  # type: ignore[import-not-found]

agent = {"reporting_host": "localhost", "reporting_port": 6831, "sampling_port": 5778}
settings = {"local_agent": agent, "sampling_refresh_interval": 0.1}
tracer = Config(settings, service_name="kitchen").initialize_tracer()
while "0.25" not in str(tracer.sampler.sampler):
    time.sleep(0.1)
tracer.close()
