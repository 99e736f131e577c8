"""How much there is of what isn't counted by the argument."""

PARTITIONS = 500
PROCESSES = 50
MESSAGES = 20 * PARTITIONS
