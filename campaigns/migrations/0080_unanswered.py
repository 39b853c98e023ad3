from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0072_rests")]

    operations = [
        migrations.AddField(model, "unanswered", models.PositiveSmallIntegerField(db_default=0, default=0))
        for model in ("batch", "retry")
    ]
