import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Random;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;

/**
 * Packs records with every codec of Kafka's and prints per batch one line: codec, kind of time
 * stamps, the batch in hex, and "offset:timestamp" of its records as Kafka reads them.
 */
class KafkaPacked {
    private static final long SOME_TIME_MS = 1_700_000_000_000L;

    public static void main(String[] arguments) {
        for (CompressionType codec : CompressionType.values()) {
            for (int valueBytes : new int[] {0, 20, 1_000, 100_000}) {
                print(codec, TimestampType.CREATE_TIME, valueBytes);
            }
            print(codec, TimestampType.LOG_APPEND_TIME, 20);
        }
    }

    private static void print(CompressionType codec, TimestampType type, int valueBytes) {
        Random random = new Random(valueBytes);
        MemoryRecordsBuilder builder = MemoryRecords.builder(
            ByteBuffer.allocate(4096), RecordBatch.CURRENT_MAGIC_VALUE,
            Compression.of(codec).build(), type, 1_000_000_000_000L, SOME_TIME_MS + 5);
        for (int index = 0; index < 20; index++) {
            byte[] value = new byte[valueBytes];
            for (int at = 0; at < valueBytes; at++) value[at] = (byte) random.nextInt(4);
            // Not in order, before the first one as well.
            long timestamp = SOME_TIME_MS + random.nextInt(10_000) - 5_000;
            builder.append(timestamp, index % 3 == 0 ? null : new byte[index], value);
        }
        MemoryRecords records = builder.build();
        StringBuilder places = new StringBuilder();
        for (Record record : records.records()) {
            if (!places.isEmpty()) places.append(',');
            places.append(record.offset()).append(':').append(record.timestamp());
        }
        byte[] bytes = new byte[records.sizeInBytes()];
        records.buffer().duplicate().get(bytes);
        String hex = HexFormat.of().formatHex(bytes);
        System.out.printf("%s %s %s %s%n", codec.name, type.name, hex, places);
    }
}
