#!/usr/bin/env python3
"""Finds the master and the Sentinels of a group in ZooKeeper.

    python3 lookup.py [HOSTS [ROOT]] [--follow]

HOSTS is what ZK_HOSTS is for redis-zk (default localhost:2181), ROOT what ZK_ROOT is (default /redis). With --follow
every change of the master is printed, until the program is killed. Needs kazoo.
"""

import sys
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError


def address(data):
    """Reads `<host> <port>`; an IPv6 host has no brackets. Empty is None."""
    text = data.decode().strip()
    if not text:
        return None
    host, port = text.split()
    return host, int(port)


def master(zookeeper, root="/redis"):
    """Who is master, or None."""
    try:
        data, _ = zookeeper.get(f"{root}/master")
    except NoNodeError:
        return None
    return address(data)


def sentinels(zookeeper, root="/redis"):
    """The registered Sentinels, in the order of their znodes' names."""
    try:
        names = zookeeper.get_children(f"{root}/sentinels")
    except NoNodeError:
        return []
    found = []
    for name in sorted(names):
        try:
            data, _ = zookeeper.get(f"{root}/sentinels/{name}")
        except NoNodeError:
            continue  # It left between the two reads.
        found.append(address(data))
    return found


def follow(zookeeper, root, last, changed):
    """Calls `changed` with each new master. kazoo sets the watch again, also in a new session."""

    @zookeeper.DataWatch(f"{root}/master")
    def look(data, stat):
        nonlocal last
        try:
            now = address(data or b"")
        except ValueError:
            print(f"not an address: {data!r}", file=sys.stderr)
            return
        # A new session looks again, and a rewrite of the same bytes is a change for ZooKeeper.
        if now != last:
            last = now
            changed(now)


def shown(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def show_master(found):
    print(f"master {shown(*found)}" if found else "no master yet", flush=True)


def main():
    words = [word for word in sys.argv[1:] if word != "--follow"]
    hosts = words[0] if words else "localhost:2181"
    root = words[1] if len(words) > 1 else "/redis"

    zookeeper = KazooClient(hosts=hosts, timeout=4.0)
    zookeeper.start(timeout=15)
    found = master(zookeeper, root)
    show_master(found)
    for sentinel in sentinels(zookeeper, root):
        print(f"sentinel {shown(*sentinel)}", flush=True)
    if "--follow" in sys.argv:
        follow(zookeeper, root, found, show_master)
        threading.Event().wait()
    zookeeper.stop()


if __name__ == "__main__":
    main()
