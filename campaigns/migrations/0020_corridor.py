import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0003_first_partitions")]
    operations = [
        migrations.CreateModel(
            name="AudienceChoice",
            fields=[
                ("message_id", models.BigIntegerField(primary_key=True, serialize=False)),
                (
                    "device_ids",
                    django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None),
                ),
            ],
            options={"db_table": "audience_choice"},
        ),
        migrations.RemoveIndex(model_name="message", name="message_alive"),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                condition=models.Q(("rolled_up", False), ("state", 2)), fields=["id"], name="batch_to_roll_up"
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("finished_at", None)), fields=["send_at"], name="message_unfinished"
            ),
        ),
    ]
