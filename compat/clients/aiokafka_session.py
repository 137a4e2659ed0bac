"""A session of aiokafka, which speaks the protocol in Python itself."""

import asyncio
import time

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.helpers import create_ssl_context

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


def configuration(**more):
    base = {"bootstrap_servers": settings["bootstrap"].split(",")}
    if "caFile" in settings:
        base["security_protocol"] = "SSL"
        base["ssl_context"] = create_ssl_context(cafile=settings["caFile"])
    return {**base, **more}


async def produce():
    more = {}
    if settings.get("idempotent"):
        more["enable_idempotence"] = True
    if settings.get("codec", "none") != "none":
        more["compression_type"] = settings["codec"]
    producer = AIOKafkaProducer(**configuration(**more))
    await producer.start()
    waiting = set()

    def delivered(value, future):
        waiting.discard(future)
        if future.exception() is not None:
            report("failed", what=value, message=words_of(future.exception()))
        else:
            at = future.result()
            report("acked", value=value, partition=at.partition, offset=at.offset)

    pace = Pace()
    index = 0
    report("ready")
    while True:
        for _ in range(pace.due()):
            value = value_of(index)
            future = await producer.send(TOPIC, key=key_of(index), value=value.encode())
            waiting.add(future)
            future.add_done_callback(lambda done, value=value: delivered(value, done))
            index += 1
        if pace.finished:
            break
        await asyncio.sleep(0.02)
    await producer.stop()
    while waiting:
        await asyncio.sleep(0.02)


class Listener(ConsumerRebalanceListener):
    def on_partitions_assigned(self, assigned):
        report("assigned", partitions=[each.partition for each in assigned])

    def on_partitions_revoked(self, revoked):
        report("revoked", partitions=[each.partition for each in revoked])


def take(record):
    value = record.value.decode()
    report("record", partition=record.partition, offset=record.offset, value=value)


async def consume():
    more = {"group_id": settings["groupId"], "auto_offset_reset": "earliest"}
    if "instanceId" in settings:
        more["group_instance_id"] = settings["instanceId"]
    consumer = AIOKafkaConsumer(**configuration(**more))
    consumer.subscribe([TOPIC], listener=Listener())
    await consumer.start()
    report("ready")
    while not finish_asked():
        for records in (await consumer.getmany(timeout_ms=100)).values():
            for record in records:
                take(record)
    await consumer.stop()


async def seek():
    consumer = AIOKafkaConsumer(TOPIC, **configuration())
    await consumer.start()
    partitions = [TopicPartition(TOPIC, each) for each in consumer.partitions_for_topic(TOPIC)]
    found = await consumer.offsets_for_times({each: settings["timeMs"] for each in partitions})
    for partition, at in found.items():
        if at is not None:
            consumer.seek(partition, at.offset)
        else:
            await consumer.seek_to_end(partition)
    report("ready")
    for _ in range(settings["count"]):
        take(await consumer.getone())
    await consumer.stop()


async def written():
    """Five records, so that there is something to delete. Where the first partition ends then."""
    producer = AIOKafkaProducer(**configuration(enable_idempotence=True))
    await producer.start()
    try:
        for _ in range(5):
            at = await producer.send_and_wait(TOPIC, b"value", partition=0)
    finally:
        await producer.stop()
    return at.offset + 1


async def beginning():
    """The admin part of this client lists no offsets; a consumer does."""
    consumer = AIOKafkaConsumer(**configuration())
    await consumer.start()
    try:
        partition = TopicPartition(TOPIC, 0)
        return (await consumer.beginning_offsets([partition]))[partition]
    finally:
        await consumer.stop()


def no_errors(response):
    """This client hands over the answer as it came."""
    for row in getattr(response, "topic_errors", None) or getattr(response, "resources", None) or []:
        code = row[1] if isinstance(row[0], str) else row[0]
        check(code == 0, f"error {code}: {row}")
    return response


def admin_steps(admin):
    topic, group = TOPIC, settings["groupId"]

    async def cluster():
        check(len((await admin.describe_cluster())["brokers"]) > 0, "no brokers")

    async def created():
        no_errors(await admin.create_topics([NewTopic(topic, 3, 1)]))

    async def listed():
        check(topic in await admin.list_topics(), "the topic is missing")

    async def described():
        (found,) = await admin.describe_topics([topic])
        check(len(found["partitions"]) == 3, f"partitions are missing: {found}")

    async def altered():
        wanted = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.ms": "7654321"})
        no_errors(await admin.alter_configs([wanted]))

    async def configs():
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        ((_, _, _, _, entries),) = answers[0].resources
        values = {entry[0]: entry[1] for entry in entries}
        check(values.get("retention.ms") == "7654321", "retention.ms is not what was set")

    async def more_partitions():
        no_errors(await admin.create_partitions({topic: NewPartitions(4)}))

    async def grown():
        (found,) = await admin.describe_topics([topic])
        check(len(found["partitions"]) == 4, "partitions are missing")

    async def records():
        await written()
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=3)})
        check(await beginning() == 3, "the beginning is not 3")

    async def groups():
        await make_group(topic, group)
        found = await admin.list_consumer_groups()
        check(group in [name for name, _ in found], f"the group is missing: {found}")

    async def group_described():
        (answer,) = await admin.describe_consumer_groups([group])
        check(answer.groups[0][0] == 0, f"{answer}")

    async def group_offsets():
        found = await admin.list_consumer_group_offsets(group)
        check([each.offset for each in found.values()] == [3], f"the offset is not 3: {found}")

    async def topic_deleted():
        no_errors(await admin.delete_topics([topic]))

    async def gone():
        check(topic not in await admin.list_topics(), "the topic is there still")

    return [
        ("describe cluster", cluster),
        ("create topic", created),
        ("list topics", listed),
        ("describe topic", described),
        ("alter configs", altered),
        ("describe configs", configs),
        ("create partitions", more_partitions),
        ("see new partitions", grown),
        ("delete records", records),
        ("list groups", groups),
        ("describe group", group_described),
        ("list group offsets", group_offsets),
        ("delete topic", topic_deleted),
        ("see it gone", gone),
    ]


async def make_group(topic, group):
    """The admin part of this client cannot set a group's offsets; a consumer without members can."""
    consumer = AIOKafkaConsumer(**configuration(group_id=group, enable_auto_commit=False))
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.commit({TopicPartition(topic, 0): 3})
    finally:
        await consumer.stop()


async def administer():
    admin = AIOKafkaAdminClient(**configuration())
    await admin.start()
    report("ready")
    for name, action in admin_steps(admin):
        end = time.monotonic() + EVENTUALLY_SECONDS_MAX
        while True:
            try:
                await action()
                report("step", name=name, outcome="passed")
                break
            except Exception as error:  # whatever the client raises is the finding
                tell_retry(name, error)
                # What one broker did, the others hear of a little later, as in Kafka.
                if time.monotonic() > end:
                    report("step", name=name, outcome="failed", message=words_of(error))
                    break
                await asyncio.sleep(0.2)
    await admin.close()


async def version():
    report("version", version=aiokafka.__version__)


ROLES = {
    "version": version,
    "produce": produce,
    "consume": consume,
    "seek": seek,
    "admin": administer,
}
asyncio.run(ROLES[settings["role"]]())
report("done")
