"""A segbroker client in Python, written from protocol/PROTOCOL.md alone.

It needs nothing but the standard library. Two rules do all the work:

* a request and a reply are each one line of JSON, and `id` tells which belong
  together;
* handles come beside the bytes, one batch a message. A reply names its handles
  by their indexes in a batch, and a memory of index 0 opens the next batch.
"""

import array
import collections
import ctypes
import json
import mmap
import os
import select
import socket
import time

LINE_MAX = 65536
HANDLES_MAX = 253
TIMEOUT = 20  # seconds


class Refused(Exception):
    """The broker's answer is an error: `error` is its name."""

    def __init__(self, reply):
        super().__init__(f"{reply['error']}: {reply.get('message')}")
        self.error = reply["error"]
        self.message = reply.get("message")
        self.detail = reply.get("detail")


class HandleLost(Exception):
    """The reply came, but not its handle: this process has no room for one.
    `grant` should be released."""

    def __init__(self, grant):
        super().__init__("too-many-handles")
        self.grant = grant


class Gone(Exception):
    """The broker has ended the connection."""


class Segment:
    """A granted segment: its facts and its descriptors."""

    def __init__(self, client, reply, handle, bell=None):
        self.client = client
        self.handle = handle
        self.bell = bell
        self.grant = reply["grant"]
        self.id = reply["segment"]
        self.created = reply["created"]
        self.size = reply["size"]
        self.mapped_size = reply["mapped_size"]
        self.access = reply["access"]

    def map(self):
        """A view of the whole segment, as its access allows."""
        access = {"ro": mmap.ACCESS_READ, "rw": mmap.ACCESS_WRITE,
                  "cow": mmap.ACCESS_COPY}[self.access]
        return mmap.mmap(self.handle, self.mapped_size, access=access)

    def close(self):
        """Closes the descriptors; the grant stays."""
        for handle in (self.handle, self.bell):
            if handle is not None:
                os.close(handle)
        self.handle = self.bell = None

    def release(self):
        """Closes the descriptor and gives the grant back."""
        self.close()
        self.client.call("release", grant=self.grant)


class Doorbell:
    """Signals through a doorbell's page. Python has no atomic operations, so
    those of GCC's libatomic do: `atomic` is that library."""

    COUNT, SEQUENCE, EPOCH, WAITERS, WATCHERS, WATCHED = 0, 4, 8, 64, 68, 128
    FUTEX = {"x86_64": 202, "aarch64": 98}.get(os.uname().machine)
    ORDER = 5  # sequentially consistent

    def __init__(self, handle, atomic):
        self.page = mmap.mmap(handle, mmap.PAGESIZE)
        self.memory = ctypes.c_char.from_buffer(self.page)
        self.base = ctypes.addressof(self.memory)
        self.atomic = atomic
        self.libc = ctypes.CDLL(None)
        self.seen = self.load(self.EPOCH)

    def close(self):
        del self.memory
        self.page.close()

    def at(self, word):
        return ctypes.c_void_p(self.base + word)

    def load(self, word):
        function = self.atomic["__atomic_load_4"]
        function.restype = ctypes.c_uint32
        return function(self.at(word), self.ORDER)

    def add(self, word, number):
        self.atomic["__atomic_fetch_add_4"](
            self.at(word), ctypes.c_uint32(number & 0xffffffff), self.ORDER)

    def take(self):
        count = ctypes.c_uint32(self.load(self.COUNT))
        function = self.atomic["__atomic_compare_exchange_4"]
        function.restype = ctypes.c_bool
        return count.value > 0 and function(
            self.at(self.COUNT), ctypes.byref(count),
            ctypes.c_uint32(count.value - 1), self.ORDER, self.ORDER)

    def futex(self, word, operation, value):
        second = (ctypes.c_long * 2)(1, 0)
        self.libc.syscall(ctypes.c_long(self.FUTEX), self.at(word),
                          ctypes.c_int(operation), ctypes.c_uint32(value),
                          second if operation == 0 else None, None, 0)

    def signal(self):
        self.add(self.COUNT, 1)
        self.add(self.SEQUENCE, 1)
        if self.load(self.WAITERS):
            self.futex(self.SEQUENCE, 1, 1)  # FUTEX_WAKE
        if self.load(self.WATCHERS):
            self.add(self.WATCHED, 1)
            self.futex(self.WATCHED, 1, 0x7fffffff)

    def wait(self, seconds):
        """Whether it was rung."""
        end = time.monotonic() + seconds
        while True:
            sequence = self.load(self.SEQUENCE)
            epoch, before = self.load(self.EPOCH), self.seen
            self.seen = epoch
            if epoch != before or self.take():
                return True
            if time.monotonic() >= end:
                return False
            self.add(self.WAITERS, 1)
            if self.load(self.SEQUENCE) == sequence:
                self.futex(self.SEQUENCE, 0, sequence)  # FUTEX_WAIT
            self.add(self.WAITERS, -1)


