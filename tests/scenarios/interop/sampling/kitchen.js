const { initTracer } = require("jaeger-client");

const tracer = initTracer({
  serviceName: "kitchen",
  sampler: { type: "remote", param: 1, host: "localhost", port: 5778, refreshIntervalMs: 100 },
  reporter: { agentHost: "localhost", agentPort: 6832 },
});
const timer = setInterval(() => {
  if (String(tracer._sampler._sampler).includes("0.25")) {
    clearInterval(timer);
    tracer.close();
  }
}, 100);
