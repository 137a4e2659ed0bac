"""A session of confluent-kafka, which is librdkafka."""

import time

import confluent_kafka
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicCollection
from confluent_kafka import ElectionType, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin import NewPartitions, NewTopic, OffsetSpec, ResourceType

from session import (
    EVENTUALLY_SECONDS_MAX,
    Pace,
    check,
    finish_asked,
    key_of,
    report,
    settings,
    tell_retry,
    value_of,
    words_of,
)

TOPIC = settings.get("topic", "")
ADMIN_SECONDS_MAX = 30
# Of a call to all brokers.
ALL_SECONDS_MAX = 5 if settings.get("isPatient") else ADMIN_SECONDS_MAX


def configuration(**more):
    base = {"bootstrap.servers": settings["bootstrap"]}
    if "caFile" in settings:
        base["security.protocol"] = "ssl"
        base["ssl.ca.location"] = settings["caFile"]
    return {**base, **{name.replace("_", "."): value for name, value in more.items()}}


def produce():
    more = {}
    if settings.get("idempotent"):
        more["enable_idempotence"] = True
    if settings.get("codec", "none") != "none":
        more["compression_type"] = settings["codec"]
    producer = Producer(configuration(**more))

    def delivered(error, message):
        value = message.value().decode()
        if error is None:
            report("acked", value=value, partition=message.partition(), offset=message.offset())
        else:
            report("failed", what=value, message=str(error))

    pace = Pace()
    index = 0
    report("ready")
    while True:
        for _ in range(pace.due()):
            producer.produce(TOPIC, key=key_of(index), value=value_of(index), on_delivery=delivered)
            index += 1
        if pace.finished:
            break
        producer.poll(0.02)
    left = producer.flush(180)
    if left > 0:
        report("failed", what="flush", message=f"{left} records are left")


def consume():
    more = {"group_id": settings["groupId"], "auto_offset_reset": "earliest"}
    if "instanceId" in settings:
        more["group_instance_id"] = settings["instanceId"]
    if settings.get("isCooperative"):
        more["partition_assignment_strategy"] = "cooperative-sticky"
    consumer = Consumer(configuration(**more))

    def assigned(_, partitions):
        report("assigned", partitions=[each.partition for each in partitions])

    def revoked(_, partitions):
        report("revoked", partitions=[each.partition for each in partitions])

    consumer.subscribe([TOPIC], on_assign=assigned, on_revoke=revoked, on_lost=revoked)
    report("ready")
    while not finish_asked():
        take(consumer.poll(0.1))
    consumer.close()


def take(message):
    if message is None:
        return 0
    if message.error() is not None:
        report("failed", what="poll", message=str(message.error()))
        return 0
    report(
        "record",
        partition=message.partition(),
        offset=message.offset(),
        value=message.value().decode(),
    )
    return 1


def offsets_by_time(consumer, wanted):
    end = time.monotonic() + 60
    while True:
        try:
            return consumer.offsets_for_times(wanted, timeout=30)
        except KafkaException:
            if not settings.get("isPatient") or time.monotonic() > end:
                raise
            time.sleep(0.2)


def seek():
    consumer = Consumer(configuration(group_id="nobody", enable_auto_commit=False))
    partitions = consumer.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions
    wanted = [TopicPartition(TOPIC, each, settings["timeMs"]) for each in partitions]
    consumer.assign(offsets_by_time(consumer, wanted))
    report("ready")
    left = settings["count"]
    while left > 0:
        left -= take(consumer.poll(0.1))
    consumer.close()


def result_of(futures):
    """Of the only key."""
    (future,) = futures.values()
    return future.result(timeout=ADMIN_SECONDS_MAX)


def written():
    """Five records, so that there is something to delete. Where the first partition ends then."""
    producer = Producer(configuration(enable_idempotence=True))
    offsets = []

    def delivered(error, message):
        check(error is None, str(error))
        offsets.append(message.offset())

    for _ in range(5):
        producer.produce(TOPIC, partition=0, value="value", on_delivery=delivered)
    check(producer.flush(60) == 0, "not all is written")
    return max(offsets) + 1


