from subscribers.admin import attributes, devices, page_tags, purposes, sites

__all__ = ["attributes", "devices", "page_tags", "purposes", "sites"]
