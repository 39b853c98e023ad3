from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0050_roads")]
    operations = [
        migrations.AddIndex(
            model_name="recipient",
            index=models.Index(
                condition=models.Q(("external_id__isnull", False)), fields=["external_id"], name="recipient_who"
            ),
        ),
        migrations.AddIndex(
            model_name="recipient",
            index=models.Index(
                condition=models.Q(("device_id__isnull", False)), fields=["device_id"], name="recipient_device"
            ),
        ),
    ]
