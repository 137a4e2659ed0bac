import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.ConfigSynonym;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;
import org.apache.kafka.storage.internals.log.LogConfig;

/**
 * Prints what Kafka knows of configs, fields apart by tabs: "broker" and "topic" lines with name,
 * type, default and limits; "synonym" lines with a topic's config, a broker's and the latter's "7"
 * in the former's unit; "value" lines with a topic's config, a value, and what Kafka makes of it.
 */
class KafkaConfigs {
    private static final String[] VALUES = {
        "", " ", "0", "1", "-1", "-2", "-3", "+5", " 7 ", "007", "9", "10", "17", "18", "22", "23",
        "1.5", ".5", "1.0", "1e-1", "1.1", "0x10", "1_000", "true", "TRUE", "False", "yes",
        "delete", "compact", "compact, delete", "compact,delete", "delete,delete", "compact,", ",",
        "zstd", "producer", "uncompressed", "none", "gzip", "CreateTime", "LogAppendTime",
        "createtime", "0:1,2:3", "0:1, 2:3", "*", "0:1,", "0", "a:b", "1048575", "1048576",
        "2147483647", "2147483648", "-131072", "-131073", "9223372036854775807",
        "9223372036854775808", "-9223372036854775808",
    };

    public static void main(String[] arguments) {
        definitions("broker", AbstractKafkaConfig.CONFIG_DEF);
        definitions("topic", LogConfig.configDefCopy());
        ServerTopicConfigSynonyms.ALL_TOPIC_CONFIG_SYNONYMS.forEach((name, synonyms) -> {
            for (ConfigSynonym synonym : synonyms) {
                line("synonym", name, synonym.name(), synonym.converter().apply("7"));
            }
        });
        for (ConfigDef.ConfigKey key : LogConfig.configDefCopy().configKeys().values()) {
            if (key.internalConfig) continue;
            for (String value : VALUES) line("value", key.name, value, outcome(key, value));
        }
    }

    private static void definitions(String kind, ConfigDef definitions) {
        for (ConfigDef.ConfigKey key : new TreeMap<>(definitions.configKeys()).values()) {
            if (key.internalConfig) continue;
            String fallback = key.hasDefault() ? shown(key, key.defaultValue) : null;
            line(kind, key.name, key.type, fallback, key.validator);
        }
    }

    private static String outcome(ConfigDef.ConfigKey key, String value) {
        try {
            Map<String, ?> configured = Map.of("preallocate", "false");
            LogConfig.validate(Map.of(), Map.of(key.name, value), configured, false);
            Map<String, Object> parsed = LogConfig.configDefCopy().parse(Map.of(key.name, value));
            return "=" + shown(key, parsed.get(key.name));
        } catch (ConfigException | InvalidConfigurationException refusal) {
            return "refused";
        }
    }

    private static String shown(ConfigDef.ConfigKey key, Object value) {
        return ConfigDef.convertToString(value, key.type);
    }

    private static void line(Object... fields) {
        System.out.println(Arrays.stream(fields).map(String::valueOf).collect(Collectors.joining("\t")));
    }
}
