"""A program whose child, forked after the first message, sends messages of its own."""

PROGRAM = """
produce_sync(topic, "1 parent, before")
pid = os.fork()
if pid == 0:
    produce_sync(topic, "2 child")
    produce(topic, "3 child, at its end")
    sys.exit(0)
status = os.waitpid(pid, 0)[1]
produce_sync(topic, "4 parent, after")
sys.exit(os.waitstatus_to_exitcode(status))
"""
VALUES = ["1 parent, before", "2 child", "3 child, at its end", "4 parent, after"]
