"""An async handler that writes through the ORM."""

from django.contrib.auth.models import Group

from kafka_integration import Message


async def handle(message: Message) -> None:
    await Group.objects.acreate(name=message.value)
