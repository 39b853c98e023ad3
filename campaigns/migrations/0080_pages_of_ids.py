from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0072_rests")]

    operations = [
        migrations.RunSQL(
            # As subscribers/segments/sets.py groups ids.
            "create statistics device_stats_pages (ndistinct)"
            " on ((device_id >> 14)), (((device_id >> 6) & 255)) from device_stats",
            "drop statistics device_stats_pages",
        )
    ]
