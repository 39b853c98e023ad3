from pushplatform.sites.admin import api_clients, members, vapid_keys

__all__ = ["api_clients", "members", "vapid_keys"]
