"""What is written from messages."""

from django.db import models


class Order(models.Model):
    number = models.BigIntegerField()
    user = models.CharField(max_length=100)
    amount = models.IntegerField()

    def __str__(self) -> str:
        return f"order {self.number}"


class Booking(models.Model):
    number = models.BigIntegerField(unique=True)
    user = models.CharField(max_length=100)
    amount = models.IntegerField()

    def __str__(self) -> str:
        return f"booking {self.number}"
