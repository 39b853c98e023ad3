from subscribers.admin import attributes, devices, purposes, sites

__all__ = ["attributes", "devices", "purposes", "sites"]
