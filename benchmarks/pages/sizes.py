"""How much there is of what isn't counted by the argument."""

PARTITIONS = 500
PROCESSES = 50
MESSAGES = 20 * PARTITIONS
EVENT = "placed"
"""The id of one of the messages of the topic that many groups read."""
