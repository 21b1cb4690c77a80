import io.trino.filesystem.cache.CachingHostAddressProvider;
import io.trino.filesystem.cache.DefaultCachingHostAddressProvider;
import io.trino.filesystem.local.LocalFileSystemFactory;
import io.trino.plugin.hive.HiveConnectorFactory;
import io.trino.server.testing.TestingTrinoServer;
import io.trino.spi.Plugin;
import io.trino.spi.connector.Connector;
import io.trino.spi.connector.ConnectorContext;
import io.trino.spi.connector.ConnectorFactory;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A Trino of one process over Hive tables in a directory, for tests; ends when its standard input does. */
public final class LakeServer {
    private LakeServer() {}

    /** Takes the directory; {@code local:///x} names {@code x} below it, and the table definitions are in {@code metastore}. */
    public static void main(String[] arguments) throws Exception {
        PrintStream told = System.out; // the server's logging takes its place
        Path directory = Path.of(arguments[0]).toRealPath();
        TestingTrinoServer server = TestingTrinoServer.builder()
                .build();
        server.installPlugin(new HivePlugin(directory));
        server.createCatalog("lake", "hive", Map.of(
                "hive.metastore", "file",
                "hive.metastore.catalog.dir", "local:///metastore",
                "hive.metastore.version-compatibility", "UNSAFE_ASSUME_COMPATIBILITY",
                "hive.security", "allow-all",
                "hive.non-managed-table-writes-enabled", "true",
                "hive.allow-register-partition-procedure", "true"));
        told.println(server.getBaseUrl());
        told.flush();
        while (System.in.read() >= 0) {
            // whoever started this is still there
        }
        Runtime.getRuntime().halt(0);
    }

    private record HivePlugin(Path directory) implements Plugin {
        @Override
        public Iterable<ConnectorFactory> getConnectorFactories() {
            return List.of(new LocalHive(directory));
        }
    }

    private record LocalHive(Path directory) implements ConnectorFactory {
        @Override
        public String getName() {
            return "hive";
        }

        @Override
        public Connector create(String catalog, Map<String, String> properties, ConnectorContext context) {
            return HiveConnectorFactory.createConnector(
                    catalog,
                    properties,
                    context,
                    binder -> binder.bind(CachingHostAddressProvider.class).to(DefaultCachingHostAddressProvider.class),
                    Optional.empty(),
                    Optional.of(new LocalFileSystemFactory(directory)));
        }
    }
}
