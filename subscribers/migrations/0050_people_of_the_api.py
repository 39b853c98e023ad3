import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sites", "0002_key_of_public_ids"),
        ("subscribers", "0010_wording_guard"),
    ]

    operations = [
        migrations.CreateModel(
            name="AttributeLock",
            fields=[
                (
                    "site",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="attribute_lock",
                        serialize=False,
                        to="sites.site",
                    ),
                ),
                ("locked_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "db_table": "attribute_lock",
            },
        ),
        migrations.CreateModel(
            name="JournalLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("line", models.JSONField()),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "db_table": "journal_line",
            },
        ),
        migrations.CreateModel(
            name="MergedContact",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("external_id", models.CharField(db_collation="C", max_length=255)),
                (
                    "merged_id",
                    models.BigIntegerField(help_text="The id that the contact had; lines of the ledger keep it."),
                ),
                ("at", models.DateTimeField()),
            ],
            options={
                "db_table": "merged_contact",
            },
        ),
        migrations.AddField(
            model_name="wording",
            name="from_crm",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Recorded with a CRM's consent; browsers are never asked with it.",
            ),
        ),
        migrations.AlterField(
            model_name="attribute",
            name="locked",
            field=models.BooleanField(default=False, help_text="Its type stays what it is."),
        ),
        migrations.AddIndex(
            model_name="behaviour",
            index=models.Index(fields=["site_id", "key"], name="behaviour_key"),
        ),
        migrations.AddIndex(
            model_name="behaviour",
            index=models.Index(
                condition=models.Q(("contact_id__isnull", False)), fields=["contact_id"], name="behaviour_contact"
            ),
        ),
        migrations.AddIndex(
            model_name="behaviour",
            index=models.Index(
                condition=models.Q(("device_id__isnull", False)), fields=["device_id"], name="behaviour_device"
            ),
        ),
        migrations.AddField(
            model_name="mergedcontact",
            name="into",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="merged", to="subscribers.contact"
            ),
        ),
        migrations.AddField(
            model_name="mergedcontact",
            name="site",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="sites.site"),
        ),
        migrations.AddConstraint(
            model_name="mergedcontact",
            constraint=models.UniqueConstraint(fields=("site", "external_id"), name="merged_contact_once"),
        ),
    ]
