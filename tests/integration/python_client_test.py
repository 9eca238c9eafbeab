#!/usr/bin/env python3
"""The protocol as a stranger sees it: a client in another language."""

import contextlib
import ctypes
import mmap
import os
import pathlib
import re
import resource
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from python_client import (  # noqa: E402
    Client, Doorbell, Gone, HandleLost, Refused)

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD") or TOP / "build")
CONFIG = "[default]\nbytes = 64MiB\nsegment_bytes = 32MiB\n"
# One segment cannot be larger, whatever goes wrong.
FILE_SIZE = 1 << 30


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))


class Broker:
    """A private broker in a temporary folder."""

    def __init__(self, config=CONFIG):
        self.folder = tempfile.mkdtemp(prefix="p-")
        self.socket = os.path.join(self.folder, "run", "broker.sock")
        path = os.path.join(self.folder, "segbroker.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        self.log = os.path.join(self.folder, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [BUILD / "segbrokerd", "--config", path, "--runtime-dir",
                 os.path.dirname(self.socket)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=limit_file_size)
        self.wait()

    def wait(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.socket(
                    socket.AF_UNIX) as probe:
                probe.connect(self.socket)
                return
            time.sleep(0.005)
        raise AssertionError(f"no broker: {self.read_log()}")

    def read_log(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def __enter__(self):
        return self

    def __exit__(self, kind, _error, _trace):
        self.process.terminate()
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        log = self.read_log()
        shutil.rmtree(self.folder)
        if kind is None:
            assert status == 0, f"the broker ended with {status}:\n{log}"


def until(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return condition()


@contextlib.contextmanager
def no_free_descriptor():
    """The lowest free number is the limit: no further descriptor fits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connected_in_time(path):
    deadline = time.monotonic() + 5
    while True:
        try:
            return Client(path)
        except Refused:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


@contextlib.contextmanager
def refused(error):
    try:
        yield
    except Refused as refusal:
        assert refusal.error == error, f"{refusal} instead of {error}"
        return
    raise AssertionError(f"not refused with {error}")


# ---- the client ----

def test_says_hello(broker):
    with Client(broker.socket) as client:
        welcome = client.welcome
        assert welcome["version"] == 1
        assert welcome["server"].startswith("segbroker/")
        assert welcome["you"].startswith("user:")
        assert welcome["administrator"] is True
        assert isinstance(welcome["features"], list)
        assert welcome["limits"] == {"line": 65536, "handles": 253}


def test_creates_opens_maps_writes_reads_and_releases(broker):
    with Client(broker.socket) as writer, Client(broker.socket) as reader:
        made = writer.create(100000, name="frames")
        assert made.created and made.access == "rw"
        assert made.mapped_size % mmap.PAGESIZE == 0
        with made.map() as memory:
            assert memory[:] == bytes(made.mapped_size)
            memory[0:5] = b"hello"
            opened = reader.open("frames")
            assert opened.id == made.id and opened.size == 100000
            assert opened.access == "ro" and not opened.created
            with opened.map() as view:
                assert view[0:5] == b"hello"
                memory[99999] = 7
                assert view[99999] == 7
        opened.release()
        made.release()
        with refused("not-found"):
            reader.open("frames")
        assert writer.list() == []
        assert writer.used("bytes") == 0


def test_read_only_handle_cannot_be_mapped_for_writing(broker):
    with Client(broker.socket) as client:
        segment = client.create(4096, access="ro")
        try:
            mmap.mmap(segment.handle, 4096, access=mmap.ACCESS_WRITE)
            raise AssertionError("mapped for writing")
        except PermissionError:
            pass
        segment.release()


def test_copy_on_write_stays_private(broker):
    with Client(broker.socket) as client:
        made = client.create(4096, name="a")
        copy = client.open("a", access="cow")
        with made.map() as memory, copy.map() as view:
            memory[0] = 1
            assert view[0] == 1
            view[0] = 2
            assert memory[0] == 1
        copy.release()
        made.release()


def test_unnamed_segment_is_opened_by_id(broker):
    with Client(broker.socket) as client:
        made = client.create(4096)
        again = client.open(segment=made.id, access="rw")
        assert os.fstat(again.handle).st_ino == os.fstat(made.handle).st_ino
        record = client.stat(segment=made.id)
        assert record["name"] is None and record["state"] == "unnamed"
        assert record["grants"] == 2 and record["may"] == "rw"
        again.release()
        made.release()


def test_listing_is_paged(broker):
    with Client(broker.socket) as client:
        segments = [client.create(1, name=f"p/{i}") for i in range(25)]
        assert len(client.list(limit=4)) == 25
        names = [row["name"] for row in client.list(prefix="p/1", limit=3)]
        assert names == ["p/1"] + [f"p/{i}" for i in range(10, 20)]
        for segment in segments:
            segment.release()


def test_refusal_tells_budget_and_figures(broker):
    with Client(broker.socket) as client:
        held = [client.create(32 << 20, commit=False) for _ in range(2)]
        try:
            client.create(4096)
            raise AssertionError("not refused")
        except Refused as refusal:
            assert refusal.error == "quota-exceeded"
            assert refusal.detail["budget"] == "bytes"
            assert refusal.detail["used"] == 64 << 20
            assert refusal.detail["limit"] == 64 << 20
            assert refusal.detail["asked"] == 4096
            assert refusal.detail["section"]
        for segment in held:
            segment.release()


def test_pipelined_handles_are_the_right_ones(broker):
    with Client(broker.socket) as client:
        made = [client.create(4096, name=str(i)) for i in range(10)]
        inodes = [os.fstat(segment.handle).st_ino for segment in made]
        ids = client.send_all([("open", {"name": str(i * 7 % 10)})
                               for i in range(600)])
        batches = 0
        for i, request_id in enumerate(ids):
            reply, handle = client.wait(request_id)
            assert os.fstat(handle).st_ino == inodes[i * 7 % 10]
            batches += reply["handles"]["memory"] == 0
            os.close(handle)
        assert 600 / 253 <= batches <= 300, batches
        # Every one was claimed: nothing is left over for later replies.
        assert not client.batches and not any(client.batch)
        for segment in made:
            segment.close()


def test_pipelined_doorbells_are_the_right_ones(broker):
    with Client(broker.socket) as client:
        made = [client.create(4096, name=str(i), doorbell=i % 2 == 0)
                for i in range(10)]
        facts = [client.stat(name=str(i))["doorbell"] for i in range(10)]
        assert facts == [True, False] * 5
        ids = client.send_all([("open", {"name": str(i * 7 % 10)})
                               for i in range(600)])
        for i, request_id in enumerate(ids):
            segment = client.wait_segment(request_id)
            expected = made[i * 7 % 10]
            assert os.fstat(segment.handle).st_ino == \
                os.fstat(expected.handle).st_ino
            assert (segment.bell is None) == (expected.bell is None)
            if segment.bell is not None:
                assert os.fstat(segment.bell).st_ino == \
                    os.fstat(expected.bell).st_ino
            segment.close()
        assert not client.batches and not any(client.batch)
        for segment in made:
            segment.close()


def test_rings_and_is_rung_by_the_document_alone(broker):
    try:
        atomic = ctypes.CDLL("libatomic.so.1")
    except OSError:
        print("skipped: there is no libatomic")
        return
    segctl = [BUILD / "segctl", "--quiet", "--socket", broker.socket]
    with Client(broker.socket) as client:
        segment = client.create(4096, name="a", doorbell=True)
        bell = Doorbell(segment.bell, atomic)
        assert not bell.wait(0)
        subprocess.run([*segctl, "signal", "a"], check=True)
        assert bell.wait(0) and not bell.wait(0)
        subprocess.run([*segctl, "signal", "--all", "a"], check=True)
        assert bell.wait(0) and not bell.wait(0)
        with subprocess.Popen([*segctl, "wait", "a"]) as waiter:
            assert until(lambda: bell.load(bell.WAITERS) == 1)
            bell.signal()
            assert waiter.wait(20) == 0
        ringer = threading.Timer(0.1, subprocess.run,
                                 [[*segctl, "signal", "a"]])
        ringer.start()
        assert bell.wait(20)
        ringer.join()
        bell.close()
        segment.close()


def test_many_at_once_are_the_right_ones(broker):
    with Client(broker.socket) as client:
        assert "items" in client.welcome["features"]
        made = client.many("create", [
            {"name": str(i), "size": 4096, "doorbell": i % 2 == 0}
            for i in range(64)])
        assert all((segment.bell is None) == (i % 2 == 1)
                   for i, segment in enumerate(made))
        names = [str(i * 7 % 65) for i in range(64)]
        opened = client.many("open", [{"name": name} for name in names])
        for name, segment in zip(names, opened):
            if name == "64":
                assert segment.error == "not-found"
                continue
            expected = made[int(name)]
            assert os.fstat(segment.handle).st_ino == \
                os.fstat(expected.handle).st_ino
            assert (segment.bell is None) == (expected.bell is None)
            segment.close()
        try:
            client.many("open", [{"name": name} for name in names],
                        atomic=True)
            raise AssertionError("opened what is not there")
        except Refused as refused:
            assert refused.error == "not-found"
        assert not client.batches and not any(client.batch)
        for segment in made:
            segment.close()


def test_huge_pages_are_whole_or_refused(broker):
    with Client(broker.socket) as client:
        known = "huge-2M" in client.welcome["features"]
        try:
            segment = client.create(1, pages="2M")
        except Refused as refused:
            assert refused.error == ("no-memory" if known else "not-supported")
            assert "pages" in refused.message
            assert client.used("bytes") == 0
            return
        assert segment.mapped_size == 2 << 20
        assert client.stat(segment=segment.id)["pages"] == "2M"
        with segment.map() as view:
            view[-1] = 1
        segment.close()


def test_memory_is_of_the_node_that_was_asked_for(broker):
    with Client(broker.socket) as client:
        if "numa" not in client.welcome["features"]:
            print("skipped: the broker does not list numa")
            return
        segment = client.create(4096, numa=0)
        record = client.stat(segment=segment.id)
        assert record["numa"] == 0 and "pages" not in record
        segment.close()


def test_errors_between_pipelined_requests_take_no_handles(broker):
    with Client(broker.socket) as client:
        made = client.create(4096, name="a")
        ids = client.send_all([("open", {"name": "a" if i % 3 else "missing"})
                               for i in range(60)])
        for i, request_id in enumerate(ids):
            if i % 3 == 0:
                with refused("not-found"):
                    client.wait(request_id)
                continue
            segment = client.wait_segment(request_id)
            assert segment.id == made.id
            segment.close()
        made.close()


def test_lost_handle_is_told_and_the_next_one_is_right(broker):
    with Client(broker.socket) as client:
        first = client.create(4096, name="first")
        second = client.create(4096, name="second")
        grant = None
        request_id = client.send("open", name="first")
        with no_free_descriptor():
            try:
                client.wait_segment(request_id).close()
            except HandleLost as lost:
                grant = lost.grant
        assert grant is not None
        client.call("release", grant=grant)
        again = client.open("second")
        assert os.fstat(again.handle).st_ino == \
            os.fstat(second.handle).st_ino
        for segment in (again, second, first):
            segment.close()


def test_lost_batch_does_not_shift_the_next_ones(broker):
    with Client(broker.socket) as client:
        made = [client.create(4096, name=str(i)) for i in range(2)]
        first = client.send("open", name="0")
        select.select([client.socket], [], [], 20)
        with no_free_descriptor():
            client.receive()
        second = client.send("open", name="1")
        while len(client.batches) < 2:
            client.receive()
        try:
            client.wait_segment(first)
            raise AssertionError("not lost")
        except HandleLost:
            pass
        again = client.wait_segment(second)
        assert os.fstat(again.handle).st_ino == \
            os.fstat(made[1].handle).st_ino
        for segment in [again, *made]:
            segment.close()


def test_remove_takes_the_name_away_and_leaves_the_memory(broker):
    with Client(broker.socket) as client, Client(broker.socket) as other:
        made = client.create(4096, name="a")
        with made.map() as memory:
            memory[0] = 9
            other.remove("a")
            with refused("not-found"):
                other.open("a")
            assert client.stat(segment=made.id)["state"] == "removed"
            assert memory[0] == 9
        made.release()
        assert client.list() == []


def test_half_done_segment_is_nobody_elses(broker):
    with Client(broker.socket) as client, Client(broker.socket) as other:
        made = client.create(4096, name="a", publish="later")
        with refused("busy"):
            other.open("a")
        assert other.stat(name="a")["published"] is False
        client.call("publish", name="a")
        assert "published" not in other.stat(name="a")
        other.open("a").close()
        made.close()


def test_waits_for_a_name(broker):
    with Client(broker.socket) as client, Client(broker.socket) as other:
        waiting = client.send("open", name="a", wait_ms=20000)
        client.call("ping")
        made = other.create(4096, name="a", publish="later")
        client.call("ping")
        assert waiting not in client.early
        other.call("publish", name="a")
        opened = client.wait_segment(waiting)
        assert opened.id == made.id
        with refused("timeout"):
            client.open("b", wait_ms=10)
        for segment in (opened, made):
            segment.close()


def test_watches_what_becomes_of_segments(broker):
    with Client(broker.socket) as client, Client(broker.socket) as other:
        number = client.call("watch", prefix="cam/")["watch"]
        other.create(4096, name="model").release()
        made = other.create(4096, name="cam/0", publish="later")
        client.call("ping")
        event = client.next_event()
        assert event["event"] == "created" and event["watch"] == number
        assert event["segment"] == made.id and event["name"] == "cam/0"
        assert event["published"] is False
        other.call("publish", segment=made.id)
        assert client.next_event()["event"] == "published"
        made.release()
        assert client.next_event()["event"] == "removed"
        assert client.next_event()["event"] == "gone"
        client.call("unwatch", watch=number)
        other.create(4096, name="cam/1").release()
        client.call("ping")
        assert not client.events


def test_slow_watcher_is_told_what_it_lost(broker):
    with Client(broker.socket) as client, Client(broker.socket) as other:
        client.call("watch")
        for _ in range(3000):
            other.create(1, name="a").release()
        while client.next_event()["event"] != "overflow":
            pass
        assert other.list() == []


def test_refused_connection_is_told_why(_broker):
    with Broker("[default]\nconnections = 1\n") as broker:
        # The one that tried whether it serves may not have gone yet.
        with connected_in_time(broker.socket) as client:
            with refused("quota-exceeded"):
                Client(broker.socket)
            client.call("ping")


def test_administrator_looks_around(broker):
    with Client(broker.socket, name="one") as client:
        rows = [row for row in client.clients() if row["name"] == "one"]
        assert len(rows) == 1 and rows[0]["pid"] == os.getpid()
        assert rows[0]["grants"] == 0
        assert client.call("stats")["stats"]["segments"] == 0
        assert client.call("log-level", level="debug")["previous"] == "info"
        client.call("reload")


def test_counters_are_those_of_the_document(broker):
    document = (TOP / "protocol" / "PROTOCOL.md").read_text(encoding="utf-8")
    table = document[document.index("| `uptime_seconds` |"):].split("\n\n")[0]
    written = re.findall(r"^\| `(\w+)` \|", table, re.M)
    with Client(broker.socket) as client:
        assert written == list(client.call("stats")["stats"]), written


def test_descriptors_sent_along_are_ignored(broker):
    with Client(broker.socket) as client:
        line = b'{"id":900,"op":"ping"}\n'
        client.send_with_handles(line, [0, 1, 2])
        assert client.wait(900)[0]["ok"]


def test_unfinished_line_waits_and_malformed_one_ends(broker):
    with Client(broker.socket) as client:
        client.send_bytes(b'{"id":900,"op":"pi')
        client.send_bytes(b'ng"}\n')
        assert client.wait(900)[0]["ok"]
        client.send_bytes(b"nonsense\n")
        reply, _handle = client.read_reply()
        assert reply["id"] is None and reply["error"] == "bad-request"
        try:
            client.read_line()
            raise AssertionError("the connection goes on")
        except Gone:
            pass


def test_disconnect_gives_everything_back(broker):
    with Client(broker.socket) as client:
        with Client(broker.socket) as other:
            other.create(1 << 20, name="a").close()
            assert client.used("bytes") == 1 << 20
        assert until(lambda: client.used("bytes") == 0)
        assert until(lambda: client.used("grants") == 0)


# ---- the runner ----

def run_one(name, test):
    before = len(os.listdir("/proc/self/fd"))
    try:
        test()
        after = len(os.listdir("/proc/self/fd"))
        assert after == before, f"{after - before} descriptors are left"
    except Exception as error:  # pylint: disable=broad-except
        print(f"not ok {name}: {type(error).__name__}: {error}")
        return False
    print(f"ok {name}")
    return True


def with_broker(test):
    def run():
        with Broker() as broker:
            test(broker)
    return run


def main():
    tests = [(name[5:], with_broker(function))
             for name, function in globals().items()
             if re.match(r"test_", name)]
    results = [run_one(name, test) for name, test in tests]
    failed = results.count(False)
    print(f"{results.count(True)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
