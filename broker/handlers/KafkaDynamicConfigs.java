import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import kafka.server.ConfigAdminManager;
import kafka.server.ConfigHelper;
import kafka.server.ControllerConfigurationValidator;
import kafka.server.DynamicLogConfig;
import kafka.server.KafkaConfig;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.message.DescribeConfigsRequestData.DescribeConfigsResource;
import org.apache.kafka.common.message.DescribeConfigsResponseData.DescribeConfigsResourceResult;
import org.apache.kafka.common.message.DescribeConfigsResponseData.DescribeConfigsResult;
import org.apache.kafka.common.message.IncrementalAlterConfigsRequestData;
import org.apache.kafka.common.message.IncrementalAlterConfigsRequestData.AlterConfigsResource;
import org.apache.kafka.common.message.IncrementalAlterConfigsRequestData.AlterableConfig;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.requests.ApiError;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.config.BrokerReconfigurable;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.metadata.ConfigRepository;
import org.apache.kafka.metadata.MetadataCache;
import org.apache.kafka.server.DynamicThreadPool;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.DynamicConfig;
import org.apache.kafka.storage.internals.log.CleanerConfig;
import org.apache.kafka.storage.internals.log.LogCleaner;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import scala.Option;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Prints what Kafka makes of configs that are set while it runs, fields apart by tabs:
 *
 * "mode" name, mode, whether only a listener may have it; "dynamic" and "group" name, type, default
 * and limits, the latter with the broker's config behind it; "alter" scope, name, value, error;
 * "together" scope, what is set beforehand, the change, error; "described" scenario, kind, and of
 * an entry name, value, source, flags, type and synonyms.
 */
class KafkaDynamicConfigs {
    private static final int NODE = 1;

    private static final String[] VALUES = {
        "", " ", "0", "1", "-1", "-2", "3", "+5", "8", "16", "17", "100", "2500", "5000", "45000",
        "60000", "60001", "1048576", "134217728", "2147483647", "2147483648", "9223372036854775807",
        "9223372036854775808", "0.5", "1.1", "true", "False", "yes", "delete", "delete,compact",
        "compact, delete", "zstd", "CreateTime", "none", "10.0.0.1:5", "10.0.0.1", "earliest",
        "latest", "by_duration:PT1H", "by_duration:-PT1H", "by_duration:x", "by_duration:",
        "by_duration:P", "by_duration:PT", "by_duration:P1DT2H3M4.5S", "by_duration:pt1h", "by_duration:P1W", "read_committed", "READ_COMMITTED",
    };

    /** What is set of the broker itself; then changes of one config, as scope, name, value. */
    private static final String[][] TOGETHER = {
        {"own", "log.retention.ms=1000", "log.local.retention.ms=2000"},
        {"own", "log.retention.ms=1000", "log.local.retention.ms=1000"},
        {"own", "log.retention.ms=1000", "log.local.retention.ms=-1"},
        {"own", "log.retention.ms=-1", "log.local.retention.ms=-1"},
        {"default", "log.retention.bytes=1000", "log.local.retention.bytes=2000"},
        {"default", "log.retention.bytes=1000", "log.local.retention.bytes=1000"},
        {"own", "log.local.retention.ms=1000", "log.retention.ms=500"},
        {"own", "num.io.threads=16", "num.io.threads=32"},
        {"own", "num.io.threads=16", "num.io.threads=33"},
        {"own", "num.io.threads=16", "num.io.threads=8"},
        {"own", "num.io.threads=16", "num.io.threads=7"},
        {"default", "num.io.threads=16", "num.io.threads=4"},
        {"own", "no.such=1", "message.max.bytes=5"},
        {"own", "min.insync.replicas=2", "nothing.like.it=x"},
        {"own", "log.roll.ms=5", "log.roll.hours=5"},
        {"own", "", "listener.name.plaintext.max.connections=5"},
        {"default", "", "listener.name.plaintext.max.connections=5"},
        {"default", "", "listener.name.plaintext.ssl.keystore.location=/x"},
        {"own", "", "listener.name.plaintext.num.partitions=5"},
        {"own", "", "listener.name.plaintext.max.connections=x"},
        {"own", "", "listener.name.plaintext.message.max.bytes=x"},
        {"own", "", "leader.replication.throttled.rate=1"},
        {"own", "", "leader.replication.throttled.rate=-1"},
        {"default", "", "replica.alter.log.dirs.io.max.bytes.per.second=1"},
        {"own", "", "leader.replication.throttled.replicas=1:1"},
    };

