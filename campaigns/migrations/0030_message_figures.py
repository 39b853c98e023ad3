from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0020_corridor")]
    operations = [migrations.AddField("message", "figures", models.JSONField(default=dict))]
