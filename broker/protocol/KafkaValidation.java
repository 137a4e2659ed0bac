import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.CorruptRecordException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.PrimitiveRef;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.record.BrokerCompressionType;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogValidator;
import org.apache.kafka.storage.internals.log.RecordValidationException;

/**
 * What Kafka makes of produced batches. Reads per line
 * "version compact type before after target now max sent ours" (the last two in hex) and prints per
 * line one of JSON: Kafka's error, the records it names, and the batches that Kafka and "ours" would
 * be read as, null where that cannot be read.
 */
class KafkaValidation {
    private static final TopicPartition PARTITION = new TopicPartition("topic", 0);

    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] fields = line.split(" ");
            Outcome outcome = judge(fields);
            MemoryRecords ours = fields[9].equals("-") ? null : recordsOf(fields[9]);
            System.out.printf("{\"error\":\"%s\",\"records\":[%s],\"theirs\":%s,\"ours\":%s}%n",
                outcome.error.name(), outcome.records, describe(outcome.accepted), describe(ours));
        }
    }

    private record Outcome(Errors error, String records, MemoryRecords accepted) { }

    private static MemoryRecords recordsOf(String hex) {
        return MemoryRecords.readableRecords(ByteBuffer.wrap(HexFormat.of().parseHex(hex)));
    }

    private static Outcome judge(String[] fields) {
        try {
            MemoryRecords records = recordsOf(fields[8]);
            ProduceRequest.validateRecords(Short.parseShort(fields[0]), records);
            int maxBytes = Integer.parseInt(fields[7]);
            MutableRecordBatch batch = records.batches().iterator().next();
            checkAsLog(batch, maxBytes);
            ByteBuffer whole = records.buffer().duplicate().limit(batch.sizeInBytes());
            LogValidator.ValidationResult result =
                validator(fields, MemoryRecords.readableRecords(whole), batch.compressionType())
                    .validateMessagesAndAssignOffsets(
                        PrimitiveRef.ofLong(0), nothing(LogValidator.MetricsRecorder.class, 0),
                        BufferSupplier.NO_CACHING);
            int bytes = result.validatedRecords().sizeInBytes();
            if (result.messageSizeMaybeChanged() && bytes > maxBytes) throw new RecordTooLargeException("");
            return new Outcome(Errors.NONE, "", result.validatedRecords());
        } catch (RecordValidationException refusal) {
            String indexes = refusal.recordErrors().stream()
                .map(each -> String.valueOf(each.batchIndex)).collect(Collectors.joining(","));
            return new Outcome(Errors.forException(refusal.invalidException()), indexes, null);
        } catch (RuntimeException refusal) {
            return new Outcome(Errors.forException(refusal), "", null);
        }
    }

    /** What UnifiedLog looks at before it calls the validator, in its order. */
    private static void checkAsLog(MutableRecordBatch batch, int maxBytes) {
        if (batch.baseOffset() != 0) throw new InvalidRecordException("base offset");
        batch.lastOffset();
        if (batch.sizeInBytes() > maxBytes) throw new RecordTooLargeException("");
        if (!batch.isValid()) throw new CorruptRecordException("");
    }

    private static LogValidator validator(
        String[] fields, MemoryRecords records, CompressionType source
    ) {
        Optional<Compression> topics = fields[5].equals("producer")
            ? Optional.empty()
            : Optional.of(Compression.of(CompressionType.forName(fields[5])).build());
        return new LogValidator(
            records, PARTITION, nothing(Time.class, Long.parseLong(fields[6])), source,
            BrokerCompressionType.targetCompression(topics, source), Boolean.parseBoolean(fields[1]),
            RecordBatch.CURRENT_MAGIC_VALUE, TimestampType.forName(fields[2]),
            Long.parseLong(fields[3]), Long.parseLong(fields[4]), 0, AppendOrigin.CLIENT);
    }

    /** Something of a type that does nothing; what is asked for a long gets the one that is given. */
    @SuppressWarnings("unchecked")
    private static <T> T nothing(Class<T> type, long answer) {
        return (T) Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type},
            (proxy, method, values) -> method.getReturnType() == long.class ? (Object) answer : null);
    }

    private static String describe(MemoryRecords records) {
        if (records == null) return "null";
        try {
            MutableRecordBatch batch = records.batches().iterator().next();
            batch.ensureValid();
            StringBuilder described = new StringBuilder();
            for (Record record : batch) {
                if (!described.isEmpty()) described.append(',');
                described.append(describe(record));
            }
            return String.format(
                "{\"producerId\":%d,\"producerEpoch\":%d,\"baseSequence\":%d,\"lastOffset\":%d,"
                    + "\"maxTimestamp\":%d,\"type\":\"%s\",\"codec\":\"%s\",\"transactional\":%b,"
                    + "\"records\":[%s]}",
                batch.producerId(), batch.producerEpoch(), batch.baseSequence(), batch.lastOffset(),
                batch.maxTimestamp(), batch.timestampType(), batch.compressionType().name,
                batch.isTransactional(), described);
        } catch (RuntimeException unreadable) {
            return "null";
        }
    }

    private static String describe(Record record) {
        StringBuilder headers = new StringBuilder();
        for (Header header : record.headers()) {
            headers.append(' ').append(hex(header.key().getBytes(java.nio.charset.StandardCharsets.UTF_8)));
            headers.append('=').append(header.value() == null ? "-" : hex(header.value()));
        }
        return String.format("[%d,%d,\"%s\",\"%s\",\"%s\"]", record.offset(), record.timestamp(),
            hex(record.key()), hex(record.value()), headers);
    }

    private static String hex(ByteBuffer bytes) {
        if (bytes == null) return "-";
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        return hex(copy);
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }
}
