import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Producers with a steady rate, spread evenly over many partitions:
 * bootstrap topic partitions producers recordsPerSecond recordBytes recordsPerBatch.
 *
 * So many records for one partition are due together, and travel in one batch. The key of a record
 * is how many of its partition were sent before it: where all is well, its offset.
 *
 * A record's time runs from when it was due, so a producer that is held up counts as waiting.
 * Commands on standard input: "mark" begins the interval that counts (answer: "marked"), "report"
 * prints one line of JSON about it:
 *   sent, acknowledged, failed: records, since the start
 *   waitMsBefore: 50th and 99th percentile of the wait for an acknowledgement, between the last
 *     mark but one and the mark
 *   partitions: per partition, since the mark, in ms
 *     [longest wait for an acknowledgement, longest time between two acknowledgements,
 *      time from the mark to the first acknowledgement of a record that was due after it, or -1]
 * "finish" sends no more, waits for all answers, and prints the report.
 * "read" reads the whole topic, which must be this program's alone, and prints how many records there
 * are, and how many whose key is not their offset: were one lost or there twice, all behind it.
 * Ends with its input.
 */
class PartitionLoad {
    private static final long START_DELAY_NS = 500_000_000L;
    private static final int WAIT_MS_MAX = 60_000;
    private static final int KEY_BYTES = Long.BYTES;

    /** One producer and its share of the partitions: index, index + stride, and so on. */
    private static class Lane extends Thread {
        final KafkaProducer<byte[], byte[]> producer;
        final String topic;
        final int index;
        final int stride;
        final int count;
        final long startNs;
        /** From one batch to the next. */
        final double periodNs;
        final int recordsPerBatch;
        final byte[] value;
        final long[] sentTo;
        final long[] lastAckNs;
        final long[] gapNs;
        final long[] waitNs;
        final long[] firstNs;
        /** How many records waited so many ms: since the mark, and in the interval before it. */
        int[] waits = new int[WAIT_MS_MAX + 1];
        int[] waitsBefore = new int[WAIT_MS_MAX + 1];
        long markNs = System.nanoTime();
        long sent;
        long acknowledged;
        long failed;
        volatile boolean isFinished;

        Lane(KafkaProducer<byte[], byte[]> producer, String topic, int index, int stride,
             int partitions, long startNs, double periodNs, int recordsPerBatch, byte[] value) {
            this.producer = producer;
            this.topic = topic;
            this.index = index;
            this.stride = stride;
            this.count = (partitions - index + stride - 1) / stride;
            this.startNs = startNs;
            this.periodNs = periodNs;
            this.recordsPerBatch = recordsPerBatch;
            this.value = value;
            sentTo = new long[count];
            lastAckNs = new long[count];
            gapNs = new long[count];
            waitNs = new long[count];
            firstNs = new long[count];
            Arrays.fill(firstNs, -1);
            setDaemon(true);
        }

        @Override
        public void run() {
            for (long n = 0; !isFinished; n++) {
                long dueNs = startNs + (long) (n * periodNs);
                for (long left; (left = dueNs - System.nanoTime()) > 0; ) LockSupport.parkNanos(left);
                int slot = (int) (n % count);
                synchronized (this) {
                    sent += recordsPerBatch;
                }
                for (int i = 0; i < recordsPerBatch; i++) {
                    producer.send(
                        new ProducerRecord<>(topic, index + slot * stride, key(sentTo[slot]++), value),
                        (metadata, error) -> completed(slot, dueNs, error));
                }
            }
        }

        /** Resolves when everything sent has been answered. */
        void finish() throws InterruptedException {
            isFinished = true;
            join();
            producer.flush();
        }

        private synchronized void completed(int slot, long dueNs, Exception error) {
            if (error != null) {
                failed++;
                if (failed == 1) System.err.println("a record failed: " + error);
                return;
            }
            acknowledged++;
            long nowNs = System.nanoTime();
            long waitedNs = nowNs - dueNs;
            waits[(int) Math.min(waitedNs / 1_000_000, WAIT_MS_MAX)]++;
            waitNs[slot] = Math.max(waitNs[slot], waitedNs);
            if (lastAckNs[slot] != 0) gapNs[slot] = Math.max(gapNs[slot], nowNs - lastAckNs[slot]);
            if (firstNs[slot] < 0 && dueNs >= markNs) firstNs[slot] = nowNs - markNs;
            lastAckNs[slot] = nowNs;
        }

