import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0040_answer_samples")]
    operations = [
        migrations.AddField(
            "servicestate",
            "refused_devices",
            django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), null=True, size=None),
        )
    ]
