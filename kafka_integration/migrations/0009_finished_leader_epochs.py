from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("kafka_integration", "0008_lag_samples"),
    ]

    operations = [
        migrations.AddField(
            model_name="finishedoffset",
            name="leader_epoch",
            field=models.IntegerField(null=True, verbose_name="leader epoch"),
        ),
    ]
