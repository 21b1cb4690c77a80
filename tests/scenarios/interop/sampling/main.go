package main

import (
	"time"

	"github.com/uber/jaeger-client-go"
)

func main() {
	sampler := jaeger.NewRemotelyControlledSampler(
		"kitchen",
		jaeger.SamplerOptions.SamplingServerURL("http://localhost:5778/sampling"),
		jaeger.SamplerOptions.SamplingRefreshInterval(100*time.Millisecond),
	)
	for told := 0.0; told != 0.25; time.Sleep(100 * time.Millisecond) {
		if probabilistic, ok := sampler.Sampler().(*jaeger.ProbabilisticSampler); ok {
			told = probabilistic.SamplingRate()
		}
	}
	sampler.Close()
}
