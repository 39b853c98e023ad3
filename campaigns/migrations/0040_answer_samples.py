from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0030_message_figures")]
    operations = [
        migrations.CreateModel(
            name="AnswerSample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message_id", models.BigIntegerField()),
                ("service", models.PositiveSmallIntegerField()),
                ("http_code", models.PositiveSmallIntegerField()),
                ("reason", models.PositiveSmallIntegerField()),
                ("error", models.CharField(blank=True, default="", max_length=32)),
                ("number", models.BigIntegerField()),
                ("headers", models.JSONField(default=dict)),
                ("body", models.TextField(blank=True)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "db_table": "answer_sample",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("message_id", "service", "http_code", "reason", "error"), name="answer_sample_kind"
                    )
                ],
            },
        ),
    ]
