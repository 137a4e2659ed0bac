import org.apache.kafka.common.message.ApiMessageType.ListenerType;
import org.apache.kafka.common.message.ApiVersionsResponseData.ApiVersion;
import org.apache.kafka.common.requests.ApiVersionsResponse;
import org.apache.kafka.server.common.MetadataVersion;

/** What a fresh Kafka broker says in ApiVersions: the level of its metadata.version, and its ranges. */
public class KafkaApiVersions {
    public static void main(String[] args) {
        MetadataVersion level = MetadataVersion.latestProduction();
        MetadataVersion least = MetadataVersion.MINIMUM_VERSION;
        System.out.println("metadata\t" + least.featureLevel() + "\t" + level.featureLevel());
        // Without unstable versions and client telemetry, as brokers are by default.
        for (ApiVersion version : ApiVersionsResponse.brokerApiVersions(ListenerType.BROKER, false, false)) {
            System.out.println("key\t" + version.apiKey() + "\t" + version.minVersion() + "\t" + version.maxVersion());
        }
    }
}
