import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.utils.AppInfoParser;

/** A session of Kafka's own client. What its settings and lines mean: compat/lib/session-protocol.ts. */
class JavaSession {
    static final ObjectMapper JSON = new ObjectMapper();
    static final Duration EVENTUALLY_MAX = Duration.ofSeconds(15);
    static final Duration POLL = Duration.ofMillis(100);
    static JsonNode settings;
    static String topic;

    public static void main(String[] args) throws Exception {
        settings = JSON.readTree(args[0]);
        topic = settings.path("topic").asText();
        Commands.listen();
        switch (settings.get("role").asText()) {
            case "version" -> report("version", "version", AppInfoParser.getVersion());
            case "produce" -> produce();
            case "consume" -> consume();
            case "seek" -> seek();
            case "admin" -> administer();
            default -> throw new IllegalArgumentException("no such role");
        }
        report("done");
        System.exit(0);
    }

    /** Fields come as names and values by turns. */
    static synchronized void report(String event, Object... fields) {
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("event", event);
        for (int i = 0; i < fields.length; i += 2) message.put((String) fields[i], fields[i + 1]);
        try {
            System.out.println(JSON.writeValueAsString(message));
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    static Properties configuration() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", settings.get("bootstrap").asText());
        if (settings.has("caFile")) {
            properties.put("security.protocol", "SSL");
            properties.put("ssl.truststore.type", "PEM");
            properties.put("ssl.truststore.location", settings.get("caFile").asText());
        }
        return properties;
    }

    static Properties producerConfiguration() {
        Properties properties = configuration();
        String strings = "org.apache.kafka.common.serialization.StringSerializer";
        properties.put("key.serializer", strings);
        properties.put("value.serializer", strings);
        return properties;
    }

    static void produce() throws Exception {
        Properties properties = producerConfiguration();
        // It is idempotent unless told otherwise.
        if (!settings.path("idempotent").asBoolean()) properties.put("enable.idempotence", "false");
        if (settings.has("codec")) properties.put("compression.type", settings.get("codec").asText());
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            report("ready");
            int index = 0;
            while (true) {
                boolean isLast = Commands.isFinishing;
                for (int left = Commands.due(); left > 0; left--) {
                    String value = settings.get("name").asText() + "-" + index;
                    producer.send(new ProducerRecord<>(topic, "key-" + index % 97, value), (at, error) -> {
                        if (error != null) report("failed", "what", value, "message", error.toString());
                        else report("acked", "value", value, "partition", at.partition(), "offset", at.offset());
                    });
                    index++;
                }
                if (isLast) break;
                Thread.sleep(20);
            }
        }
    }

    static KafkaConsumer<String, String> consumer() {
        Properties properties = configuration();
        String strings = "org.apache.kafka.common.serialization.StringDeserializer";
        properties.put("key.deserializer", strings);
        properties.put("value.deserializer", strings);
        properties.put("auto.offset.reset", "earliest");
        if (settings.has("groupId")) properties.put("group.id", settings.get("groupId").asText());
        if (settings.has("instanceId")) {
            properties.put("group.instance.id", settings.get("instanceId").asText());
        }
        if (settings.path("isCooperative").asBoolean()) {
            String assignor = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
            properties.put("partition.assignment.strategy", assignor);
        }
        return new KafkaConsumer<>(properties);
    }

    static int poll(KafkaConsumer<String, String> consumer) {
        int count = 0;
        for (ConsumerRecord<String, String> each : consumer.poll(POLL)) {
            report("record", "partition", each.partition(), "offset", each.offset(), "value", each.value());
            count++;
        }
        return count;
    }

