from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("kafka_integration", "0010_dead_letter_filters"),
    ]

    operations = [
        migrations.AddField(
            model_name="lagsample",
            name="loss_in_seconds",
            field=models.FloatField(null=True, verbose_name="time to the first loss in seconds"),
        ),
    ]