    /** Scenarios of describing: statics, cluster-wide, the broker's own, the topic's, the group's and client metrics'. */
    private static final Map<String, String[]> SCENARIOS = new TreeMap<>(Map.of(
        "plain", new String[] {"", "", "", "", "", ""},
        "layered", new String[] {
            "message.max.bytes=1000 ssl.key.password=secret log.retention.hours=5 num.io.threads=6"
                + " group.consumer.session.timeout.ms=50000 log.roll.hours=7",
            "message.max.bytes=2000 log.retention.ms=5000 foo=bar max.connections=+7"
                + " log.cleanup.policy=compact,delete",
            "message.max.bytes=3000 listener.name.plaintext.max.connections=9 unknown.of.kafka=5"
                + " listener.name.external.ssl.keystore.password=hidden num.io.threads=8"
                + " leader.replication.throttled.rate=7",
            "retention.ms=7 max.message.bytes=900",
            "consumer.session.timeout.ms=46000 share.isolation.level=read_committed",
            "interval.ms=500 metrics=a,b"},
        "finer", new String[] {
            "log.retention.minutes=5", "log.flush.interval.ms=6", "log.roll.jitter.ms=3",
            "cleanup.policy=compact", "streams.num.standby.replicas=1",
            "match=client_id=x"}
    ));

    public static void main(String[] arguments) throws Exception {
        definitions();
        KafkaConfig config = config("", "", "");
        for (String scope : List.of("own", "default")) {
            Set<String> names = new TreeSet<>(DynamicBrokerConfig.ALL_DYNAMIC_CONFIGS);
            names.addAll(List.of("num.partitions", "node.id", "log.dirs", "log.retention.hours"));
            for (String name : names) {
                for (String value : VALUES) line("alter", scope, name, value, altered(config, scope, "", name, value));
            }
        }
        for (String[] each : TOGETHER) {
            KafkaConfig now = each[0].equals("own") ? config("", "", each[1]) : config("", each[1], "");
            String[] change = each[2].split("=", 2);
            line("together", each[0], each[1], each[2], altered(now, each[0], each[1], change[0], change[1]));
        }
        groups(config);
        for (Map.Entry<String, String[]> scenario : SCENARIOS.entrySet()) describe(scenario.getKey(), scenario.getValue());
        System.exit(0);
    }

    private static void definitions() {
        new TreeMap<>(DynamicBrokerConfig.dynamicConfigUpdateModes()).forEach((name, mode) ->
            line("mode", name, mode, DynamicBrokerConfig.DYNAMIC_SECURITY_CONFIGS.contains(name)));
        for (ConfigDef.ConfigKey key : DynamicConfig.Broker.configKeys().values()) {
            if (AbstractKafkaConfig.CONFIG_DEF.configKeys().containsKey(key.name)) continue;
            line("dynamic", key.name, key.type, key.defaultValue, key.validator);
        }
        for (ConfigDef.ConfigKey key : new TreeMap<>(GroupConfig.CONFIG_DEF.configKeys()).values()) {
            String shown = ConfigDef.convertToString(key.defaultValue, key.type);
            line("group", key.name, key.type, shown, key.validator, GroupConfig.brokerSynonym(key.name).orElse(""));
        }
    }

