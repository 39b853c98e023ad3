import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0070_messages_of_the_api")]
    operations = [
        migrations.CreateModel(
            name="ServiceMinute",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "service",
                        "vapid_key_id",
                        "minute",
                        "slot",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("service", models.PositiveSmallIntegerField()),
                ("vapid_key_id", models.BigIntegerField()),
                ("minute", models.DateTimeField()),
                ("slot", models.PositiveSmallIntegerField()),
                ("first_at", models.DateTimeField()),
                *[
                    (name, models.BigIntegerField(db_default=0, default=0))
                    for name in (
                        "accepted",
                        "gone",
                        "throttled",
                        "unavailable",
                        "refused",
                        "rejected",
                        "no_answer",
                        "unsent",
                    )
                ],
                (
                    "latency",
                    django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), size=None),
                ),
                ("window", models.IntegerField(db_column="send_window", null=True)),
                ("rate", models.FloatField(null=True)),
            ],
            options={
                "db_table": "service_minute",
                "indexes": [models.Index(fields=["minute"], name="service_minute_minute")],
            },
        ),
        migrations.CreateModel(
            name="TokenBucket",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "kind", "owner_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.PositiveSmallIntegerField(choices=[(1, "Site"), (2, "Campaign")])),
                ("owner_id", models.BigIntegerField()),
                ("tokens", models.FloatField()),
                ("filled_at", models.DateTimeField()),
            ],
            options={"db_table": "token_bucket"},
        ),
        migrations.AddField("servicestate", "limit_rate", models.FloatField(null=True)),
        migrations.AddField("servicestate", "clean_seconds", models.FloatField(db_default=0, default=0)),
        migrations.AddField("servicestate", "tokens", models.FloatField(db_default=0, default=0)),
        migrations.AddField("servicestate", "tokens_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "servicestate",
            "troubled_devices",
            django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), null=True, size=None),
        ),
        migrations.AddField("servicestate", "strikes", models.PositiveSmallIntegerField(db_default=0, default=0)),
        migrations.AddField("servicestate", "throttled_at", models.DateTimeField(null=True)),
        migrations.AddField("batch", "throttled", models.PositiveSmallIntegerField(db_default=0, default=0)),
        migrations.AddField("retry", "throttled", models.PositiveSmallIntegerField(db_default=0, default=0)),
    ]
