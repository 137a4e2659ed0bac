import org.apache.kafka.common.protocol.Errors;

/** Prints Kafka's error codes, one "NAME code" per line. */
class PrintErrors {
    public static void main(String[] arguments) {
        for (Errors error : Errors.values()) {
            System.out.println(error.name() + " " + error.code());
        }
    }
}
