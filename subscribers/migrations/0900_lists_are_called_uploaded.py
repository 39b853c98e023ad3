from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("subscribers", "0052_page_tags")]

    operations = [migrations.AlterModelOptions(name="contactlist", options={"verbose_name": "uploaded list"})]