def admin_steps(admin):
    topic, group = TOPIC, settings["groupId"]
    resource = ConfigResource(ResourceType.TOPIC, topic)

    def described():
        found = result_of(admin.describe_topics(TopicCollection([topic])))
        check(len(found.partitions) == 3, "partitions are missing")

    def altered():
        entry = ConfigEntry("retention.ms", "7654321", incremental_operation=AlterConfigOpType.SET)
        wanted = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        result_of(admin.incremental_alter_configs([wanted]))

    def configs():
        found = result_of(admin.describe_configs([resource]))
        check(found["retention.ms"].value == "7654321", "retention.ms is not what was set")

    def grown():
        count = len(admin.list_topics(topic, timeout=ADMIN_SECONDS_MAX).topics[topic].partitions)
        check(count == 4, f"{count} partitions")

    def offset_at(spec):
        return result_of(admin.list_offsets({TopicPartition(topic, 0): spec})).offset

    def offsets():
        end = written()
        check(offset_at(OffsetSpec.latest()) == end, "the end is not where the writer was")

    def records():
        result_of(admin.delete_records([TopicPartition(topic, 0, 3)]))
        check(offset_at(OffsetSpec.earliest()) == 3, "the beginning is not 3")

    def elected():
        found = admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition(topic, 0)])
        for error in found.result(timeout=ADMIN_SECONDS_MAX).values():
            # It needs none, as its owner is its only replica.
            check(error is None or error.name() == "ELECTION_NOT_NEEDED", str(error))

    def group_offsets_set():
        request = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 1, 3)])
        # What fails for one partition raises nothing.
        for each in result_of(admin.alter_consumer_group_offsets([request])).topic_partitions:
            check(each.error is None, str(each.error))

    def group_offsets():
        found = result_of(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
        check([each.offset for each in found.topic_partitions] == [3], "the offset is not 3")

    def groups():
        found = admin.list_consumer_groups().result(timeout=ALL_SECONDS_MAX)
        check(group in [each.group_id for each in found.valid], "the group is missing")

    def cluster():
        check(len(admin.describe_cluster().result(timeout=ADMIN_SECONDS_MAX).nodes) > 0, "no nodes")

    def listed():
        check(topic in admin.list_topics(timeout=ADMIN_SECONDS_MAX).topics, "the topic is missing")

    def gone():
        check(topic not in admin.list_topics(timeout=ADMIN_SECONDS_MAX).topics, "the topic is there still")

    return [
        ("describe cluster", cluster),
        ("create topic", lambda: result_of(admin.create_topics([NewTopic(topic, 3, 1)]))),
        ("list topics", listed),
        ("describe topic", described),
        ("alter configs", altered),
        ("describe configs", configs),
        ("create partitions", lambda: result_of(admin.create_partitions([NewPartitions(topic, 4)]))),
        ("see new partitions", grown),
        ("list offsets", offsets),
        ("delete records", records),
        ("elect leaders", elected),
        ("alter group offsets", group_offsets_set),
        ("list group offsets", group_offsets),
        ("list groups", groups),
        ("describe group", lambda: result_of(admin.describe_consumer_groups([group]))),
        ("delete group", lambda: result_of(admin.delete_consumer_groups([group]))),
        ("delete topic", lambda: result_of(admin.delete_topics([topic]))),
        ("see it gone", gone),
    ]


# What a call says when an earlier one, whose answer did not come in time, has done it.
DONE_BEFORE = {
    "create topic": "TOPIC_ALREADY_EXISTS",
    "create partitions": "INVALID_PARTITIONS",
    "delete group": "GROUP_ID_NOT_FOUND",
    "delete topic": "UNKNOWN_TOPIC_OR_PART",
}


def administer():
    report("ready")
    steps = admin_steps(AdminClient(configuration()))
    for index, (name, _) in enumerate(steps):
        end = time.monotonic() + EVENTUALLY_SECONDS_MAX
        timed_out = False
        while True:
            try:
                steps[index][1]()
                report("step", name=name, outcome="passed")
                break
            except Exception as error:  # whatever the client raises is the finding
                if timed_out and name in DONE_BEFORE and DONE_BEFORE[name] in str(error):
                    report("step", name=name, outcome="passed")
                    break
                tell_retry(name, error)
                timed_out = timed_out or isinstance(error, TimeoutError)
                # What one broker did, the others hear of a little later, as in Kafka.
                if time.monotonic() > end:
                    report("step", name=name, outcome="failed", message=words_of(error))
                    break
                time.sleep(0.2)
                if settings.get("isPatient") and name == "list groups":
                    steps = admin_steps(AdminClient(configuration()))


library = f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})"
ROLES = {
    "version": lambda: report("version", version=library),
    "produce": produce,
    "consume": consume,
    "seek": seek,
    "admin": administer,
}
ROLES[settings["role"]]()
report("done")
