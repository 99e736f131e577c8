"""The same work through other libraries, each at the version that its requirements file pins, in its own environment.

Each in its best documented form that loses nothing: an offset is committed after its message was handled. Those that
are built on librdkafka get the property that our own consumers set, `fetch.queue.backoff.ms`; without it all of them
wait for librdkafka most of the time.
"""
