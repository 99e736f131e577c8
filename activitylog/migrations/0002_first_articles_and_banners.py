"""A few articles to search and banners to click, so that a fresh site has something to do."""

from django.db import migrations

ARTICLES = [
    (
        "A diary that nobody can edit",
        "diary",
        "What a log is, and why writing at its end is all you need.",
        "A log is a diary with one rule: you write at the end, and what is written stays. Nobody crosses out "
        "yesterday. Whoever wants to know what happened begins at any page and reads forward.\n\n"
        "That is a topic in Kafka. The site writes “somebody searched for castle” at its end and goes on with its "
        "life. Who reads that line, and when, is not the site's business: marketing may read at noon, search trends "
        "at once, and a service that does not exist yet may start at page one next year.",
    ),
    (
        "The castle never answers",
        "castle",
        "On sending messages to an authority that may or may not have received them.",
        "K. writes to the castle. Has the letter arrived? Is the silence a refusal, or has the messenger stopped at "
        "the inn? He can send it again, and then perhaps two letters arrive.\n\n"
        "A producer lives with the same doubt. Until the broker's acknowledgement comes back the outcome is unknown, "
        "and whoever sends again has to accept a repeat, or has to give each letter a number by which a repeat "
        "can be recognised. This site numbers its letters.",
    ),
    (
        "One morning Gregor woke up consumed",
        "metamorphosis",
        "A consumer, its group, and the bed they share.",
        "A consumer reads a topic and does something with each message. Several consumers that share the work are a "
        "group: each page of the diary goes to one of them. Another group reads the same diary from its own "
        "bookmark, and neither knows of the other.\n\n"
        "When a member of the group can no longer get out of bed, the others take over its pages, from the last "
        "bookmark it left behind. The bookmark is called an offset, and most of the trouble in this trade comes from "
        "moving it too early.",
    ),
    (
        "Seven queues in one office",
        "partitions",
        "Why a topic has partitions, and what is promised inside each of them.",
        "An office with one counter serves everybody in order, slowly. With seven counters it serves seven at a time, "
        "and order is kept only within each queue. So people who belong together should stand in the same queue.\n\n"
        "A key sees to that. Everything that one visitor does carries the same key and lands in the same partition, "
        "in the order in which it was done. Between two visitors no order is promised, and nobody misses it.",
    ),
    (
        "The trial of the duplicate message",
        "trial",
        "Someone must have been sending false reports, for one fine morning a click was counted twice.",
        "The clerk counted the click and was struck by lightning before he could move his bookmark. His successor, an "
        "honest man, read the line again and counted it again. Who is guilty?\n\n"
        "Nobody, if the count and the bookmark are written in the same breath. Put them into one transaction: either "
        "both are there after the lightning or neither is. That is how the services of this site count.",
    ),
    (
        "A hunger artist, or: the empty outbox",
        "outbox",
        "An event that leaves if, and only if, its transaction commits.",
        "First you save the order, then you send the event, and in between the power fails: the order exists and "
        "nobody hears of it. Turn it round, and people hear of an order that does not exist.\n\n"
        "So write the event next to the order, in the same transaction, into a table called the outbox. A relay takes "
        "it to Kafka afterwards and removes it once it has been acknowledged. An empty outbox is a happy one.",
    ),
]

BANNERS = [
    (
        "Samsa & Sons beds",
        "samsa-beds",
        "Get up on either side.",
        "Six legs, an extra wide frame, and sheets that forgive. Thirty nights on trial, no questions asked by the "
        "chief clerk.",
        "bed",
    ),
    (
        "Castle tours",
        "castle-tours",
        "Departs daily. Arrives eventually.",
        "A walk through the village with a land surveyor, snow included. The castle itself is visible on most days "
        "and open on none.",
        "castle",
    ),
    (
        "Letters to Father",
        "letters",
        "Heavy paper for heavy words.",
        "One hundred sheets, cream, with envelopes. We deliver each letter at least once, and can tell you which.",
        "letter",
    ),
    (
        "Night train to Prague",
        "night-train",
        "Sleep through all partitions.",
        "Leaves at dusk, four carriages, your key always seats you in the same one. Breakfast is served in order.",
        "train",
    ),
]


def add(apps, schema_editor):
    using = schema_editor.connection.alias
    article, banner = apps.get_model("activitylog", "Article"), apps.get_model("activitylog", "Banner")
    for title, slug, summary, body in ARTICLES:
        article.objects.using(using).create(title=title, slug=slug, summary=summary, body=body)
    for title, slug, tagline, offer, art in BANNERS:
        banner.objects.using(using).create(title=title, slug=slug, tagline=tagline, offer=offer, art=art)


class Migration(migrations.Migration):
    dependencies = [("activitylog", "0001_initial")]

    # Backwards the tables go, and what is in them with them.
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
