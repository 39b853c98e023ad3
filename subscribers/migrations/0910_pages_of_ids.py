from django.db import migrations

PAGES = "(({0} >> 14)), ((({0} >> 6) & 255))"  # as subscribers/segments/sets.py groups ids


class Migration(migrations.Migration):
    dependencies = [("subscribers", "0900_lists_are_called_uploaded")]

    operations = [
        migrations.RunSQL(
            f"create statistics {name} (ndistinct) on {PAGES.format(id_)} from {table}", f"drop statistics {name}"
        )
        for name, id_, table in (
            ("device_people_pages", "coalesce(contact_id, 0)", "device"),
            ("device_pages", "id", "device"),
            ("contact_pages", "id", "contact"),
            ("device_stats_pages", "device_id", "device_stats"),
        )
    ]
