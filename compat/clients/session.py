"""What the sessions of all Python clients share: settings, commands, reports, and the pace.

A session is one process of one client. Its settings are JSON in the first argument, its commands
are lines on standard input, and it tells what happens in JSON lines on standard output. See
compat/lib/session-protocol.ts, which says what they mean.
"""

import json
import os
import queue
import sys
import threading
import time

settings = json.loads(sys.argv[1])
commands = queue.Queue()

EVENTUALLY_SECONDS_MAX = 15


def report(event, **fields):
    """Tells the runner."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def _listen():
    for line in sys.stdin:
        commands.put(line.split())
    # Whoever started this is gone: nobody would end it.
    os._exit(2)


threading.Thread(target=_listen, daemon=True).start()


class Pace:
    """How many records are due now, by the commands so far."""

    def __init__(self):
        self.finished = False
        self._burst = 0
        self._per_second = 0.0
        self._since = time.monotonic()
        self._sent = 0

    def due(self):
        while not commands.empty():
            word, *arguments = commands.get_nowait()
            if word == "send":
                self._burst += int(arguments[0])
            elif word == "run":
                self._per_second = float(arguments[0])
                self._since = time.monotonic()
                self._sent = 0
            elif word == "finish":
                self.finished = True
                self._per_second = 0.0
        count = self._burst
        self._burst = 0
        paced = int((time.monotonic() - self._since) * self._per_second) - self._sent
        if paced > 0:
            self._sent += paced
            count += paced
        return count


def finish_asked():
    """Whether the runner wants a session that reads to end."""
    while not commands.empty():
        if commands.get_nowait()[0] == "finish":
            return True
    return False


def key_of(index):
    return f"key-{index % 97}".encode()


def value_of(index):
    return f"{settings['name']}-{index}"


def words_of(error):
    return f"{type(error).__name__}: {error}"


def tell_retry(name, error):
    """Into the session's log: a step that is tried again has not failed yet."""
    print(f"{name} is tried again: {words_of(error)}", file=sys.stderr, flush=True)


def check(condition, words):
    if not condition:
        raise AssertionError(words)