        synchronized void mark(long nowNs) {
            markNs = nowNs;
            Arrays.fill(gapNs, 0);
            Arrays.fill(waitNs, 0);
            Arrays.fill(firstNs, -1);
            int[] counted = waits;
            waits = waitsBefore;
            waitsBefore = counted;
            Arrays.fill(waits, 0);
        }

        /** What has not been acknowledged by now has waited until now. */
        synchronized void appendPartitions(String[] into, long nowNs) {
            for (int slot = 0; slot < count; slot++) {
                long gap = Math.max(gapNs[slot], nowNs - lastAckNs[slot]);
                long first = firstNs[slot] < 0 ? -1_000_000 : firstNs[slot];
                into[index + slot * stride] = String.format(java.util.Locale.ROOT, "[%.1f,%.1f,%.1f]",
                    waitNs[slot] / 1e6, gap / 1e6, first / 1e6);
            }
        }
    }

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        int partitions = Integer.parseInt(args[2]);
        int producers = Integer.parseInt(args[3]);
        int recordsPerBatch = Integer.parseInt(args[6]);
        double periodNs = 1e9 * producers * recordsPerBatch / Double.parseDouble(args[4]);
        byte[] value = new byte[Integer.parseInt(args[5]) - KEY_BYTES];
        Arrays.fill(value, (byte) 'v');
        Lane[] lanes = new Lane[producers];
        long startNs = System.nanoTime() + START_DELAY_NS;
        for (int i = 0; i < producers; i++) {
            KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
                Map.of("bootstrap.servers", args[0], "acks", "all", "linger.ms", "5"),
                new ByteArraySerializer(),
                new ByteArraySerializer());
            // Not all in the same instant: real producers know nothing of each other.
            long shiftNs = (long) (periodNs * i / producers);
            lanes[i] = new Lane(
                producer, topic, i, producers, partitions, startNs + shiftNs, periodNs, recordsPerBatch,
                value);
        }
        for (Lane lane : lanes) lane.start();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) {
            if (line.equals("mark")) {
                long nowNs = System.nanoTime();
                for (Lane lane : lanes) lane.mark(nowNs);
                System.out.println("marked");
            } else if (line.equals("finish")) {
                for (Lane lane : lanes) lane.finish();
                System.out.println(report(lanes, partitions));
            } else if (line.equals("report")) {
                System.out.println(report(lanes, partitions));
            } else if (line.equals("read")) {
                System.out.println(read(args[0], topic, partitions));
            }
        }
        System.exit(0);
    }

    private static byte[] key(long number) {
        return ByteBuffer.allocate(KEY_BYTES).putLong(number).array();
    }

    private static String read(String bootstrap, String topic, int partitions) {
        List<TopicPartition> all =
            IntStream.range(0, partitions).mapToObj(i -> new TopicPartition(topic, i)).toList();
        long records = 0;
        long misplaced = 0;
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "none"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer())) {
            consumer.assign(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            for (TopicPartition each : all) consumer.seek(each, 0);
            while (all.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    records++;
                    if (ByteBuffer.wrap(record.key()).getLong() != record.offset()) misplaced++;
                }
            }
        }
        return "{\"records\":" + records + ",\"misplaced\":" + misplaced + "}";
    }

    private static String report(Lane[] lanes, int partitions) {
        long sent = 0;
        long acknowledged = 0;
        long failed = 0;
        int[] waits = new int[WAIT_MS_MAX + 1];
        String[] perPartition = new String[partitions];
        for (Lane lane : lanes) {
            synchronized (lane) {
                sent += lane.sent;
                acknowledged += lane.acknowledged;
                failed += lane.failed;
                for (int ms = 0; ms <= WAIT_MS_MAX; ms++) waits[ms] += lane.waitsBefore[ms];
                lane.appendPartitions(perPartition, System.nanoTime());
            }
        }
        return "{\"sent\":" + sent + ",\"acknowledged\":" + acknowledged + ",\"failed\":" + failed
            + ",\"waitMsBefore\":[" + percentile(waits, 0.5) + "," + percentile(waits, 0.99) + "]"
            + ",\"partitions\":[" + String.join(",", perPartition) + "]}";
    }

    private static int percentile(int[] counts, double share) {
        long total = 0;
        for (int count : counts) total += count;
        long rank = (long) Math.ceil(total * share);
        long seen = 0;
        for (int ms = 0; ms < counts.length; ms++) {
            seen += counts[ms];
            if (seen >= rank) return ms;
        }
        return counts.length;
    }
}
