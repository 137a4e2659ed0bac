import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Many producers that write as fast as they can:
 * bootstrap topic producers batchBytes records recordBytes.
 *
 * A producer has at most five requests under way, so a few of them cannot fill large objects.
 * `records` is for all of them together. Prints how many were acknowledged, and ends.
 */
class ManyProducers {
    public static void main(String[] args) throws Exception {
        int producers = Integer.parseInt(args[2]);
        long records = Long.parseLong(args[4]);
        byte[] value = new byte[Integer.parseInt(args[5])];
        Arrays.fill(value, (byte) 'v');
        AtomicLong left = new AtomicLong(records);
        AtomicLong acknowledged = new AtomicLong();
        Thread[] threads = new Thread[producers];
        for (int i = 0; i < producers; i++) {
            KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
                Map.of("bootstrap.servers", args[0], "acks", "all", "linger.ms", "5",
                    "batch.size", args[3]),
                new ByteArraySerializer(),
                new ByteArraySerializer());
            threads[i] = new Thread(() -> {
                while (left.getAndDecrement() > 0) {
                    producer.send(new ProducerRecord<>(args[1], value), (metadata, error) -> {
                        if (error == null) acknowledged.incrementAndGet();
                        else System.err.println("a record failed: " + error);
                    });
                }
                producer.close();
            });
            threads[i].start();
        }
        for (Thread thread : threads) thread.join();
        System.out.println(acknowledged.get());
    }
}
