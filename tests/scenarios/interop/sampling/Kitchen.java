import io.jaegertracing.internal.samplers.HttpSamplingManager;
import io.jaegertracing.internal.samplers.RemoteControlledSampler;

public class Kitchen {
  public static void main(String[] arguments) throws InterruptedException {
    RemoteControlledSampler sampler =
        new RemoteControlledSampler.Builder("kitchen")
            .withSamplingManager(new HttpSamplingManager("localhost:5778"))
            .withPollingInterval(100)
            .build();
    while (!sampler.toString().contains("0.25")) {
      Thread.sleep(100);
    }
    sampler.close();
  }
}
