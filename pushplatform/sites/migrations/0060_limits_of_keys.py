from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sites", "0050_per_minute")]
    operations = [
        migrations.AddField("apikey", "per_minute", models.PositiveIntegerField(blank=True, null=True)),
    ]
