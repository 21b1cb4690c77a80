// Sends a trace over gRPC in every compression that the Collector's exporter offers, and prints what became of it.
package main

import (
	"context"
	"fmt"

	_ "github.com/mostynb/go-grpc-compression/nonclobbering/snappy"
	_ "github.com/mostynb/go-grpc-compression/nonclobbering/zstd"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip"
)

func main() {
	for _, compression := range []string{"gzip", "zstd", "snappy"} {
		fmt.Printf("%s: %v\n", compression, send(compression))
	}
}

func send(compression string) error {
	background := context.Background()
	exporter, err := otlptracegrpc.New(background,
		otlptracegrpc.WithEndpoint("localhost:4317"),
		otlptracegrpc.WithInsecure(),
		otlptracegrpc.WithDialOption(grpc.WithDefaultCallOptions(grpc.UseCompressor(compression))),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{}))
	if err != nil {
		return err
	}
	spans := &kept{}
	service := resource.NewSchemaless(attribute.String("service.name", "go-grpc-"+compression))
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(service), sdktrace.WithSyncer(spans))
	tracer := provider.Tracer("kitchen")
	inside, breakfast := tracer.Start(background, "make breakfast", trace.WithSpanKind(trace.SpanKindServer))
	_, eggs := tracer.Start(inside, "boil eggs", trace.WithAttributes(attribute.Int("eggs.minutes", 6)))
	eggs.SetStatus(codes.Error, "")
	eggs.End()
	breakfast.End()
	return exporter.ExportSpans(background, spans.spans)
}

// kept keeps spans to send them at once.
type kept struct{ spans []sdktrace.ReadOnlySpan }

func (k *kept) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	k.spans = append(k.spans, spans...)
	return nil
}

func (k *kept) Shutdown(context.Context) error { return nil }
