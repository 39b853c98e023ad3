import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0002_key_of_public_ids")]
    operations = [
        migrations.AddField(
            "site",
            "per_minute",
            models.PositiveIntegerField(
                "messages per minute",
                blank=True,
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                help_text="The most that is sent in any minute; empty is as fast as the push services take it.",
            ),
        )
    ]