    static void consume() {
        try (KafkaConsumer<String, String> consumer = consumer()) {
            consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    report("assigned", "partitions", indexes(partitions));
                }

                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    report("revoked", "partitions", indexes(partitions));
                }
            });
            report("ready");
            while (!Commands.isFinishing) poll(consumer);
        }
    }

    static List<Integer> indexes(Collection<TopicPartition> partitions) {
        return partitions.stream().map(TopicPartition::partition).toList();
    }

    static void seek() {
        try (KafkaConsumer<String, String> consumer = consumer()) {
            Map<TopicPartition, Long> times = new HashMap<>();
            for (var each : consumer.partitionsFor(topic)) {
                times.put(new TopicPartition(topic, each.partition()), settings.get("timeMs").asLong());
            }
            consumer.assign(times.keySet());
            consumer.offsetsForTimes(times).forEach((partition, at) -> {
                if (at == null) consumer.seekToEnd(List.of(partition));
                else consumer.seek(partition, at.offset());
            });
            report("ready");
            int left = settings.get("count").asInt();
            while (left > 0) left -= poll(consumer);
        }
    }

    static void check(boolean holds, String words) {
        if (!holds) throw new IllegalStateException(words);
    }

    /** Five records, so that there is something to delete. Where the first partition ends then. */
    static long written() throws Exception {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(producerConfiguration())) {
            long end = 0;
            for (int index = 0; index < 5; index++) {
                end = producer.send(new ProducerRecord<>(topic, 0, null, "value")).get().offset() + 1;
            }
            return end;
        }
    }

    static long offsetAt(Admin admin, TopicPartition partition, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(partition, spec)).all().get().get(partition).offset();
    }

    static Map<String, Callable<?>> topicSteps(Admin admin) {
        Map<String, Callable<?>> steps = new LinkedHashMap<>();
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Callable<Integer> count =
            () -> admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
        TopicPartition first = new TopicPartition(topic, 0);
        steps.put("describe cluster", () -> admin.describeCluster().nodes().get());
        steps.put("create topic", () ->
            admin.createTopics(List.of(new NewTopic(topic, Optional.of(3), Optional.empty()))).all().get());
        steps.put("list topics", () -> {
            check(admin.listTopics().names().get().contains(topic), "the topic is missing");
            return null;
        });
        steps.put("describe topic", () -> {
            check(count.call() == 3, "partitions are missing");
            return null;
        });
        steps.put("alter configs", () -> {
            var operation = new AlterConfigOp(new ConfigEntry("retention.ms", "7654321"), AlterConfigOp.OpType.SET);
            return admin.incrementalAlterConfigs(Map.of(resource, List.of(operation))).all().get();
        });
        steps.put("describe configs", () -> {
            var found = admin.describeConfigs(List.of(resource)).all().get().get(resource);
            check(found.get("retention.ms").value().equals("7654321"), "retention.ms is not what was set");
            return null;
        });
        steps.put("create partitions", () ->
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get());
        steps.put("see new partitions", () -> {
            check(count.call() == 4, "partitions are missing");
            return null;
        });
        steps.put("list offsets", () -> {
            long end = written();
            check(offsetAt(admin, first, OffsetSpec.latest()) == end, "the end is not where the writer was");
            return null;
        });
        steps.put("delete records", () -> {
            admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(3))).all().get();
            check(offsetAt(admin, first, OffsetSpec.earliest()) == 3, "the beginning is not 3");
            return null;
        });
        steps.put("elect leaders", () ->
            admin.electLeaders(ElectionType.PREFERRED, Set.of(first)).partitions().get());
        steps.put("describe producers", () -> admin.describeProducers(List.of(first)).all().get());
        steps.put("reassign a partition", () -> {
            int target = admin.describeCluster().nodes().get().iterator().next().id();
            var wanted = Optional.of(new NewPartitionReassignment(List.of(target)));
            return admin.alterPartitionReassignments(Map.of(first, wanted)).all().get();
        });
        steps.put("list reassignments", () -> admin.listPartitionReassignments().reassignments().get());
        steps.put("describe log dirs", () -> {
            var ids = admin.describeCluster().nodes().get().stream().map(each -> each.id()).toList();
            return admin.describeLogDirs(ids).allDescriptions().get();
        });
        return steps;
    }

    static Map<String, Callable<?>> groupSteps(Admin admin) {
        Map<String, Callable<?>> steps = new LinkedHashMap<>();
        String group = settings.get("groupId").asText();
        TopicPartition partition = new TopicPartition(topic, 1);
        // Without offsets and members a group is gone by itself: one offset is deleted, one stays.
        TopicPartition other = new TopicPartition(topic, 2);
        var offsets = Map.of(partition, new OffsetAndMetadata(3), other, new OffsetAndMetadata(4));
        steps.put("alter group offsets", () ->
            admin.alterConsumerGroupOffsets(group, offsets).all().get());
        steps.put("list group offsets", () -> {
            var found = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            check(found.equals(offsets), "the offsets are " + found);
            return null;
        });
        steps.put("list groups", () -> {
            var ids = admin.listGroups().all().get().stream().map(each -> each.groupId()).toList();
            check(ids.contains(group), "the group is missing");
            return null;
        });
        steps.put("describe group", () -> admin.describeConsumerGroups(List.of(group)).all().get());
        steps.put("delete group offsets", () ->
            admin.deleteConsumerGroupOffsets(group, Set.of(partition)).all().get());
        steps.put("delete group", () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        steps.put("delete topic", () -> admin.deleteTopics(List.of(topic)).all().get());
        steps.put("see it gone", () -> {
            check(!admin.listTopics().names().get().contains(topic), "the topic is there still");
            return null;
        });
        return steps;
    }

    static void administer() throws Exception {
        try (Admin admin = Admin.create(configuration())) {
            report("ready");
            Map<String, Callable<?>> steps = topicSteps(admin);
            steps.putAll(groupSteps(admin));
            for (var step : steps.entrySet()) attempt(step.getKey(), step.getValue());
        }
    }

    /** What one broker did, the others hear of a little later, as in Kafka. */
    static void attempt(String name, Callable<?> action) throws Exception {
        long endNs = System.nanoTime() + EVENTUALLY_MAX.toNanos();
        while (true) {
            try {
                action.call();
                report("step", "name", name, "outcome", "passed");
                return;
            } catch (Exception error) {
                System.err.println(name + " is tried again: " + error);
                if (System.nanoTime() > endNs) {
                    report("step", "name", name, "outcome", "failed", "message", error.toString());
                    return;
                }
                Thread.sleep(200);
            }
        }
    }

    /** The runner's commands, and how many records are due by them. */
    static class Commands {
        static volatile boolean isFinishing = false;
        private static final ConcurrentLinkedQueue<String[]> lines = new ConcurrentLinkedQueue<>();
        private static long sinceNs = System.nanoTime();
        private static double perSecond = 0;
        private static long paced = 0;

        static void listen() {
            Thread thread = new Thread(() -> {
                try (var input = new BufferedReader(new InputStreamReader(System.in))) {
                    for (String line = input.readLine(); line != null; line = input.readLine()) {
                        if (line.equals("finish")) isFinishing = true;
                        else lines.add(line.split(" "));
                    }
                } catch (Exception error) {
                    error.printStackTrace();
                }
                // Whoever started this is gone: nobody would end it.
                Runtime.getRuntime().halt(2);
            });
            thread.setDaemon(true);
            thread.start();
        }

        static int due() {
            int count = 0;
            for (String[] words = lines.poll(); words != null; words = lines.poll()) {
                if (words[0].equals("send")) count += Integer.parseInt(words[1]);
                else if (words[0].equals("run")) {
                    perSecond = Double.parseDouble(words[1]);
                    sinceNs = System.nanoTime();
                    paced = 0;
                }
            }
            if (isFinishing) return count;
            long wanted = (long) ((System.nanoTime() - sinceNs) / 1e9 * perSecond);
            int added = (int) Math.max(0, wanted - paced);
            paced += added;
            return count + added;
        }
    }
}
