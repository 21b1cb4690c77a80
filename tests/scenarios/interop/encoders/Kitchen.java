import java.util.List;
import java.util.Map;
import zipkin2.Endpoint;
import zipkin2.Span;
import zipkin2.reporter.BytesEncoder;
import zipkin2.reporter.Encoding;
import zipkin2.reporter.SpanBytesEncoder;
import zipkin2.reporter.urlconnection.URLConnectionSender;

/** Sends a trace with an id of 64 bits in every encoding of Zipkin's reporter. */
public class Kitchen {
  public static void main(String[] arguments) throws Exception {
    send(SpanBytesEncoder.JSON_V2, "http://localhost:9411/api/v2/spans", "zipkin-json-v2", "1000000000000001");
    send(SpanBytesEncoder.PROTO3, "http://localhost:9411/api/v2/spans", "zipkin-proto3", "1000000000000002");
    send(SpanBytesEncoder.JSON_V1, "http://localhost:9411/api/v1/spans", "zipkin-json-v1", "1000000000000003");
    send(SpanBytesEncoder.THRIFT, "http://localhost:9411/api/v1/spans", "zipkin-thrift", "1000000000000004");
  }

  private static void send(BytesEncoder<Span> encoder, String endpoint, String service, String traceId)
      throws Exception {
    Endpoint local = Endpoint.newBuilder().serviceName(service).ip("192.0.2.1").port(8080).build();
    long now = System.currentTimeMillis() * 1000;
    Span.Builder common = Span.newBuilder().traceId(traceId).localEndpoint(local).timestamp(now).duration(5000);
    Span breakfast = common.clone().id("a").name("make breakfast").kind(Span.Kind.SERVER).build();
    Span eggs = common.clone().id("b").parentId("a").name("boil eggs").putTag("eggs.minutes", "6").putTag("error", "").build();
    Encoding encoding = encoder.encoding();
    try (URLConnectionSender sender =
        URLConnectionSender.newBuilder().endpoint(endpoint).encoding(encoding).compressionEnabled(true).build()) {
      sender.send(List.of(encoder.encode(breakfast), encoder.encode(eggs)));
    }
  }
}
