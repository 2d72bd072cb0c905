#!/usr/bin/env python3
"""Writes to the master and reads it back from a replica, through the Sentinels that ZooKeeper names.

    python3 connect.py [HOSTS [ROOT [MASTER_NAME]]]

Needs kazoo and redis (redis-py).
"""

import sys

from kazoo.client import KazooClient
from redis.sentinel import Sentinel

from lookup import sentinels


def main():
    given = dict(zip(["hosts", "root", "name"], sys.argv[1:]))
    hosts = given.get("hosts", "localhost:2181")
    root = given.get("root", "/redis")
    name = given.get("name", "master1")

    zookeeper = KazooClient(hosts=hosts)
    zookeeper.start(timeout=15)
    addresses = sentinels(zookeeper, root)
    zookeeper.stop()

    group = Sentinel(addresses, socket_timeout=1.0)
    master = group.master_for(name, socket_timeout=1.0)
    master.set("greeting", "hello")
    master.wait(1, 1000)
    replica = group.slave_for(name, socket_timeout=1.0)
    print("read", replica.get("greeting").decode())


if __name__ == "__main__":
    main()