def connect(path=None):
    """A socket to the broker, found as the document says."""
    if path is None and (path := os.environ.get("SEGBROKER_SOCKET")) is None:
        folders = [os.environ.get("XDG_RUNTIME_DIR"), "/run"]
        paths = [f"{folder}/segbroker/broker.sock" for folder in folders
                 if folder]
    else:
        paths = [path]
    for path in paths:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(TIMEOUT)
        try:
            connection.connect(path)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure


class Client:
    """One connection; `name` None leaves the hello to the caller."""

    def __init__(self, path=None, name="python/1"):
        self.socket = connect(path)
        self.received = bytearray()
        self.batches = collections.deque()
        self.batch = []
        self.last_id = 0
        self.early = {}
        self.events = collections.deque()
        self.bells = {}  # doorbells of replies, by id
        self.items = {}  # handles of the items of replies, by id
        try:
            if name is not None:
                self.welcome = self.call("hello", version=1, client=name)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.close()

    def close(self):
        self.socket.close()
        unclaimed = [self.batch, *self.batches]
        unclaimed.append([handle for _reply, handle in self.early.values()])
        unclaimed.append(self.bells.values())
        for pairs in self.items.values():
            unclaimed.extend(pairs)
        for batch in unclaimed:
            for handle in batch:
                if handle is not None:
                    os.close(handle)
        self.batch = []
        self.batches.clear()
        self.early.clear()
        self.bells.clear()
        self.items.clear()

    # ---- lines and handles ----

    def send_bytes(self, data):
        """Sends, and reads meanwhile: the broker takes no more requests from
        a client whose replies pile up."""
        while data:
            readable, writable, _ = select.select(
                [self.socket], [self.socket], [], TIMEOUT)
            if readable:
                self.receive()
            if writable:
                data = data[self.socket.send(data):]
            if not readable and not writable:
                raise TimeoutError()

    def receive(self):
        data, handles, flags, _address = socket.recv_fds(
            self.socket, LINE_MAX, HANDLES_MAX)
        if handles or flags & socket.MSG_CTRUNC:
            # Also a batch that lost all of its handles is one.
            self.batches.append(list(handles))
        if not data:
            raise Gone()
        self.received += data

    def read_line(self):
        while True:
            line, newline, rest = self.received.partition(b"\n")
            if newline:
                self.received = rest
                return bytes(line)
            self.receive()

    def claim(self, index):
        """The handle that the line just read names, or None when lost."""
        if index == 0:
            for handle in self.batch:
                if handle is not None:
                    os.close(handle)
            self.batch = self.batches.popleft() if self.batches else []
        if index >= len(self.batch):
            return None
        handle, self.batch[index] = self.batch[index], None
        return handle

    def read_reply(self):
        """The next reply and its memory's handle. Handles are claimed in the
        order of the lines, whoever asked."""
        reply = json.loads(self.read_line())
        while "event" in reply and "id" not in reply:
            self.events.append(reply)
            reply = json.loads(self.read_line())
        handle, bell = self.claim_named(reply)
        if bell is not None:
            self.bells[reply["id"]] = bell
        if "items" in reply:
            self.items[reply["id"]] = [self.claim_named(item)
                                       for item in reply["items"]]
        return reply, handle

    def claim_named(self, granted):
        """The handles of memory and doorbell that a reply, or an item, names;
        None for none."""
        handles = granted.get("handles", {})
        return tuple(self.claim(handles[kind]) if kind in handles else None
                     for kind in ("memory", "doorbell"))

    # ---- requests ----

    def compose(self, op, **fields):
        """A request's id and its line."""
        self.last_id += 1
        request = {"id": self.last_id, "op": op, **fields}
        line = json.dumps(request, ensure_ascii=False).encode() + b"\n"
        return self.last_id, line

    def send(self, op, **fields):
        """Sends a request and returns its id, without waiting."""
        return self.send_all([(op, fields)])[0]

    def send_all(self, requests):
        """Sends many (op, fields) at once and returns their ids."""
        composed = [self.compose(op, **fields) for op, fields in requests]
        try:
            self.send_bytes(b"".join(line for _id, line in composed))
        except (BrokenPipeError, ConnectionResetError):
            pass  # why, the broker may have said: it is there to be read
        return [request_id for request_id, _line in composed]

    def wait(self, request_id):
        """The reply to a request, and its handle; raises Refused."""
        while request_id not in self.early:
            reply, handle = self.read_reply()
            if reply["id"] is None:
                raise Refused(reply)  # the connection as a whole
            self.early[reply["id"]] = reply, handle
        reply, handle = self.early.pop(request_id)
        if not reply["ok"]:
            raise Refused(reply)
        return reply, handle

    def next_event(self):
        """The next event, of those that came between replies first."""
        while not self.events:
            line = json.loads(self.read_line())
            assert "event" in line, line
            self.events.append(line)
        return self.events.popleft()

    def call(self, op, **fields):
        return self.wait(self.send(op, **fields))[0]

    def wait_segment(self, request_id):
        reply, handle = self.wait(request_id)
        bell = self.bells.pop(request_id, None)
        segment = Segment(self, reply, handle, bell)
        if handle is None or (bell is None and "doorbell" in reply["handles"]):
            segment.close()
            raise HandleLost(reply["grant"])
        return segment

    def create(self, size, **fields):
        return self.wait_segment(self.send("create", size=size, **fields))

    def open(self, name=None, **fields):
        if name is not None:
            fields["name"] = name
        return self.wait_segment(self.send("open", **fields))

    def many(self, op, items, **fields):
        """For each item its segment, or what it was refused for."""
        request_id = self.send(op, items=items, **fields)
        reply, _none = self.wait(request_id)
        return [Segment(self, item, *pair) if item["ok"] else Refused(item)
                for item, pair in zip(reply["items"],
                                      self.items.pop(request_id))]

    def remove(self, name):
        self.call("remove", name=name)

    def stat(self, **target):
        return self.call("stat", **target)["segment"]

    def pages(self, op, key, **fields):
        """All rows of list, usage or clients, page by page."""
        after = 0
        while after is not None:
            reply = self.call(op, after=after, **fields)
            yield from reply[key]
            after = reply.get("next")

    def list(self, **fields):
        return list(self.pages("list", "segments", **fields))

    def usage(self, **fields):
        return list(self.pages("usage", "usage", **fields))

    def clients(self, **fields):
        return list(self.pages("clients", "clients", **fields))

    def used(self, budget):
        """What the host has used of a budget."""
        return sum(row["used"] for row in self.usage()
                   if (row["section"], row["budget"]) == ("total", budget))

    def send_with_handles(self, data, handles):
        """What no request wants: bytes with descriptors along."""
        rights = array.array("i", handles)
        self.socket.sendmsg(
            [data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
