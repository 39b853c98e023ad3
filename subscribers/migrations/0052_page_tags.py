import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0002_key_of_public_ids"), ("subscribers", "0070_segments")]
    operations = [
        migrations.CreateModel(
            name="PageTag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tag", models.CharField(max_length=64)),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="page_tags", to="sites.site"
                    ),
                ),
            ],
            options={
                "verbose_name": "tag of pages",
                "verbose_name_plural": "tags of pages",
                "db_table": "page_tag",
                "constraints": [models.UniqueConstraint(fields=("site", "tag"), name="page_tag_once")],
            },
        ),
    ]
