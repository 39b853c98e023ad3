from campaigns.models.audience_choice import AudienceChoice
from campaigns.models.batch import Batch, Lane, Retry, ServiceState
from campaigns.models.campaign import Campaign, CampaignSegment
from campaigns.models.delivery import Delivery, Receipt, ReceiptKind
from campaigns.models.message import Message, Recipient
from campaigns.models.totals import Breakdown, CampaignMinute, CampaignTotal, MessageTotal, SiteDay

__all__ = [
    "AudienceChoice",
    "Batch",
    "Breakdown",
    "Campaign",
    "CampaignMinute",
    "CampaignSegment",
    "CampaignTotal",
    "Delivery",
    "Lane",
    "Message",
    "MessageTotal",
    "Receipt",
    "ReceiptKind",
    "Recipient",
    "Retry",
    "ServiceState",
    "SiteDay",
]