    private static void groups(KafkaConfig config) {
        ControllerConfigurationValidator validator = new ControllerConfigurationValidator(config);
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, "g");
        for (String name : new TreeSet<>(GroupConfig.configNames())) {
            for (String value : VALUES) {
                line("groupvalue", name, value, validated(validator, group, Map.of(name, value)));
            }
        }
        for (String pair : List.of("consumer.session.timeout.ms=45000 consumer.heartbeat.interval.ms=15000",
            "consumer.session.timeout.ms=45000 consumer.heartbeat.interval.ms=46000", "no.such=1",
            "share.session.timeout.ms=60000 share.heartbeat.interval.ms=5000")) {
            line("grouppair", pair, validated(validator, group, map(pair)));
        }
        ConfigResource metrics = new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "m");
        for (String each : List.of("interval.ms=100", "interval.ms=99", "interval.ms=3600001", "metrics=a,b", "match=x=y",
            "match=client_id=y", "other=1", "interval.ms=x", "match=client_id=[", "match=client_id", "metrics=*", "metrics=")) {
            line("metricsvalue", each, validated(validator, metrics, map(each)));
        }
    }

    private static String validated(ControllerConfigurationValidator validator, ConfigResource resource, Map<String, String> after) {
        try {
            validator.validate(resource, after, Map.of());
            return "NONE";
        } catch (ConfigException refusal) {
            return "INVALID_CONFIG";
        } catch (Throwable refusal) {
            return Errors.forException(refusal).name();
        }
    }

    /** The error that the broker's own look at a change gives. */
    private static String altered(KafkaConfig config, String scope, String before, String name, String value) {
        ConfigRepository repository = resource -> properties(before);
        ConfigAdminManager manager = new ConfigAdminManager(NODE, config, repository);
        AlterConfigsResource resource = new AlterConfigsResource()
            .setResourceType(ConfigResource.Type.BROKER.id())
            .setResourceName(scope.equals("own") ? "1" : "");
        resource.configs().add(new AlterableConfig().setName(name).setValue(value));
        IncrementalAlterConfigsRequestData request = new IncrementalAlterConfigsRequestData();
        request.resources().add(resource);
        ApiError error = manager.preprocess(request, (type, named) -> true).get(resource);
        return error == null ? "NONE" : error.error().name();
    }

    private static void describe(String scenario, String[] layers) {
        KafkaConfig config = config(layers[0], layers[1], layers[2]);
        ConfigRepository repository = resource -> properties(
            resource.type() == ConfigResource.Type.TOPIC ? layers[3]
                : resource.type() == ConfigResource.Type.GROUP ? layers[4] : layers[5]);
        MetadataCache cache = (MetadataCache) Proxy.newProxyInstance(
            MetadataCache.class.getClassLoader(), new Class<?>[] {MetadataCache.class},
            (proxy, method, given) -> method.getName().equals("contains"));
        ConfigHelper helper = new ConfigHelper(cache, config, repository);
        line("scenario", scenario, layers[0], layers[1], layers[2], layers[3], layers[4], layers[5]);
        describe(helper, scenario, "topic", ConfigResource.Type.TOPIC, "t");
        describe(helper, scenario, "broker", ConfigResource.Type.BROKER, "1");
        describe(helper, scenario, "default", ConfigResource.Type.BROKER, "");
        describe(helper, scenario, "group", ConfigResource.Type.GROUP, "g");
        describe(helper, scenario, "metrics", ConfigResource.Type.CLIENT_METRICS, "m");
    }

    private static void describe(ConfigHelper helper, String scenario, String kind, ConfigResource.Type type, String name) {
        DescribeConfigsResource resource = new DescribeConfigsResource().setResourceType(type.id())
            .setResourceName(name).setConfigurationKeys(null);
        DescribeConfigsResult result = helper.describeConfigs(
            CollectionConverters.asScala(List.of(resource)).toList(), true, true).head();
        if (result.errorCode() != 0) throw new IllegalStateException(result.errorMessage());
        Set<String> names = new TreeSet<>();
        for (DescribeConfigsResourceResult entry : result.configs()) {
            ConfigDef.ConfigKey key = AbstractKafkaConfig.CONFIG_DEF.configKeys().get(entry.name());
            if (key != null && key.internalConfig || !names.add(entry.name())) continue;
            String synonyms = entry.synonyms().stream()
                .map(each -> each.name() + "=" + each.value() + "@" + each.source())
                .collect(Collectors.joining(" "));
            line("described", scenario, kind, entry.name(), entry.value(), entry.configSource(), entry.readOnly(),
                entry.isSensitive(), entry.configType(), synonyms);
        }
    }

    /** A broker's config in operation, with these layers; what changes it is looked at as there. */
    private static KafkaConfig config(String statics, String defaults, String own) {
        Properties base = properties(statics);
        base.setProperty("node.id", String.valueOf(NODE));
        base.setProperty("process.roles", "broker");
        base.setProperty("controller.listener.names", "CONTROLLER");
        base.setProperty("controller.quorum.bootstrap.servers", "localhost:9093");
        KafkaConfig config = new KafkaConfig(base, false);
        config.dynamicConfig().initialize(Option.empty());
        config.dynamicConfig().addBrokerReconfigurable(new ThreadPools(config));
        config.dynamicConfig().addBrokerReconfigurable(new DynamicLogConfig(null, null));
        config.dynamicConfig().addBrokerReconfigurable(new LogCleaner(new CleanerConfig(config), new ArrayList<>(),
            new ConcurrentHashMap<>(), new LogDirFailureChannel(1), Time.SYSTEM));
        update(config, () -> config.dynamicConfig().updateDefaultConfig(properties(defaults), false));
        update(config, () -> config.dynamicConfig().updateBrokerConfig(NODE, properties(own), false));
        return config;
    }

    private static void update(KafkaConfig config, Runnable change) {
        change.run();
    }

    private record ThreadPools(KafkaConfig config) implements BrokerReconfigurable {
        @Override
        public Set<String> reconfigurableConfigs() {
            return DynamicThreadPool.RECONFIGURABLE_CONFIGS;
        }

        @Override
        public void validateReconfiguration(AbstractConfig changed) {
            DynamicThreadPool.validateReconfiguration(config, (AbstractKafkaConfig) changed);
        }

        @Override
        public void reconfigure(AbstractConfig before, AbstractConfig after) {}
    }

    private static Map<String, String> map(String text) {
        Map<String, String> map = new TreeMap<>();
        properties(text).forEach((name, value) -> map.put((String) name, (String) value));
        return map;
    }

    private static Properties properties(String text) {
        Properties properties = new Properties();
        for (String pair : text.split(" ")) {
            if (!pair.isEmpty()) properties.setProperty(pair.split("=", 2)[0], pair.split("=", 2)[1]);
        }
        return properties;
    }

    private static void line(Object... fields) {
        System.out.println(Arrays.stream(fields).map(String::valueOf).collect(Collectors.joining("\t")));
    }
}
