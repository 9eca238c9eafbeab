"""Counts instructions and system calls (tests/bench/count/count.c)."""

import ctypes
import os
import subprocess

import frame

ADDR_NO_RANDOMIZE = 0x0040000
SECONDS = 300
REFUSED = 3  # the program's status


class Refused(frame.BenchError):
    """Nobody may trace a process here."""


def fix_addresses():
    """The same ones in every process from now on: no byte is copied otherwise
    for where it lies. Where that is refused, counts differ by little."""
    libc = ctypes.CDLL(None)
    now = libc.personality(0xffffffff)
    if now >= 0:
        libc.personality(now | ADDR_NO_RANDOMIZE)


def count(context, *case):
    """What the program prints; of one case its profile."""
    fix_addresses()
    clock = {"LD_PRELOAD": os.path.abspath(context.program("clock.so"))}
    with context.broker(environment=clock) as broker:
        process = frame.start(
            [context.program("count"), broker.socket, str(broker.serving),
             *case],
            # With the broker on one processor: it steps twice as fast.
            cpu=0, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        try:
            printed, said = process.communicate(timeout=SECONDS)
        except BaseException:
            process.kill()
            process.wait()
            raise
    said = said.strip()
    if process.returncode == REFUSED:
        raise Refused(said)
    if process.returncode != 0 or not printed:
        raise frame.BenchError(
            f"nothing was counted of {' '.join(case) or 'anything'}: {said}")
    return printed
