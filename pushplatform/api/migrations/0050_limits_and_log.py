from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("api", "0001_initial")]
    operations = [
        migrations.CreateModel(
            "RateBucket",
            [
                ("key_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("left_over", models.FloatField()),
                ("passed", models.BooleanField()),
                ("at", models.DateTimeField()),
            ],
            options={"db_table": "rate_bucket"},
        ),
        migrations.RunSQL(
            "alter table rate_bucket set unlogged, set (fillfactor = 50)",
            "alter table rate_bucket set logged",
        ),
        migrations.CreateModel(
            "RequestLine",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("request_id", models.CharField(max_length=64)),
                ("site_id", models.BigIntegerField(null=True)),
                ("client_id", models.BigIntegerField(null=True)),
                ("key_prefix", models.CharField(blank=True, max_length=16, verbose_name="key")),
                ("method", models.CharField(max_length=8)),
                ("route", models.CharField(blank=True, max_length=100)),
                ("status", models.PositiveSmallIntegerField()),
                ("ms", models.PositiveIntegerField(verbose_name="milliseconds")),
                ("items", models.PositiveIntegerField(default=0, verbose_name="recipients")),
            ],
            options={
                "db_table": "request_line",
                "verbose_name": "API request",
                "indexes": [
                    models.Index(fields=["site_id", "-at"], name="request_line_site"),
                    models.Index(fields=["at"], name="request_line_age"),
                ],
            },
        ),
    ]
