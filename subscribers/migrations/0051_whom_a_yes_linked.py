from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscribers", "0050_people_of_the_api")]
    operations = [
        migrations.AddIndex(
            model_name="consentstate",
            index=models.Index(
                condition=models.Q(("contact_id__isnull", False)), fields=["contact_id"], name="consent_contact"
            ),
        )
    ]
