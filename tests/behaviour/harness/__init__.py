"""What behaviour tests are made of: a real tidegate, raw peers on both sides.

settings   the timeout knob, the build under test, waiting
net        an address of our own, free ports
wire       bytes to messages, without a library that would repair them
client     a client that sends exact bytes
backends   servers that record exact bytes and play scripts
process    tidegate and other programs: start, wait, stop by pid
shared     one tidegate for the tests of a file
conf       configuration texts
names      a name server
programs   programs of provider exec
logs       log lines and access records
"""
