from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0065_recipients_of_a_person")]
    operations = [
        migrations.AddField("serviceminute", "rested", models.FloatField(db_default=0, default=0)),
        migrations.AddField("servicestate", "slowed_by", models.CharField(db_default="", default="", max_length=16)),
    ]
