import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Consumers that each read all of a topic from its end on: bootstrap topic readers.
 *
 * They assign themselves, so no group is needed. Prints "reading" once all of them poll; for each
 * line of standard input, the value bytes that all of them have read so far. Ends with its input.
 */
class TailReaders {
    public static void main(String[] args) throws Exception {
        LongAdder bytes = new LongAdder();
        int readers = Integer.parseInt(args[2]);
        for (int i = 0; i < readers; i++) {
            KafkaConsumer<byte[], byte[]> consumer = consumer(args[0], args[1]);
            Thread thread = new Thread(() -> read(consumer, bytes));
            thread.setDaemon(true);
            thread.start();
        }
        System.out.println("reading");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        while (input.readLine() != null) System.out.println(bytes.sum());
        System.exit(0);
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String topic) {
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
            Map.of("bootstrap.servers", bootstrap),
            new ByteArrayDeserializer(),
            new ByteArrayDeserializer());
        List<TopicPartition> all = consumer.partitionsFor(topic).stream()
            .map(info -> new TopicPartition(topic, info.partition()))
            .toList();
        consumer.assign(all);
        consumer.seekToEnd(all);
        // Seeking is lazy: this asks for the ends now.
        for (TopicPartition partition : all) consumer.position(partition);
        return consumer;
    }

    private static void read(KafkaConsumer<byte[], byte[]> consumer, LongAdder bytes) {
        while (true) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                bytes.add(record.serializedValueSize());
            }
        }
    }
}
