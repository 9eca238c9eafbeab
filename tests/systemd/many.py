#!/usr/bin/env python3
"""Makes many persistent segments, or compares what is in all of them.

usage: many.py make|check COUNT
"""
import os
import sys

import python_client

AT_ONCE = 200


def content(number):
    return f"segment {number} of many".encode() * 3


def fields(number):
    return {"name": f"global/many/{number}"}


def batches(count):
    for start in range(0, count, AT_ONCE):
        yield range(start, min(start + AT_ONCE, count))


def each(client, op, numbers, **more):
    ids = client.send_all([(op, {**fields(n), **more}) for n in numbers])
    for number, request in zip(numbers, ids):
        segment = client.wait_segment(request)
        yield number, segment
        segment.release()


def make(client, count):
    for numbers in batches(count):
        for number, segment in each(client, "create", numbers, size=4096,
                                    persist=True):
            os.pwrite(segment.handle, content(number), 0)


def check(client, count):
    listed = {row["name"] for row in client.list(prefix="global/many/")}
    missing = {fields(n)["name"] for n in range(count)} - listed
    if missing:
        sys.exit(f"{len(missing)} of {count} are lost")
    for numbers in batches(count):
        for number, segment in each(client, "open", numbers):
            if os.pread(segment.handle, 100, 0).rstrip(b"\0") != \
                    content(number):
                sys.exit(f"another content: {number}")


def remove(client, count):
    for numbers in batches(count):
        for request in client.send_all(
                [("remove", fields(n)) for n in numbers]):
            client.wait(request)


if __name__ == "__main__":
    action = {"make": make, "check": check, "remove": remove}[sys.argv[1]]
    with python_client.Client() as broker:
        action(broker, int(sys.argv[2]))
