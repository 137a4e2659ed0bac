import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;

/** Reads record batches in hex, one per line, and prints as one line of JSON what Kafka finds. */
class KafkaRecords {
    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(line));
            RecordBatch batch = MemoryRecords.readableRecords(bytes).batches().iterator().next();
            batch.ensureValid();
            StringBuilder records = new StringBuilder();
            for (Record record : batch) {
                if (!records.isEmpty()) records.append(',');
                records.append(describe(record));
            }
            System.out.printf(
                "{\"baseOffset\":%d,\"lastOffset\":%d,\"leaderEpoch\":%d,\"maxTimestamp\":%d,"
                    + "\"producerId\":%d,\"producerEpoch\":%d,\"baseSequence\":%d,"
                    + "\"transactional\":%b,\"control\":%b,\"sizeBytes\":%d,\"records\":[%s]}%n",
                batch.baseOffset(), batch.lastOffset(), batch.partitionLeaderEpoch(),
                batch.maxTimestamp(), batch.producerId(), batch.producerEpoch(),
                batch.baseSequence(), batch.isTransactional(), batch.isControlBatch(),
                batch.sizeInBytes(), records);
        }
    }

    private static String describe(Record record) {
        StringBuilder headers = new StringBuilder();
        for (Header header : record.headers()) {
            if (!headers.isEmpty()) headers.append(',');
            byte[] key = header.key().getBytes(java.nio.charset.StandardCharsets.UTF_8);
            byte[] value = header.value();
            headers.append(hex(key)).append(',').append(value == null ? "null" : hex(value));
        }
        return String.format(
            "{\"offset\":%d,\"timestamp\":%d,\"key\":%s,\"value\":%s,\"headers\":[%s]}",
            record.offset(), record.timestamp(), hex(record.key()), hex(record.value()), headers);
    }

    private static String hex(ByteBuffer bytes) {
        if (bytes == null) return "null";
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        return hex(copy);
    }

    private static String hex(byte[] bytes) {
        return '"' + HexFormat.of().formatHex(bytes) + '"';
    }
}
