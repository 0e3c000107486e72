"""Faults under load: the same scenarios for tests/behaviour/chaos and for tests/chaos/run.

backend    a program: a backend that fails on command
load       a program: steady GET, POST, streams and TCP exchanges
site       four backends, the load, and the network they are in
scenarios  what happens to them
proxies    tidegate, haproxy and nginx in front of them, set up alike
outcome    what came of each exchange, and whose fault it was
"""
