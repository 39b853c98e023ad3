from campaigns.admin import campaigns, contacts, segments

__all__ = ["campaigns", "contacts", "segments"]
