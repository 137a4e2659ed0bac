import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.MessageSizeAccumulator;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.Readable;

/**
 * Reads lines "message version hex", decodes each with Kafka's own class, and prints a line
 * "hex json": what Kafka encodes the decoded message to, and what it found in it. Where Kafka
 * refuses a line, prints "error" and the reason.
 */
class KafkaEcho {
    private static final String PACKAGE = "org.apache.kafka.common.message.";

    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        PrintStream output = new PrintStream(System.out, false, "UTF-8");
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ", -1);
            output.println(echo(words[0], Short.parseShort(words[1]), words[2]));
        }
        output.flush();
    }

    private static String echo(String name, short version, String hex) {
        try {
            ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(hex));
            Class<?> type = Class.forName(PACKAGE + name + "Data");
            ApiMessage message = (ApiMessage) type
                .getConstructor(Readable.class, short.class)
                .newInstance(new ByteBufferAccessor(bytes), version);
            if (bytes.hasRemaining()) return "error bytes are left";
            Method write = Class.forName(PACKAGE + name + "DataJsonConverter")
                .getMethod("write", type, short.class, boolean.class);
            JsonNode json = (JsonNode) write.invoke(null, message, version, false);
            return HexFormat.of().formatHex(encode(message, version)) + " " + json;
        } catch (Exception error) {
            Throwable cause = error.getCause() == null ? error : error.getCause();
            return "error " + cause;
        }
    }

    private static byte[] encode(ApiMessage message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        MessageSizeAccumulator size = new MessageSizeAccumulator();
        message.addSize(size, cache, version);
        ByteBuffer bytes = ByteBuffer.allocate(size.totalSize());
        message.write(new ByteBufferAccessor(bytes), cache, version);
        if (bytes.hasRemaining()) throw new IllegalStateException("Kafka miscounted");
        return bytes.array();
    }
}
