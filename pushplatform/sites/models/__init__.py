from pushplatform.sites.models.api_client import ApiClient, ApiKey, Scope
from pushplatform.sites.models.membership import Membership
from pushplatform.sites.models.public_id_key import PublicIdKey
from pushplatform.sites.models.site import Site
from pushplatform.sites.models.vapid_key import VapidKey

__all__ = ["ApiClient", "ApiKey", "Membership", "PublicIdKey", "Scope", "Site", "VapidKey"]
